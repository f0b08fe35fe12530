"""Commands that rebuild the books: `replay`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ledger.audit.replay import Books, Replayed, replay
from ledger.cli.options import AsJson, Quiet, progress, say, say_json
from ledger.errors import ConfigurationError
from ledger.settings import database_url
from ledger.store.archive import StoredBooks
from ledger.store.log import PostgresLog
from ledger.store.migrate import migrate

FromDatabase = Annotated[
    str | None,
    typer.Option("--from-database", metavar="URL", help="Books to replay; they are only read."),
]


def replay_(
    into: Annotated[
        str, typer.Option("--into", metavar="URL", help="A fresh database; it is migrated.")
    ],
    from_database: FromDatabase = None,
    pool: Annotated[str | None, typer.Option("--pool", help="Only this pool or shard.")] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=100_000, help="Events a transaction.")
    ] = 1000,
    restart_every: Annotated[
        int | None,
        typer.Option("--restart-every", min=1, help="Throw memory away after so many events."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rebuild the books from their raw events in a fresh database, and compare every row.

    Each event is decided again under the rules of its time. Interrupted, the same command goes on.
    Exit code 1 when anything differs; the first difference of each pool is named.

    Example: clearing replay --from-database postgresql:///books --into postgresql://postgres@localhost/again
    """
    target = database_url(into)
    assert target is not None
    if from_database == into:
        raise ConfigurationError("--from-database and --into are the same database")
    with _books(from_database) as books, progress(quiet=quiet) as bar:
        migrate(target)
        tasks: dict[str, object] = {}

        def moved(name: str, done: int, all_of_them: int) -> None:
            task = tasks.setdefault(name, bar.add_task(name, total=all_of_them))
            bar.update(task, completed=done)  # type: ignore[arg-type]

        found = replay(
            books,
            lambda: PostgresLog.connect(target, "clearing replay"),
            pool=pool,
            batch=batch,
            restart_every=restart_every,
            on_events=moved,
        )
    if as_json:
        say_json({"equal": all(one.is_equal for one in found), "pools": list(map(_plain, found))})
    else:
        for one in found:
            say(_line(one))
            if one.difference is not None:
                say(f"  first difference: {one.difference}")
    if not all(one.is_equal for one in found):
        raise typer.Exit(1)


@contextmanager
def _books(from_database: str | None) -> Iterator[Books]:
    if from_database is None:
        raise ConfigurationError("pass --from-database URL")
    url = database_url(from_database)
    assert url is not None
    stored = StoredBooks.connect(url, "clearing replay")
    try:
        yield stored
    finally:
        stored.close()


def _line(one: Replayed) -> str:
    states = {True: "states equal", False: "states differ", None: "no kept state to compare"}
    chain = "chain equal" if one.chain_equal else "chain differs"
    return (
        f"{one.pool}: {one.events} of {one.stored} events rebuilt, {chain},"
        f" {states[one.states_equal]}, state hash {one.state_hash.hex()}"
    )


def _plain(one: Replayed) -> dict[str, object]:
    different = one.difference
    return {
        "pool": one.pool,
        "events": one.events,
        "stored": one.stored,
        "chain": one.chain.hex(),
        "chain_equal": one.chain_equal,
        "state_hash": one.state_hash.hex(),
        "states_equal": one.states_equal,
        "difference": None
        if different is None
        else {
            "sequence": different.sequence,
            "field": different.field,
            "stored": _text(different.stored),
            "rebuilt": _text(different.rebuilt),
            "others": list(different.others),
        },
    }


def _text(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("replay")(replay_)
