"""Commands that speak to Kafka: `run`, `produce`, `topics`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from consumers.admin import create_topics
from consumers.produce import produce as send
from consumers.run import Progress
from consumers.run import run as consume
from consumers.settings import RunSettings
from consumers.telemetry import Telemetry
from consumers.telemetry_logs import logger, shown
from ledger import settings
from ledger.assembly import database, overlapping, sealer_of
from ledger.cli.options import (
    AsJson,
    DatabaseUrl,
    Kafka,
    Quiet,
    TopicPrefix,
    notes,
    progress,
    say,
    say_json,
)
from ledger.cli.watching import (
    LogFormat,
    LogLevel,
    MetricsAddress,
    MetricsPort,
    ReadyLag,
    watched,
)
from ledger.errors import ConfigurationError
from ledger.store.log.ownership import Tenure

PROGRESS_SECONDS = 5.0

_log = logger(__name__)

Partitions = Annotated[
    str | None,
    typer.Option("--partitions", metavar="0,1", help="Read these; without a group. Default: all."),
]
CreateTopics = Annotated[
    int | None,
    typer.Option(
        "--create-topics", min=1, metavar="N", help="Make missing topics with N partitions first."
    ),
]


def run(
    database_url: DatabaseUrl = None,
    kafka: Kafka = None,
    topic_prefix: TopicPrefix = None,
    partitions: Partitions = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Join this consumer group instead.")
    ] = None,
    session_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which its group takes it for dead.")
    ] = 6,
    batch_events: Annotated[int, typer.Option(min=1, help="Most messages a transaction.")] = 4000,
    batch_age: Annotated[int, typer.Option(min=0, help="Most milliseconds a batch waits.")] = 20,
    merge_wait: Annotated[
        int, typer.Option(min=0, help="Most milliseconds to wait for a lagging topic.")
    ] = 500,
    drain: Annotated[bool, typer.Option("--drain", help="Stop when all is applied.")] = False,
    accept_changed_topics: Annotated[
        bool,
        typer.Option("--accept-changed-topics", help="Read recreated topics from the beginning."),
    ] = False,
    quiet: Quiet = False,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
    metrics_port: MetricsPort = None,
    metrics_address: MetricsAddress = "127.0.0.1",
    ready_lag: ReadyLag = 30.0,
) -> None:
    """Consume the source topics and apply them to the books until stopped (SIGTERM, Ctrl-C).

    The database owns the offsets: a start goes on exactly where the books stopped. TLS, user and
    password for Kafka are read from the environment: CLEARING_KAFKA_SECURITY_PROTOCOL, ...

    Logs go to standard error; --metrics-port serves Prometheus and health checks.

    Example: clearing run --kafka localhost:9092 --group clearing --metrics-port 9464
    """
    chosen = kafka_settings(kafka, topic_prefix)._replace(
        partitions=_numbers(partitions),
        group=group,
        session_timeout_ms=int(session_timeout * 1000),
        heartbeat_ms=int(session_timeout * 1000) // 6,
        batch_events_max=batch_events,
        batch_age_max_ms=batch_age,
        merge_wait_ms=merge_wait,
        drain=drain,
        accept_changed_topics=accept_changed_topics,
    )
    tenure = Tenure() if group is None else None  # members of a group hand shards over
    with shown(log_level, log_format), database(database_url) as url:
        telemetry = Telemetry(lag_max_s=ready_lag, books=url)
        with watched(telemetry, metrics_address, metrics_port):
            done = consume(
                chosen,
                lambda: overlapping(url, "clearing run", tenure),
                on_batch=_Told(quiet=quiet).batch,
                seal=sealer_of(url),
                telemetry=telemetry,
            )
    _tell_halts(done)


def produce(
    file: Annotated[
        Path, typer.Argument(help="Wire events, one JSON object a line; .gz or plain.")
    ],
    kafka: Kafka = None,
    topic_prefix: TopicPrefix = None,
    create_topics_with: CreateTopics = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Send a file of wire events to the topics, keyed by pool; all acknowledged by all replicas.

    Sending the same file again does no harm: the ledger knows the events by their ids.

    Example: clearing produce events.jsonl.gz --kafka localhost:9092 --create-topics 4
    """
    chosen = kafka_settings(kafka, topic_prefix)
    if create_topics_with is not None:
        for name in create_topics(chosen, create_topics_with):
            notes.print(f"made topic {name}")
    with progress(quiet=quiet) as bar:
        task = bar.add_task(file.name, total=None)
        count = send(chosen, file, on_progress=lambda sent: bar.update(task, completed=sent))
    if as_json:
        say_json({"produced": count})
    else:
        say(f"{count} messages produced to {chosen.bootstrap_servers}")


def topics(
    create: Annotated[
        int,
        typer.Option("--create", min=1, metavar="N", help="Make the missing ones, N partitions."),
    ],
    kafka: Kafka = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Make the topics that are missing. The number of partitions is fixed for their life.

    Example: clearing topics --create 4 --kafka localhost:9092
    """
    made = create_topics(kafka_settings(kafka, topic_prefix), create)
    say(f"made {', '.join(made)}" if made else "all topics are there")


class _Told:
    """One line of progress every few seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last = 0.0

    def batch(self, done: Progress) -> None:
        now = time.monotonic()
        if not self._quiet and now - self._last >= PROGRESS_SECONDS:
            self._last = now
            _log.info(
                "progress",
                applied=done.applied,
                duplicates=done.duplicates,
                rejected=done.rejected,
            )


def _tell_halts(done: Progress) -> None:
    """Exit 1 when pools stand still."""
    for halt in done.halted.values():
        notes.print(f"HALTED: {halt}", markup=False)
    if done.halted:
        raise typer.Exit(1)


def kafka_settings(kafka: str | None, topic_prefix: str | None) -> RunSettings:
    return RunSettings(
        bootstrap_servers=settings.kafka(kafka),
        prefix=settings.topic_prefix(topic_prefix),
        security=settings.kafka_security(),
    )


def _numbers(partitions: str | None) -> tuple[int, ...] | None:
    if partitions is None:
        return None
    try:
        return tuple(int(number) for number in partitions.split(","))
    except ValueError as fault:
        raise ConfigurationError(
            f"--partitions takes numbers like 0,1,2, found {partitions!r}"
        ) from fault


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(produce)
    app.command()(topics)
