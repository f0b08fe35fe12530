"""A few connections that only read, lent to one request at a time, each in a snapshot of its own.

Rules of this file:

* The session takes a role that may only read, and every loan is one read-only transaction at
  REPEATABLE READ: all that one answer says is true of the same moment.
* A connection that failed is closed, not lent again; one that went stale while it lay idle is made
  anew before anybody notices.
"""

import queue
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import psycopg

from ledger.errors import StoreUnavailable
from ledger.store.connecting import connected
from ledger.store.faults import translated

Connection = psycopg.Connection[Any]
"""What is lent."""

Role = Literal["clearing_reader", "clearing_auditor"]

_CANCEL_S = 5
_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Busy(StoreUnavailable):
    """All connections are lent; the same request may come again."""


class Readers:
    """Connections in one role.

    Args:
        url: Of the database.
        role: What every session acts as.
        size: Connections at most.
        wait_s: A loan waits so long for a free one.
        statement_s: The server gives a statement up after so long.
    """

    def __init__(
        self,
        url: str,
        role: Role,
        *,
        size: int,
        wait_s: float,
        statement_s: int,
    ) -> None:
        self._url = url
        self._role = role
        self._wait_s = wait_s
        self._statement_s = statement_s
        self._session = f"""
            SET ROLE clearing_auditor;
            SET search_path = pg_catalog;
            SET timezone = 'UTC';
            SET jit = off;
            SET default_transaction_read_only = on;
            SET statement_timeout = '{statement_s}s';
            SET idle_in_transaction_session_timeout = '60s'"""
        self._is_closed = False
        self._free: queue.LifoQueue[psycopg.Connection | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)  # made when it is first needed

    @contextmanager
    def lent(self) -> Iterator[psycopg.Connection]:
        """A connection inside a read-only transaction, for as long as the block runs.

        Raises:
            Busy: None became free in time.
            StoreUnavailable: The database cannot be reached, or gave a statement up.
        """
        try:
            idle = self._free.get(timeout=self._wait_s)
        except queue.Empty:
            raise Busy(
                f"all connections to the books were busy for {self._wait_s:g} s: come again"
            ) from None
        connection: psycopg.Connection | None = None
        try:
            connection = self._begun(idle)
            with translated():
                yield connection
                connection.execute(b"COMMIT")
        except BaseException:
            if connection is not None and not self._rolled_back(connection):
                connection.close()
                connection = None
            raise
        finally:
            self._free.put(connection)
            if self._is_closed:
                self.close()

    def _begun(self, idle: psycopg.Connection | None) -> psycopg.Connection:
        if idle is not None:
            try:
                idle.execute(_BEGIN)
            except psycopg.Error:  # the server went away while it lay idle
                idle.close()
            else:
                return idle
        made = connected(
            self._url, "clearing serve", self._session, answer_s=self._statement_s + 10
        )
        with translated():  # a reader may not even look at which revision it is
            made.execute(f"SET ROLE {self._role}".encode())
            made.execute(_BEGIN)
        return made

    @staticmethod
    def _rolled_back(connection: psycopg.Connection) -> bool:
        """The connection may be lent again; a stream that was left in its middle may not."""
        if connection.closed or connection.info.transaction_status is (
            psycopg.pq.TransactionStatus.ACTIVE
        ):
            return False
        try:
            connection.execute(b"ROLLBACK")
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        """Close those that nobody holds, and each of the others once it comes back."""
        self._is_closed = True
        while True:
            try:
                idle = self._free.get_nowait()
            except queue.Empty:
                return
            if idle is not None:
                idle.close()


def cancel(connection: Connection) -> None:
    """Have the server end the statement that a connection is in, from another thread.

    It may come too late, or between two statements, and then ends nothing. Whoever cancels lends
    the connection to nobody any more.
    """
    with suppress(psycopg.Error, OSError):  # it is over, or so is the connection
        connection.cancel_safe(timeout=_CANCEL_S)
