"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What changes."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Refused: the books are append-only, and an older schema would drop what it cannot hold."""
    raise NotImplementedError("restore a backup instead of migrating down")
