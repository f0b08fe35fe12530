"""`clearing demo`: a simulated exchange, cleared for real, and what the books say of it."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from consumers.demo import Cleared, clear, send
from consumers.embedded import EmbeddedBroker
from consumers.settings import RunSettings
from ledger import settings
from ledger.cli.options import AsJson, DatabaseUrl, Kafka, Quiet, columns, progress, say, say_json
from ledger.demo.exchange import Exchange
from ledger.demo.tally import Tally
from ledger.errors import ConfigurationError
from ledger.store import embedded
from ledger.store.log import PostgresLog
from ledger.store.migrate import migrate
from ledger.store.summary import Summary, rejections_by_code, summary

PREFIX = "demo"
"""Topics of the demo, apart from those of a real ledger on the same broker."""


class Played(NamedTuple):
    """The days that these books have seen: seed, participants, and the size of each."""

    seed: int
    participants: int
    days: Sequence[int]


def demo(
    seed: Annotated[int, typer.Option("--seed", help="Of all chance in the simulation.")] = 1,
    participants: Annotated[
        int, typer.Option("--participants", min=50, max=5000, help="On the first day.")
    ] = 300,
    events: Annotated[
        int, typer.Option("--events", min=10_000, max=2_000_000, help="About so many a day.")
    ] = 60_000,
    fresh: Annotated[
        bool, typer.Option("--fresh/--continue", help="Start over, or play the next day.")
    ] = False,
    database_url: DatabaseUrl = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Clear a day of a simulated exchange: topics, consumers, books; then show that they balance.

    Needs nothing but the package with its extra `embedded`: PostgreSQL and a broker are started
    under CLEARING_HOME/demo, apart from your own books. A second run plays the next day; --fresh
    starts over. --database-url and --kafka point it at servers of your own.

    Example: clearing demo --fresh --events 100000
    """
    folder = settings.home() / "demo"
    if fresh and database_url is None:
        _forget(folder)
    with ExitStack() as stack:
        url = stack.enter_context(_database(database_url, folder))
        broker = stack.enter_context(_broker(kafka))
        kept = folder / "days.json"
        played = _played(kept, url, Played(seed, participants, ()), fresh=fresh)
        exchange = Exchange(played.seed, played.participants)
        for size in played.days:
            for _ in exchange.day(size):
                pass
        before = rejections_by_code(url)
        cleared = _play(broker, url, exchange, events, quiet=quiet)
        refused = Counter(rejections_by_code(url)) - Counter(before)
        _keep(kept, url, played._replace(days=[*played.days, events]))
        found = summary(url, "usdt")
    surprises = _surprises(exchange.tally, cleared, refused)
    if as_json:
        say_json(_as_json(len(played.days) + 1, cleared, found, surprises))
    else:
        _tell(len(played.days) + 1, cleared, found, surprises, database_url)
    if surprises or not found.balances:
        raise typer.Exit(1)


def _forget(folder: Path) -> None:
    """Delete the demo's own books; a server that a killed demo left behind is stopped first."""
    if (folder / "postgres" / "PG_VERSION").exists():
        embedded.start(folder / "postgres").stop()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database(given: str | None, folder: Path) -> Iterator[str]:
    if given is not None:
        url = settings.database_url(given)
        assert url is not None
        migrate(url)
        yield url
        return
    server = embedded.start(folder / "postgres")
    try:
        migrate(server.url)
        yield server.url
    finally:
        server.stop()


@contextmanager
def _broker(given: str | None) -> Iterator[RunSettings]:
    if given is not None:
        yield RunSettings(given, prefix=PREFIX)
        return
    with EmbeddedBroker() as broker:
        # Each start of the embedded broker is a cluster of its own, so its topics are always new.
        yield RunSettings(broker.bootstrap_servers, prefix=PREFIX, accept_changed_topics=True)


def _play(
    broker: RunSettings, url: str, exchange: Exchange, events: int, *, quiet: bool
) -> Cleared:
    with progress(quiet=quiet) as bar:
        sending = bar.add_task("sending ", total=events)
        clearing = bar.add_task("clearing", total=events)
        sent = send(broker, exchange.day(events), lambda n: bar.update(sending, completed=n))
        bar.update(sending, total=sent)
        bar.update(clearing, total=sent)
        return clear(
            broker,
            lambda: PostgresLog.connect(url, "clearing demo"),
            sent,
            lambda n: bar.update(clearing, completed=n),
        )


def _played(kept: Path, url: str, new: Played, *, fresh: bool) -> Played:
    known = _all_played(kept).get(url)
    if known is None:
        return new
    if fresh:
        raise ConfigurationError(
            f"--fresh: {url} already holds {len(known.days)} days of the demo, and books are never"
            " emptied; name an empty database, or play the next day with --continue"
        )
    return known


def _all_played(kept: Path) -> dict[str, Played]:
    if not kept.exists():
        return {}
    return {url: Played(*row) for url, row in json.loads(kept.read_text()).items()}


def _keep(kept: Path, url: str, played: Played) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(_all_played(kept) | {url: played}))


def _surprises(tally: Tally, cleared: Cleared, refused: Mapping[str, int]) -> list[str]:
    """Where the ledger did otherwise than the exchange expected; empty when all went as planned."""
    pairs = {
        "applied": (tally.applied.total(), cleared.applied),
        "duplicates": (tally.duplicates, cleared.duplicates),
        **{
            f"refused as {code}": (tally.rejected.get(code, 0), refused.get(code, 0))
            for code in sorted({*tally.rejected, *refused})
        },
    }
    return [
        f"{what}: expected {expected}, found {found}"
        for what, (expected, found) in pairs.items()
        if expected != found
    ]


def _tell(
    day: int, cleared: Cleared, found: Summary, surprises: list[str], database_url: str | None
) -> None:
    rate = cleared.sent / cleared.seconds
    say(f"Day {day} of the simulated exchange is in the books.\n")
    say(
        f"{cleared.sent:,} messages: {cleared.applied:,} applied, {cleared.duplicates} duplicates,"
        f" {cleared.rejected} refused; {cleared.seconds:.1f} s from Kafka to committed,"
        f" {rate:,.0f} messages/s"
    )
    _section("Trial balance: every commodity, debit and credit", found.trial_balance)
    say("The books balance." if found.balances else "THE BOOKS DO NOT BALANCE.")
    _section("Fees and rebates", found.fees)
    _section("Funding", found.funding)
    _section("Open interest", found.open_interest)
    _section("Largest gains and losses, pool usdt", found.realized)
    _section("Insurance fund", found.insurance)
    _section("Refused, kept with their bytes and reason", found.rejections)
    say("")
    if surprises:
        say("NOT AS THE EXCHANGE EXPECTED:")
        for surprise in surprises:
            say(f"  {surprise}")
    else:
        say("Applied, duplicate and refused messages are exactly those that the exchange expected.")
    _next_steps(found, database_url)


def _section(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    say(f"\n{title}" + ("" if rows else ": none"))
    for line in columns(rows):
        say(f"  {line}")


def _next_steps(found: Summary, database_url: str | None) -> None:
    url = database_url or f'"postgresql://postgres@/postgres?host={settings.home()}/demo/postgres"'
    home = "" if database_url else f"CLEARING_HOME={settings.home()}/demo "
    account = found.realized[0]["account"] if found.realized else "@house"
    also = f" --database-url {database_url}" if database_url else ""
    say("\nWhat to try next")
    say(f"  {home}clearing statement {account} --pool usdt{also}")
    say(f"  {home}clearing redrive --code unknown_account --dry-run{also}")
    say("  clearing demo              the next day     clearing demo --fresh   start over")
    say(f"  the books: {url} (schema reporting)")


def _as_json(day: int, cleared: Cleared, found: Summary, surprises: list[str]) -> dict[str, object]:
    return {
        "day": day,
        **cleared._asdict(),
        "messages_per_second": round(cleared.sent / cleared.seconds, 1),
        "balances": found.balances,
        "surprises": surprises,
        "trial_balance": found.trial_balance,
    }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)
