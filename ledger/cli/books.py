"""Commands on the books themselves: `migrate`, `statement`."""

from typing import Annotated

import typer

from ledger.assembly import database
from ledger.cli.options import AsJson, DatabaseUrl, columns, say, say_json
from ledger.store.migrate import current, newest
from ledger.store.migrate import migrate as bring_up
from ledger.store.reports.account_statement import statement as drawn_up


def migrate(
    without_dropped: Annotated[
        bool,
        typer.Option(
            "--without-dropped",
            help="Go on though tables of detached partitions are gone, with their terms.",
        ),
    ] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database to the schema of this version; nothing to do is fine.

    Needs a superuser, or a role with CREATEROLE that may create in the database.

    Example: clearing migrate --database-url postgresql://postgres@localhost/clearing
    """
    with database(database_url) as url:
        before = current(url)
        bring_up(url, without_dropped=without_dropped)
    if as_json:
        say_json({"before": before, "now": newest()})
    elif before == newest():
        say(f"the database is at revision {before} already")
    else:
        say(f"migrated from revision {before or 'none'} to {newest()}")


def statement(
    account: Annotated[str, typer.Argument(help="A participant, or @house.")],
    pool: Annotated[
        str | None, typer.Option("--pool", help="Its pool; needed where there are several.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="SEQ|TIME", help="As of a sequence or a moment of pool time."),
    ] = None,
    movements: Annotated[
        int, typer.Option("--movements", min=0, max=1_000_000, help="How many, newest first.")
    ] = 20,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show an account's balances, margin, positions and latest movements, now or at any moment.

    Example: clearing statement alice --pool main --at 2026-01-31T12:00:00Z
    """
    with database(database_url) as url:
        found = drawn_up(url, pool, account, at, movements)
    if as_json:
        say_json(found.as_json())
        return
    say(f"{account} in pool {found.pool}, after event {found.sequence}")
    for title, rows in (
        ("balances", found.balances),
        ("margin", found.margin),
        ("open positions", found.positions),
        ("movements, newest first", found.movements),
    ):
        say(f"\n{title}" + ("" if rows else ": none"))
        for line in columns(rows):
            say(f"  {line}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(migrate)
    app.command()(statement)
