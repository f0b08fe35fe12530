"""Connections to the books: of this version's schema, and in the role of their session."""

import psycopg

from ledger.store.faults import translated
from ledger.store.migrate import require_current


def connected(url: str, application: str, session: str) -> psycopg.Connection:
    """A connection in autocommit, prepared.

    Args:
        url: `postgresql://...`, sockets included.
        application: Shown to whoever looks at the server's activity.
        session: Statements that set the role and the bounds of all that follows. The role comes
            first, so that a login which does not inherit its rights can do all the rest.

    Raises:
        SchemaMismatch: The database is not migrated to this version.
        StoreUnavailable: It cannot be reached.
    """
    with translated():
        connection = psycopg.connect(
            url, autocommit=True, application_name=application, connect_timeout=10
        )
        try:
            connection.execute(session.encode())
            require_current(connection)
        except BaseException:
            connection.close()
            raise
    return connection
