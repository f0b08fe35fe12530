"""Commands that bring events in without Kafka: `ingest`, `import`, `redrive`."""

import gzip
import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from ledger.assembly import database, writing
from ledger.cli.options import (
    AsJson,
    BatchEvents,
    DatabaseUrl,
    Quiet,
    notes,
    progress,
    say,
    say_json,
)
from ledger.errors import ConfigurationError
from ledger.files import batches
from ledger.importers import IMPORTERS, ImportOptions, import_events
from ledger.store.log.refusals import refusals
from ledger.writer import Taken

REJECTIONS_SHOWN = 10

TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over", help="Take the pools from a live writer, which then stops by itself."
    ),
]


def ingest(
    file: Annotated[
        Path,
        typer.Argument(
            help="Wire events, one JSON object a line; .gz or plain; - is standard input."
        ),
    ],
    database_url: DatabaseUrl = None,
    batch: BatchEvents = 1000,
    take_over: TakeOver = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Apply a file of wire events: the same path as from Kafka, without Kafka.

    A second run counts the same events as duplicates. Exit code 1 when any was rejected, or a pool
    is halted; the rest is committed all the same.

    Example: clearing ingest events.jsonl.gz --json
    """
    total = Counts()
    with database(database_url) as url, progress(quiet=quiet) as bar:
        task = bar.add_task(file.name, total=None)
        with writing(url, "clearing ingest", take_over=take_over) as (_, writer):
            for messages in batches(file, batch):
                total.add(writer.take(messages))
                bar.update(task, completed=messages[-1].offset)
            total.halted = list(map(str, writer.halted.values()))
    total.show(as_json=as_json)


def redrive(
    pool: Annotated[str | None, typer.Option("--pool", help="Only of this pool or shard.")] = None,
    code: Annotated[
        list[str] | None, typer.Option("--code", help="Only this reason; repeatable.")
    ] = None,
    sequence: Annotated[
        list[int] | None,
        typer.Option(
            "--sequence", min=1, max=2**63 - 1, help="Only this event of --pool; repeatable."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything refused and not driven again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be driven again.")
    ] = False,
    database_url: DatabaseUrl = None,
    take_over: TakeOver = False,
    as_json: AsJson = False,
) -> None:
    """Submit refused messages again, each as a new event that names the old one.

    Choose by pool, reason or sequence, or take --all. What is refused again stays refused, with its
    new reason; exit code 1 then.

    Example: clearing redrive --pool main --code unknown_account
    """
    if sequence and pool is None:
        raise ConfigurationError("--sequence needs --pool: sequences are counted per pool")
    if not (pool or code or everything):
        raise ConfigurationError("nothing chosen: pass --pool, --code, --sequence or --all")
    total = Counts()
    with (
        database(database_url) as url,
        writing(url, "clearing redrive", take_over=take_over) as (
            log,
            writer,
        ),
    ):
        chosen = list(refusals(log, pool, code or [], sequence or []))
        if dry_run:
            for shard, stored in chosen:
                say(f"{shard}\t{stored.sequence}\t{stored.rejection}\t{stored.detail}")
            return
        for start in range(0, len(chosen), 1000):
            total.add(writer.redrive(chosen[start : start + 1000]))
        total.halted = list(map(str, writer.halted.values()))
    total.show(as_json=as_json)


def import_(
    source: Annotated[str, typer.Argument(help=f"One of {', '.join(sorted(IMPORTERS))}.")],
    file: Annotated[Path, typer.Argument(help="The venue's file, .gz or plain.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write; .gz is packed. Default: standard output."),
    ] = None,
    pool: Annotated[str | None, typer.Option("--pool", help="Pool of the events.")] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of the accounts drawn for a tape without any.")
    ] = 0,
    accounts: Annotated[
        int, typer.Option("--accounts", min=2, help="How many are drawn from.")
    ] = 100,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="Best bids and asks, for marks (binance).")
    ] = None,
    account: Annotated[
        str, typer.Option("--account", help="Whose fills, where the file is silent.")
    ] = "account",
    on_gap: Annotated[
        Literal["report", "stop"], typer.Option("--on-gap", help="Go on, or stop at the first gap.")
    ] = "report",
) -> None:
    """Turn a venue's own file into wire events; the report goes to standard error.

    Exit code 1 when the file itself shows that something is missing from it.

    Example: clearing import hyperliquid fills.csv.gz --out events.jsonl.gz
    """
    if source not in IMPORTERS:
        raise ConfigurationError(
            f"no importer {source!r}; there are {', '.join(sorted(IMPORTERS))}"
        )
    run = import_events(
        source,
        file,
        ImportOptions(
            pool=pool, seed=seed, accounts=accounts, on_gap=on_gap, prices=prices, account=account
        ),
    )
    encode = json.JSONEncoder(separators=(",", ":")).encode
    if out is None:
        for event in run:
            say(encode(event))
    else:
        with gzip.open(out, "wt") if out.suffix == ".gz" else out.open("w") as lines:
            for event in run:
                lines.write(encode(event) + "\n")
    for line in run.report.lines():
        notes.print(line, markup=False)
    if run.report.gaps:
        raise typer.Exit(1)


class Counts:
    """What became of all batches, and the first refusals of them."""

    def __init__(self) -> None:
        """Start at zero."""
        self.applied = self.duplicates = self.rejected = self.waiting = 0
        self.halted: list[str] = []

    def add(self, taken: Taken) -> None:
        """Count a batch, and show its refusals while they are few."""
        for refused in taken.refused[: max(0, REJECTIONS_SHOWN - self.rejected)]:
            notes.print(
                f"rejected: message {refused.message.offset}, {refused.code}: {refused.detail}",
                markup=False,
            )
        self.applied += taken.applied
        self.duplicates += taken.duplicates
        self.rejected += taken.rejected
        self.waiting += taken.waiting

    def show(self, *, as_json: bool) -> None:
        """Print the counts; exit 1 when anything was rejected, or a pool is halted."""
        for halt in self.halted:
            notes.print(f"HALTED: {halt}", markup=False)
        if self.waiting:
            notes.print(f"{self.waiting} messages of halted pools were not applied", markup=False)
        if as_json:
            say_json(
                {
                    "applied": self.applied,
                    "duplicate": self.duplicates,
                    "rejected": self.rejected,
                }
            )
        else:
            say(
                f"{self.applied} applied, {self.duplicates} duplicates, {self.rejected} rejected"
                + (" (see reporting.rejections)" if self.rejected else "")
            )
        if self.rejected or self.halted:
            raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(ingest)
    app.command()(redrive)
    app.command("import")(import_)
