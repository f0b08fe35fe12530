"""Run revisions: as the owner of the schema, in one transaction, on the URL that was handed over.

One migration at a time. It never waits longer than two seconds for a lock, because whoever comes
after it would wait behind it; `ledger.store.migrate` tries again.

From the command line (`alembic -x url=postgresql://... current`) or by `ledger.store.migrate`.
"""

import os
from typing import cast

import psycopg
from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from ledger.store.dropped import require_detached
from ledger.store.schema import prepare
from ledger.store.tables import metadata


def _url() -> str:
    handed = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True).get(
        "url"
    )
    return str(handed or os.environ.get("CLEARING_DATABASE_URL", ""))


def _lock_timeout() -> str:
    return str(context.config.attributes.get("lock_timeout", "2s"))


def _run() -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(_url()), poolclass=NullPool
    )
    with engine.connect() as connection, connection.begin():
        connection.execute(text(f"SET LOCAL lock_timeout = '{_lock_timeout()}'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(1667589237, 0)"))
        prepare(connection)
        if not context.config.attributes.get("without_dropped"):
            require_detached(cast("psycopg.Connection", connection.connection.driver_connection))
        context.configure(
            connection=connection, target_metadata=metadata, version_table_schema="ledger"
        )
        context.run_migrations()
        connection.execute(
            text(
                "GRANT SELECT ON ledger.alembic_version"
                " TO clearing_writer, clearing_auditor, clearing_back_office, clearing_tokens"
            )
        )


_run()
