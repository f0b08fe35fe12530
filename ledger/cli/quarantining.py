"""The command that parks the message a pool halts at: `quarantine`."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from consumers.one_message import fetch, identified
from ledger.assembly import database
from ledger.cli.kafka import kafka_settings
from ledger.cli.options import AsJson, DatabaseUrl, Kafka, TopicPrefix, say, say_json
from ledger.errors import ConfigurationError
from ledger.files import messages
from ledger.ports import Message
from ledger.quarantine import Order, examine, quarantine, shard_of
from ledger.store.log.postgres import PostgresLog


def park(
    pool: Annotated[str, typer.Option("--pool", help="The pool that is halted.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, on one line; kept for good.")],
    made_by: Annotated[str, typer.Option("--made-by", help="Who asks for it.")],
    checked_by: Annotated[str, typer.Option("--checked-by", help="Who agrees; someone else.")],
    topic: Annotated[str | None, typer.Option("--topic", help="Where the message stands.")] = None,
    partition: Annotated[int, typer.Option("--partition", min=0, help="Of --topic.")] = 0,
    offset: Annotated[
        int | None, typer.Option("--offset", min=0, max=2**63 - 1, help="Of --topic.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Or the file it stands in.")] = None,
    line: Annotated[int | None, typer.Option("--line", min=1, help="Of --file.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide it once more, and write nothing.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="Take the pool from a live writer, which then stops by itself."
        ),
    ] = False,
    kafka: Kafka = None,
    topic_prefix: TopicPrefix = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Park the message that a pool is halted at, so that the pool goes on after it.

    It is refused as `quarantined`, with its bytes, who and why, and can be driven again later. Only
    a message that breaks an invariant of the rules is taken; two different people have to decide.

    Example: clearing quarantine --pool main --topic clearing.trades --partition 0 --offset 42
    --reason "incident 7" --made-by maria --checked-by noor
    """
    order = Order(made_by, checked_by, reason)
    order.require_sound()
    message = _message(file, line, topic, partition, offset, kafka, topic_prefix)
    with database(database_url) as url:
        log = PostgresLog.connect(url, "clearing quarantine")
        try:
            if dry_run:
                say(str(examine(log, shard_of(log, pool), message)))
                return
            parked = quarantine(log, pool, message, order, take_over=take_over)
        finally:
            log.close()
    if as_json:
        say_json({"pool": pool, "sequence": parked.sequence, "detail": parked.detail})
    else:
        say(f"parked as event {parked.sequence} of pool {pool}: {parked.detail}")


def _message(
    file: Path | None,
    line: int | None,
    topic: str | None,
    partition: int,
    offset: int | None,
    kafka: str | None,
    topic_prefix: str | None,
) -> Message:
    if file is not None and line is not None and topic is None and offset is None:
        found = islice((one for one in messages(file) if one.offset >= line), 1)
        for message in found:
            if message.offset == line:
                return message
        raise ConfigurationError(f"{file} has no message on line {line}")
    if file is None and line is None and topic is not None and offset is not None:
        settings = kafka_settings(kafka, topic_prefix)
        return fetch(settings, identified(settings, topic), partition, offset)
    raise ConfigurationError(
        "say where the message stands: --topic, --partition and --offset, or --file and --line"
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("quarantine")(park)
