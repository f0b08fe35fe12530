"""`clearing schemas`: the JSON Schemas of messages and records."""

from pathlib import Path
from typing import Annotated

import typer

from ledger.cli.options import say
from ledger.codec import schemas as generated

DEFAULT_FOLDER = Path("docs/reference/schemas")


def schemas(
    folder: Annotated[Path, typer.Argument(help="Where the files are.")] = DEFAULT_FOLDER,
    check: Annotated[bool, typer.Option("--check", help="Compare only; exit 1 if any.")] = False,
) -> None:
    """Write the JSON Schemas of all wire messages and records, or compare them.

    Example: clearing schemas --check
    """
    if not check:
        say(f"{generated.write(folder)} schemas written below {folder}")
        return
    differ = generated.differences(folder)
    if differ:
        say(f"{len(differ)} schemas differ from the code; run `clearing schemas` to write them:")
        for name in differ:
            say(f"  {name}")
        raise typer.Exit(1)
    say(f"{len(generated.schemas())} schemas below {folder} are those of the code")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(schemas)
