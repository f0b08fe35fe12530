"""What stays of partitions that retention detaches: balances, terms and prices (expand)."""

from typing import NoReturn

from migrations.released import run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables and functions; programs of revision 0001 go on."""
    run("0002_carried", revision, oldest="0001")


def downgrade() -> NoReturn:
    """Refused: it would drop what detached partitions left."""
    raise NotImplementedError(
        "migrating below 0002 would drop carried balances; programs of revision 0001 work with"
        " this schema, so there is no need to"
    )
