"""The books: tables, guards, partitions, roles, reporting views.

Released: neither this nor its SQL is changed again.
"""

from typing import NoReturn

from migrations.released import run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make everything."""
    run("0001_books", revision, oldest="0001")


def downgrade() -> NoReturn:
    """Refused: it would destroy the books."""
    raise NotImplementedError(
        "migrating below 0001 would drop the books: drop the database by hand if that is meant"
    )
