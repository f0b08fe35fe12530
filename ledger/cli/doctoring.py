"""The command that looks a deployment over: `doctor`."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from consumers.doctor import Stored
from consumers.doctor import examined as kafka_examined
from ledger import settings
from ledger.audit.doctor.check import skipped
from ledger.audit.doctor.examination import Check, Verdict, examined
from ledger.cli.kafka import kafka_settings
from ledger.cli.options import AsJson, DatabaseUrl, Kafka, TopicPrefix, say, say_json
from ledger.errors import ConfigurationError, LedgerError
from ledger.store import embedded
from ledger.store.audit.condition import Condition


def doctor(
    database_url: DatabaseUrl = None,
    kafka: Kafka = None,
    topic_prefix: TopicPrefix = None,
    as_json: AsJson = False,
) -> None:
    """Look a deployment over, and say what to do. Nothing is changed.

    Server, schema, roles, grants, guards, partitions, keys, files; topics too where Kafka is named.
    Exit code 1: something is bad.

    Example: clearing doctor --database-url postgresql://clearing@db/clearing --kafka localhost:9092
    """
    checks: list[Check] = []
    with _books(database_url) as url:
        for check in _all(url, kafka, topic_prefix):
            checks.append(check)
            if not as_json:
                _show(check)
    counts = {verdict.value: sum(one.verdict is verdict for one in checks) for verdict in Verdict}
    if as_json:
        say_json({"checks": [one._asdict() for one in checks], **counts})
    else:
        say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if counts[Verdict.BAD.value]:
        raise typer.Exit(1)


@contextmanager
def _books(given: str | None) -> Iterator[str]:
    """The database that was named, else the embedded one, if it was ever made."""
    url = settings.database_url(given)
    if url is not None:
        yield url
        return
    folder = settings.home() / "postgres"
    if not folder.exists():
        raise ConfigurationError(
            f"no database was named, and {folder} holds none: pass --database-url or set"
            " CLEARING_DATABASE_URL"
        )
    server = embedded.start(folder)
    try:
        yield server.url
    finally:
        server.stop()


def _all(url: str, kafka: str | None, topic_prefix: str | None) -> Iterator[Check]:
    yield from examined(url)
    try:
        chosen = kafka_settings(kafka, topic_prefix)
    except ConfigurationError:
        yield skipped("Kafka", "none was named", "pass --kafka or set CLEARING_KAFKA")
        return
    yield from kafka_examined(chosen._replace(request_timeout_ms=10_000), _stored(url))


def _stored(url: str) -> Stored | None:
    """What the books expect next; None where they cannot be asked."""
    try:
        condition = Condition.connect(url)
        try:
            condition.act_as(("clearing_auditor", "clearing_writer"))
            return condition.offsets()
        finally:
            condition.close()
    except LedgerError:
        return None


def _show(check: Check) -> None:
    say(f"{check.verdict.value:<8}{check.name}: {check.found}")
    if check.todo:
        say(f"{'':<8}-> {check.todo}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)
