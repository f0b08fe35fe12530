"""The command `explain`: how a figure came to be, worked again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ledger.assembly import database
from ledger.audit.explanation.explain import explained
from ledger.audit.explanation.layout import lines
from ledger.cli.options import AsJson, DatabaseUrl, say
from ledger.errors import ConfigurationError


def explain(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="L-1, D-1, C-1 or F-1, a record SEQUENCE.LINE, or a funding rate's event id.",
        ),
    ],
    pool: Annotated[
        str | None, typer.Option("--pool", help="Its pool; needed where there are several.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="Of a funding rate: this account's payment.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the JSON to a file too.")
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how a figure came to be: a liquidation, a deleveraging, a margin call, any record.

    Every figure is worked again from what it came from, and held against the books. Exit code 1:
    a figure disagrees, or nothing has this id. tools/check_explanation.py works the JSON again
    without this program.

    Example: clearing explain L-7 --pool main --out L-7.json
    """
    with database(database_url) as url:
        found = explained(url, pool, id_, account)
    exported = json.dumps(found.as_json(), ensure_ascii=False)
    if out is not None:
        try:
            out.write_text(exported + "\n", encoding="utf-8")
        except OSError as fault:
            raise ConfigurationError(f"--out {out}: {fault.strerror}") from fault
    if as_json:
        say(exported)
    else:
        for line in lines(found):
            say(line)
    if not found.agrees:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)
