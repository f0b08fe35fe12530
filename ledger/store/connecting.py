"""Connections to the books: of this version's schema, in the role of their session, never silent.

Three bounds keep a connection from waiting for ever. The session's timeouts are the server's. The
kernel gives a peer up that does not answer (keepalives, `tcp_user_timeout`); what the URL says of
these stands. And the client itself gives up on a server that is there, but says nothing.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.store.faults import translated
from ledger.store.migrate import require_current

CONNECT_S = 10

_NETWORK: Mapping[str, int] = {
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""A peer that is gone is noticed within 25 s; nothing of it matters on a Unix socket."""


class Answering(psycopg.Connection[Any]):
    """A connection that is closed once an answer takes too long.

    Attributes:
        answer_s: Longest wait for one answer, in seconds; None: any.
    """

    answer_s: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As the driver's, and bounded."""
        bound = self.answer_s if timeout is None else timeout
        try:
            return super().wait(gen, interval, bound)
        except psycopg.errors._WaitTimeout as late:  # noqa: SLF001 - no public name
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"the server did not answer for {bound:.0f} s: connection given up"
            ) from late


def connected(
    url: str, application: str, session: str, *, answer_s: float | None = None
) -> psycopg.Connection:
    """A connection in autocommit, prepared.

    Args:
        url: `postgresql://...`, sockets included.
        application: Shown to whoever looks at the server's activity.
        session: Statements that set the role and the bounds of all that follows. The role comes
            first, so that a login which does not inherit its rights can do all the rest.
        answer_s: Longest wait for one answer; longer than any statement of the session may last.

    Raises:
        SchemaMismatch: The database is not migrated to this version.
        StoreUnavailable: It cannot be reached, or does not answer.
    """
    with translated():
        said = conninfo_to_dict(url)
        bounds = {name: bound for name, bound in _NETWORK.items() if name not in said}
        connection = Answering.connect(
            make_conninfo(url, **bounds, application_name=application), autocommit=True
        )
        try:
            connection.answer_s = CONNECT_S
            connection.execute(session.encode())
            require_current(connection)
            connection.answer_s = answer_s
        except BaseException:
            connection.close()
            raise
    return connection
