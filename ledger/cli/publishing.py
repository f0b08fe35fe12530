"""The command that publishes what the ledger decided: `publish`."""

import time
from typing import Annotated

import typer

from consumers.checkpoints import publishing
from consumers.publisher import Published
from consumers.publisher import publish as follow
from consumers.telemetry import told_settings
from consumers.telemetry_logs import logger, shown, without_passwords
from ledger.assembly import database
from ledger.cli.kafka import PROGRESS_SECONDS, kafka_settings
from ledger.cli.options import (
    AsJson,
    DatabaseUrl,
    Kafka,
    Quiet,
    TopicPrefix,
    say,
    say_json,
)
from ledger.cli.watching import LogFormat, LogLevel
from ledger.errors import ConfigurationError
from ledger.store.log.feed import PostgresFeed

_log = logger(__name__)


def publish(
    database_url: DatabaseUrl = None,
    kafka: Kafka = None,
    topic_prefix: TopicPrefix = None,
    once: Annotated[
        bool, typer.Option("--once", help="Stop at the head that is found at the start.")
    ] = False,
    pool: Annotated[str | None, typer.Option("--pool", help="Only this pool.")] = None,
    start: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, metavar="SEQUENCE", help="Publish --pool again, from this event on."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
) -> None:
    """Publish every record of the books to the topic of records, until stopped (SIGTERM, Ctrl-C).

    And every checkpoint to the topic of checkpoints.

    At least once, in order within a pool; readers know repetitions by pool, sequence and line.
    Where to go on is found on the topic itself, so it may be killed at any moment.

    Example: clearing publish --kafka localhost:9092 --once --json
    """
    if start is not None and pool is None:
        raise ConfigurationError("--from needs --pool: sequences are counted per pool")
    chosen = kafka_settings(kafka, topic_prefix)._replace(drain=once)
    told = _Told(quiet=quiet)
    with shown(log_level, log_format), database(database_url) as url:
        _log.info("started", books=without_passwords(url), **told_settings(chosen), only=pool)
        done = follow(
            chosen,
            lambda: PostgresFeed.connect(url, "clearing publish"),
            only=pool,
            start=start,
            on_chunk=told.chunk,
            open_seals=lambda feed: publishing(chosen, feed, pool),
        )
        _log.info("stopped", records=done.records, checkpoints=done.checkpoints, behind=done.behind)
    if as_json:
        say_json(
            {
                "published": done.records,
                "checkpoints": done.checkpoints,
                "behind": done.behind,
            }
        )
    else:
        say(_counts(done))


class _Told:
    """A line every few seconds, while something is done."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last = time.monotonic()
        self._records = 0

    def chunk(self, done: Published) -> None:
        now = time.monotonic()
        if (
            not self._quiet
            and done.records != self._records
            and now - self._last >= PROGRESS_SECONDS
        ):
            self._last = now
            self._records = done.records
            _log.info("progress", records=done.records, behind=done.behind)


def _counts(done: Published) -> str:
    behind = f", {done.behind} events behind" if done.behind else ""
    return f"{done.records} records published{behind}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(publish)
