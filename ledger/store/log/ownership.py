"""Taking a shard: from nobody, from a live writer, from a frozen one; and never back by mistake.

A writer that froze in the middle of a batch holds the row of its shard. The server ends such a
transaction where it is idle, but not where it waits for the rest of a COPY: no timeout of
PostgreSQL reaches that. So whoever takes over waits `PATIENCE_MS` for the row, and then ends the
backend that holds the shard's courtesy lock, and one that holds the row and waits for its client:
a writer that took over from a live one has the row without the lock. What the frozen one had
written is rolled back; when it wakes it finds its connection closed.

It would start over then, as after any lost connection, and take the shard back from its heir. A
`Tenure` keeps it from that: a run takes again what it owned only while nobody else has had it.
"""

import logging
from collections import Counter

import psycopg
from psycopg import errors

from ledger.errors import FenceLost

LOCK_CLASS = 1_667_589_235
"""Of the advisory locks; their number is the shard's."""

PATIENCE_MS = 1_000
"""Longest that a writer in good health, in the middle of a batch, keeps its heir waiting."""

_ENDS_MS = 5_000
_EPOCH_MAX = 2**31 - 1
_HOLDERS = """
    SELECT DISTINCT pid, application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE granted AND pid <> pg_backend_pid()
       AND (locktype = 'advisory' AND classid = %s AND objid = %s
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         OR locktype = 'transactionid' AND wait_event = 'ClientRead'
            AND transactionid = %s::text::xid)"""

logger = logging.getLogger(__name__)


class Tenure:
    """Which shards one run has owned, over all its connections, and under which epoch last."""

    def __init__(self) -> None:
        """None yet."""
        self._epochs: dict[int, int] = {}
        self._unanswered: Counter[int] = Counter()

    def epochs(self, shard: int) -> tuple[int, int]:
        """The smallest and largest epoch at which the shard may be taken.

        An attempt whose answer was lost may have raised the epoch, or not.
        """
        known = self._epochs.get(shard)
        if known is None:
            return 0, _EPOCH_MAX
        return known, known + self._unanswered[shard]

    def trying(self, shard: int) -> None:
        """The epoch may be raised from now on."""
        self._unanswered[shard] += 1

    def took(self, shard: int, epoch: int) -> None:
        """It was."""
        self._epochs[shard] = epoch
        self._unanswered[shard] = 0

    def gave_up(self, shard: int) -> None:
        """Given back: whoever has it now has it by right, and so may we again."""
        self._epochs.pop(shard, None)
        self._unanswered[shard] = 0


def raise_epoch(
    connection: psycopg.Connection, shard: int, returning: str, tenure: Tenure
) -> tuple[object, ...] | None:
    """Own a shard from now on; None when there is no such shard.

    Args:
        connection: In autocommit, acting as `clearing_writer`.
        shard: Its number.
        returning: Columns.
        tenure: Of the run; noted there.

    Raises:
        FenceLost: Another writer has had it since this run owned it.
    """
    first, last = tenure.epochs(shard)
    statement = (
        "UPDATE ledger.shard SET epoch = epoch + 1"  # noqa: S608 - constants
        f" WHERE shard = %s AND epoch BETWEEN %s AND %s RETURNING epoch, {returning}"
    )
    bound = (shard, first, last)
    tenure.trying(shard)
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = {PATIENCE_MS}".encode())
            row = connection.execute(statement.encode(), bound).fetchone()
    except errors.LockNotAvailable:
        _end_holders(connection, shard)
        row = connection.execute(statement.encode(), bound).fetchone()
    if row is None:
        _refuse_to_take_back(connection, shard, last)
        return None
    epoch, *columns = row
    tenure.took(shard, epoch)
    return tuple(columns)


def _refuse_to_take_back(connection: psycopg.Connection, shard: int, last: int) -> None:
    found = connection.execute(
        "SELECT name, epoch FROM ledger.shard WHERE shard = %s", (shard,)
    ).fetchone()
    if found is not None:
        name, epoch = found
        raise FenceLost(
            f"{name}: found epoch {epoch}, expected {last} or less: another writer has taken it"
            " over while this one was away; nothing was written, and this writer must stop"
        )


def _end_holders(connection: psycopg.Connection, shard: int) -> None:
    """End the backends that hold the shard, if we may: of the same login, or any."""
    (row,) = connection.execute(
        "SELECT xmax::text FROM ledger.shard WHERE shard = %s", (shard,)
    ).fetchall()
    connection.execute("SET ROLE NONE")  # the right to see and end a backend is the login's
    try:
        for pid, application in connection.execute(_HOLDERS, (LOCK_CLASS, shard, *row)).fetchall():
            logger.warning(
                "backend %d (%s) holds shard %d and has not let go for %d ms: ending it",
                *(pid, application, shard, PATIENCE_MS),
            )
            _end(connection, pid)
    finally:
        connection.execute("SET ROLE clearing_writer")


def _end(connection: psycopg.Connection, pid: int) -> None:
    try:
        connection.execute("SELECT pg_terminate_backend(%s, %s)", (pid, _ENDS_MS))
    except errors.InsufficientPrivilege as refused:
        logger.warning(
            "not allowed to end backend %d (%s): run all writers with one login, or end it by hand",
            *(pid, str(refused).strip()),
        )
