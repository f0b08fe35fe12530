"""The commands `prove ...`: files that tools/check_proof.py verifies without the ledger."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ledger.assembly import database
from ledger.audit.liabilities.files import (
    PRIVATE,
    PUBLIC,
    participant_file,
    public_file,
    read_audit,
    write_audit,
)
from ledger.audit.liabilities.liabilities import audit, claims_of
from ledger.audit.liabilities.liabilities import prove as proof_of
from ledger.cli.options import AsJson, DatabaseUrl, Quiet, columns, notes, progress, say, say_json
from ledger.errors import ConfigurationError
from ledger.store.audit.liabilities import owed

prove = typer.Typer(
    help="Make files that tools/check_proof.py verifies without the ledger.\n\n"
    "Example: clearing prove liabilities --pool main --at 120000 --out audit-2026-01",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@prove.command()
def liabilities(
    at: Annotated[int, typer.Option("--at", metavar="SEQ", min=1, help="After this event.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="A directory without an audit in it.")
    ],
    pool: Annotated[
        str | None, typer.Option("--pool", help="Its pool; needed where there are several.")
    ] = None,
    database_url: DatabaseUrl = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Prove what a pool owes its participants: a Merkle sum tree, published by its root.

    DIR/liabilities.json is for everybody. DIR/private holds the secret of this audit and the
    leaves; `clearing prove liability` makes each participant's own file from them.

    Example: clearing prove liabilities --pool main --at 120000 --out audit-2026-01
    """
    with database(database_url) as url, owed(url, pool, at) as books:
        anchor = books.anchor()
        with progress(quiet=quiet) as shown:
            accounts = shown.add_task("accounts", total=books.last_account())
            claims = claims_of(books, lambda count: shown.advance(accounts, count))
            leaves = shown.add_task("leaves", total=len(claims.rows))
            made = audit(
                anchor, claims, books.house(), on_leaves=lambda count: shown.advance(leaves, count)
            )
    write_audit(out, made)
    published = public_file(made)
    if anchor.checkpoint is None:
        notes.print(f"no checkpoint at event {at}: tied to the hash chain alone")
    if as_json:
        say_json(published)
        return
    say(f"pool {anchor.pool}, after event {anchor.sequence}: {made.leaves} participants")
    for line in columns(published["columns"]):
        say(f"  {line}")
    say(f"root {published['root']}")
    say(f"to publish: {out / PUBLIC}; to keep secret: {out / PRIVATE}")


@prove.command()
def liability(
    account: Annotated[str, typer.Argument(help="A participant.")],
    folder: Annotated[
        Path, typer.Option("--from", metavar="DIR", help="Where the audit was written to.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The participant's file.")],
) -> None:
    """Make a participant's file: that what it is owed is in the published sums.

    Example: clearing prove liability alice --from audit-2026-01 --out alice.json
    """
    made = read_audit(folder, account)
    proved = participant_file(made, proof_of(made, account))
    try:
        out.write_text(json.dumps(proved, indent=1) + "\n", encoding="utf-8")
    except OSError as fault:
        raise ConfigurationError(f"--out {out}: {fault.strerror}") from fault
    say(
        f"{account} is leaf {proved['index']} of {proved['leaves']}; check it against {PUBLIC} with"
    )
    say(f"  python tools/check_proof.py {out} --against {folder / PUBLIC}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(prove, name="prove")
