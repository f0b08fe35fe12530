"""The commands `prove event`, `prove posting`, `prove consistency`, against a checkpoint."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.assembly import database
from ledger.audit.archive.evidence import ArchivedEvidence
from ledger.audit.proofs.inclusion import (
    Books,
    OnLeaves,
    prove_consistency,
    prove_event,
    prove_posting,
)
from ledger.cli.options import DatabaseUrl, Quiet, progress, say
from ledger.cli.proving import prove
from ledger.errors import ConfigurationError
from ledger.store.audit.evidence import evidence

Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The file for whoever asked.")]
Pool = Annotated[
    str | None, typer.Option("--pool", help="Its pool; needed where there are several.")
]
FromArchive = Annotated[
    Path | None,
    typer.Option("--archive", metavar="DIR", help="Prove from an archive, without a database."),
]
At = Annotated[
    int | None,
    typer.Option(
        "--checkpoint",
        metavar="SEQ",
        min=1,
        help="Against this checkpoint. Default: the first that includes the event.",
    ),
]


def event(
    named: Annotated[
        str, typer.Argument(metavar="ID|SEQUENCE", help="Digits alone are a sequence.")
    ],
    out: Out,
    checkpoint: At = None,
    is_id: Annotated[bool, typer.Option("--id", help="The digits are an event id.")] = False,
    pool: Pool = None,
    archive: FromArchive = None,
    database_url: DatabaseUrl = None,
    quiet: Quiet = False,
) -> None:
    """Prove that an event and what it led to stand in the books of a checkpoint.

    The file shows all of the event's postings and records. A refused message is named by its
    sequence; --pool takes @unrouted/N too.

    Example: clearing prove event deposit-17 --out deposit-17.json
    """
    with evidence_of(database_url, archive, pool) as books, counted(quiet=quiet) as told:
        sequence = _sequence(books, named, is_id=is_id)
        _hand_out(prove_event(books, sequence, checkpoint, told), out)


def posting(
    address: Annotated[
        str, typer.Argument(metavar="SEQUENCE.LINE", help="As `statement` and the views show it.")
    ],
    out: Out,
    checkpoint: At = None,
    pool: Pool = None,
    archive: FromArchive = None,
    database_url: DatabaseUrl = None,
    quiet: Quiet = False,
) -> None:
    """Prove that a posting stands in the books of a checkpoint, and to whose account it was made.

    Example: clearing prove posting 120.2 --out posting.json
    """
    sequence, _, line = address.partition(".")
    if not (_is_number(sequence) and _is_number(line)):
        raise ConfigurationError(f"expected SEQUENCE.LINE like 120.2, found {address!r}")
    with evidence_of(database_url, archive, pool) as books, counted(quiet=quiet) as told:
        _hand_out(prove_posting(books, int(sequence), int(line), checkpoint, told), out)


def consistency(
    older: Annotated[int, typer.Argument(metavar="A", min=1, help="Sequence of a checkpoint.")],
    newer: Annotated[int, typer.Argument(metavar="B", min=1, help="Of a later one.")],
    out: Out,
    pool: Pool = None,
    archive: FromArchive = None,
    database_url: DatabaseUrl = None,
    quiet: Quiet = False,
) -> None:
    """Prove that the books of one checkpoint are the beginning of those of a later one.

    Example: clearing prove consistency 100000 200000 --out growth.json
    """
    with evidence_of(database_url, archive, pool) as books, counted(quiet=quiet) as told:
        _hand_out(prove_consistency(books, older, newer, told), out)


@contextmanager
def evidence_of(
    database_url: str | None, archive: Path | None, pool: str | None
) -> Iterator[Books]:
    """Rows of one pool, from an archive where one is named."""
    if archive is not None:
        yield ArchivedEvidence(archive, pool)
        return
    with database(database_url) as url, evidence(url, pool) as books:
        yield books


@contextmanager
def counted(*, quiet: bool) -> Iterator[OnLeaves]:
    """Shows how many leaves were read."""
    with progress(quiet=quiet) as shown:
        task = shown.add_task("leaves", total=None)
        advance: Callable[[int], object] = lambda more: shown.advance(task, more)  # noqa: E731 - typed
        yield advance


def _sequence(books: Books, named: str, *, is_id: bool) -> int:
    if _is_number(named) and not is_id:
        return int(named)
    sequence = books.sequence_of(named)
    if sequence is None:
        raise ConfigurationError(
            f"pool {books.pool} has accepted no event {named}; a refused message is named by its"
            " sequence"
        )
    return sequence


def _is_number(words: str) -> bool:
    return words.isascii() and words.isdigit()


def _hand_out(proof: dict[str, Any], out: Path) -> None:
    try:
        out.write_text(json.dumps(proof, indent=1) + "\n", encoding="ascii")
    except OSError as fault:
        raise ConfigurationError(f"--out {out}: {fault.strerror}") from fault
    say(f"{out}; check it against the checkpoint as it was published, with")
    say(f"  python tools/check_proof.py {out} --checkpoint PUBLISHED")


def register(_app: typer.Typer) -> None:
    """Add the commands to `prove`."""
    for command in (event, posting, consistency):
        prove.command()(command)
