"""Commands that rebuild the books and keep them in files: `replay`, `export`, `archive`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from consumers.history import KafkaHistory
from ledger.assembly import database
from ledger.audit.archive.archived import Archive
from ledger.audit.archive.check import verify_archive
from ledger.audit.archive.detach import detach_archived
from ledger.audit.archive.export import ROWS_PER_FILE, export
from ledger.audit.proofs.sealing import read_copies
from ledger.audit.replay.books import Books
from ledger.audit.replay.comparison import Difference
from ledger.audit.replay.messages import History, Origins
from ledger.audit.replay.replay import Replayed, replay
from ledger.cli.kafka import kafka_settings
from ledger.cli.options import AsJson, DatabaseUrl, Kafka, Quiet, progress, say, say_json
from ledger.errors import ConfigurationError
from ledger.settings import database_url
from ledger.store.audit.archive import StoredBooks
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate

FINDINGS_SHOWN = 10

FromDatabase = Annotated[
    str | None,
    typer.Option("--from-database", metavar="URL", help="Books to replay; they are only read."),
]
FromArchive = Annotated[
    Path | None,
    typer.Option("--from-archive", metavar="DIR", help="An archive to replay, from event 1."),
]
FromKafka = Annotated[
    bool,
    typer.Option(
        "--from-kafka", help="Take the messages from Kafka, and hold them against the stored ones."
    ),
]
StoredWhereMissing = Annotated[
    bool,
    typer.Option(
        "--stored-where-missing", help="Take the stored bytes of what Kafka no longer holds."
    ),
]


def replay_(
    into: Annotated[
        str, typer.Option("--into", metavar="URL", help="A fresh database; it is migrated.")
    ],
    from_database: FromDatabase = None,
    from_archive: FromArchive = None,
    from_kafka: FromKafka = False,
    stored_where_missing: StoredWhereMissing = False,
    kafka: Kafka = None,
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
    Exit code 1 when anything differs; the first difference of each pool is named. With --from-kafka
    the books say only which messages, in what order; their bytes come from the topics.

    Example: clearing replay --from-archive archive --into postgresql://postgres@localhost/again
    """
    target = database_url(into)
    assert target is not None
    if from_database == into:
        raise ConfigurationError("--from-database and --into are the same database")
    if stored_where_missing and not from_kafka:
        raise ConfigurationError("--stored-where-missing means something with --from-kafka alone")
    with (
        _books(from_database, from_archive, pool) as books,
        _history(kafka) if from_kafka else nullcontext() as history,
        progress(quiet=quiet) as bar,
    ):
        migrate(target)
        found = replay(
            books,
            lambda: PostgresLog.connect(target, "clearing replay"),
            pool=pool,
            batch=batch,
            restart_every=restart_every,
            history=history,
            stored_where_missing=stored_where_missing,
            on_events=_shown(bar),
        )
    if as_json:
        say_json({"equal": all(one.is_equal for one in found), "pools": list(map(_plain, found))})
    else:
        for one in found:
            for line in (_line(one), *_origin_lines(one.origins, one.stored)):
                say(line)
            if one.difference is not None:
                say(f"  first difference: {one.difference}")
    if not all(one.is_equal for one in found):
        raise typer.Exit(1)


def export_(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The archive, new or to go on with.")
    ],
    pool: Annotated[str | None, typer.Option("--pool", help="Only this pool or shard.")] = None,
    first: Annotated[
        int | None, typer.Option("--from", min=1, metavar="SEQ", help="Where a new one begins.")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", min=1, metavar="SEQ", help="Where it ends for now.")
    ] = None,
    rows_per_file: Annotated[
        int, typer.Option("--rows-per-file", min=1, help="Events of a part.")
    ] = ROWS_PER_FILE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the books as Parquet files with a manifest of hashes; go on where the last run ended.

    A finished file is never written again. Needs the extra `archive`.

    Example: clearing export --out archive --pool main
    """
    with database(database_url) as url, progress(quiet=quiet) as bar:
        books = StoredBooks.connect(url, "clearing export")
        try:
            manifest = export(
                books,
                out,
                pool=pool,
                first=first,
                last=last,
                rows_per_file=rows_per_file,
                on_events=_shown(bar),
            )
        finally:
            books.close()
    chosen = [one for one in manifest.pools.values() if pool in (None, one.name)]
    if as_json:
        say_json(
            {
                "pools": [
                    {
                        "pool": one.name,
                        "first": one.first,
                        "last": one.last,
                        "parts": len(one.parts),
                        "chain": one.chain.hex(),
                    }
                    for one in chosen
                ]
            }
        )
        return
    for one in chosen:
        say(
            f"{one.name}: events {one.first} to {one.last} in {len(one.parts)} parts,"
            f" chain {one.chain.hex()}"
        )


def check(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An archive.")],
    pool: Annotated[str | None, typer.Option("--pool", help="Only this pool or shard.")] = None,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", metavar="FILE", help="Checkpoints kept elsewhere.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Verify an archive from its files alone: hashes, chain, tree, sums, gaps, signatures.

    Exit code 1 when anything is wrong; the first finding is named first.

    Example: clearing archive check archive --anchors checkpoints.jsonl
    """
    try:
        kept = None if anchors is None else dict(read_copies(anchors))
    except OSError as fault:
        raise ConfigurationError(f"--anchors {anchors}: {fault.strerror}") from fault
    with progress(quiet=quiet) as bar:
        found = verify_archive(directory, pool=pool, anchors=kept, on_events=_shown(bar))
    if as_json:
        say_json({"good": not found, "findings": [one.as_json() for one in found]})
    elif found:
        for one in found[:FINDINGS_SHOWN]:
            say(one.line())
        if len(found) > FINDINGS_SHOWN:
            say(f"and {len(found) - FINDINGS_SHOWN} more")
    else:
        say(f"{directory}: nothing is wrong")
    if found:
        raise typer.Exit(1)


def detach(
    pool: Annotated[str, typer.Option("--pool", help="Of which pool or shard.")],
    first: Annotated[
        int,
        typer.Option("--first", min=1, metavar="SEQ", help="Where the oldest partition begins."),
    ],
    directory: Annotated[
        Path, typer.Option("--archive", metavar="DIR", help="The archive that holds it.")
    ],
    database_url: DatabaseUrl = None,
    quiet: Quiet = False,
) -> None:
    """Take the oldest partition out of the books, once the archive is verified to hold it.

    Its tables stay in the database, named as before, for whoever drops them. Refused while the
    latest posting of some account stands there.

    Example: clearing archive detach --pool main --first 1 --archive archive
    """
    with database(database_url) as url, progress(quiet=quiet) as bar:
        done = detach_archived(url, pool, first, directory, _shown(bar))
    say(f"{pool}: events {done.first} to {done.last} detached; left: {', '.join(done.tables)}")


def _shown(bar: Progress) -> Callable[[str, int, int], object]:
    """Progress of a shard: name, events done, events to do."""
    tasks: dict[str, TaskID] = {}

    def moved(name: str, done: int, last: int) -> None:
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=last)
        bar.update(tasks[name], completed=done)

    return moved


@contextmanager
def _books(
    from_database: str | None, from_archive: Path | None, pool: str | None
) -> Iterator[Books]:
    if (from_database is None) == (from_archive is None):
        raise ConfigurationError("pass one of --from-database URL and --from-archive DIR")
    if from_archive is not None:
        archive = Archive.open(from_archive)
        archive.require_beginning(pool)
        yield archive
        return
    url = database_url(from_database)
    assert url is not None
    stored = StoredBooks.connect(url, "clearing replay")
    try:
        yield stored
    finally:
        stored.close()


@contextmanager
def _history(kafka: str | None) -> Iterator[History]:
    with KafkaHistory(kafka_settings(kafka, None)) as history:
        yield history


def _line(one: Replayed) -> str:
    states = {True: "states equal", False: "states differ", None: "no kept state to compare"}
    chain = "chain equal" if one.chain_equal else "chain differs"
    return (
        f"{one.pool}: {one.events} of {one.stored} events rebuilt, {chain},"
        f" {states[one.states_equal]}, state hash {one.state_hash.hex()}"
    )


def _origin_lines(origins: Origins | None, stored: int) -> Iterator[str]:
    """Where the messages came from."""
    if origins is None:
        return
    yield (
        f"  {origins.history} messages from Kafka, as they are stored;"
        f" {origins.log} that are of no topic, or were driven again, from the log"
    )
    for absent in origins.absent:
        yield f"  not in Kafka: {absent}"
    if origins.absent and origins.replayable_from is not None:
        yield f"  Kafka has all of events {origins.replayable_from} to {stored}"


def _plain(one: Replayed) -> dict[str, object]:
    return {
        "pool": one.pool,
        "events": one.events,
        "stored": one.stored,
        "chain": one.chain.hex(),
        "chain_equal": one.chain_equal,
        "state_hash": one.state_hash.hex(),
        "states_equal": one.states_equal,
        "difference": None if one.difference is None else _plain_difference(one.difference),
        "messages": None if one.origins is None else _plain_origins(one.origins),
    }


def _plain_difference(one: Difference) -> dict[str, object]:
    return {
        "sequence": one.sequence,
        "field": one.field,
        "stored": _text(one.stored),
        "rebuilt": _text(one.rebuilt),
        "others": list(one.others),
        "place": None if one.place is None else one.place._asdict(),
    }


def _plain_origins(origins: Origins) -> dict[str, object]:
    return {
        "from_kafka": origins.history,
        "from_log": origins.log,
        "replayable_from": origins.replayable_from,
        "not_in_kafka": [
            {
                "topic": one.source.topic,
                "partition": one.partition,
                "events": one.events,
                "first_event": one.first_event,
                "last_event": one.last_event,
                "first_offset": one.first_offset,
                "last_offset": one.last_offset,
                "held_first": one.held.first,
                "held_end": one.held.end,
                "instead": one.held.instead,
            }
            for one in origins.absent
        ],
    }


def _text(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("replay")(replay_)
    app.command("export")(export_)
    archive = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Verify archives; detach what they hold. Example: clearing archive check archive",
    )
    archive.command()(check)
    archive.command()(detach)
    app.add_typer(archive, name="archive")
