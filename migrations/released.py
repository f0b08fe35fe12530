"""Run a revision: the SQL files in the folder named after it, in order, and the note on the schema.

Those files are what a revision *is*. They follow nothing: once a revision was released, neither it
nor its files are changed, and every further change is a revision of its own. `ledger.store.schema`
defines the newest schema; a test holds the two against each other.
"""

from importlib import resources
from typing import cast

import psycopg
from alembic import op

from ledger.store.schema import MadeBy


def run(folder: str, revision: str, *, oldest: str) -> None:
    """Run the files, and note on the schema which programs may work with it.

    Args:
        folder: Beside the revision.
        revision: Its number.
        oldest: The first revision whose programs may read and write what this one leaves. An
            expansion repeats that of the revision before; a contraction names a later one.
    """
    driver = cast("psycopg.Connection", op.get_bind().connection.driver_connection)
    for file in sorted(
        resources.files("migrations.versions").joinpath(folder).iterdir(), key=lambda one: one.name
    ):
        driver.execute(file.read_bytes())
    driver.execute(MadeBy.of(revision, oldest).statement().encode())
