"""Options that several commands share, and how progress and results are shown."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="PostgreSQL, e.g. postgresql://user@host/db. Default: CLEARING_DATABASE_URL, "
        "else the embedded server under CLEARING_HOME.",
    ),
]
Kafka = Annotated[
    str | None,
    typer.Option(
        "--kafka", metavar="HOST:PORT", help="Bootstrap servers. Default: CLEARING_KAFKA."
    ),
]
TopicPrefix = Annotated[
    str | None,
    typer.Option(
        "--topic-prefix",
        metavar="PREFIX",
        help="What the names of all topics begin with (clearing).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
BatchEvents = Annotated[
    int, typer.Option("--batch", min=1, max=100_000, help="Messages a transaction.")
]

notes = Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress and remarks go to standard error; results go to standard output."""


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(text + "\n")


def say_json(result: object) -> None:
    """Print a result for programs, on one line."""
    say(json.dumps(result, default=str))


def columns(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Rows as aligned lines below their names; figures are never cut or wrapped."""
    if not rows:
        return []
    names = list(rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [isinstance(rows[0][name], Decimal | int) for name in names]
    return [
        "  ".join(
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [names, *cells]
    ]


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)


def progress(*, quiet: bool) -> Progress:
    """A progress bar on standard error; nothing when asked to be quiet, or without a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=notes,
        transient=True,
        disable=quiet or not notes.is_terminal,
    )
