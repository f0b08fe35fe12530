"""The books: tables, guards, partitions, roles, reporting views.

Until the first release this revision *is* the schema (`ledger.store.schema`). From then on it is
frozen as the SQL that it ran, and every change is a revision of its own.
"""

from typing import NoReturn

from alembic import op

from ledger.store.schema import create

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make everything."""
    create(op.get_bind())


def downgrade() -> NoReturn:
    """Refused: it would destroy the books."""
    raise NotImplementedError(
        "migrating below 0001 would drop the books: drop the database by hand if that is meant"
    )
