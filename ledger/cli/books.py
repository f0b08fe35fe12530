"""Commands on the books themselves: `migrate`, `statement`."""

from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ledger.assembly import database
from ledger.cli.options import AsJson, DatabaseUrl, say, say_json
from ledger.store.migrate import current, newest
from ledger.store.migrate import migrate as bring_up
from ledger.store.statements import statement as drawn_up


def migrate(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Bring the database to the schema of this version; nothing to do is fine.

    Needs a superuser, or a role with CREATEROLE that may create in the database.

    Example: clearing migrate --database-url postgresql://postgres@localhost/clearing
    """
    with database(database_url) as url:
        before = current(url)
        bring_up(url)
    if as_json:
        say_json({"before": before, "now": newest()})
    elif before == newest():
        say(f"the database is at revision {before} already")
    else:
        say(f"migrated from revision {before or 'none'} to {newest()}")


def statement(
    account: Annotated[str, typer.Argument(help="A participant, or @house.")],
    pool: Annotated[str, typer.Option("--pool", help="Its pool.")] = "main",
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="SEQ|TIME", help="As of a sequence or a moment of pool time."),
    ] = None,
    movements: Annotated[
        int, typer.Option("--movements", min=0, help="How many, newest first.")
    ] = 20,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show an account's balances, open positions and latest movements, now or at any moment.

    Example: clearing statement alice --pool main --at 2026-01-31T12:00:00Z
    """
    with database(database_url) as url:
        found = drawn_up(url, pool, account, at, movements)
    if as_json:
        say_json(found.as_json())
        return
    console = Console(highlight=False)
    console.print(f"{account} in pool {pool}, after event {found.sequence}")
    sections = (
        ("balances", found.balances),
        ("open positions", found.positions),
        (
            "movements, newest first",
            found.movements,
        ),
    )
    for title, rows in sections:
        console.print(_table(title, rows) if rows else f"{title}: none")


def _table(title: str, rows: list[dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name, value in rows[0].items():
        numeric = isinstance(value, Decimal | int)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    return table


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(migrate)
    app.command()(statement)
