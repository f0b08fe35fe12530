"""The back office: reconciliations, breaks and their life, tokens of the API (expand)."""

from typing import NoReturn

from migrations.released import run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a schema beside the books; programs of revision 0001 go on."""
    run("0003_back_office", revision, oldest="0001")


def downgrade() -> NoReturn:
    """Refused: it would drop what people said of breaks."""
    raise NotImplementedError(
        "migrating below 0003 would drop the back office; programs of revision 0001 work with"
        " this schema, so there is no need to"
    )
