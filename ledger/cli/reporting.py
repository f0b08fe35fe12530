"""The commands `report close` and `report statement`: what a back office hands to others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from ledger.assembly import database
from ledger.cli.options import AsJson, DatabaseUrl, Quiet, notes, progress, say, say_json
from ledger.errors import ConfigurationError
from ledger.reports.close.report import close as daily_close
from ledger.reports.model import Report
from ledger.reports.output.files import FORMATS, LIST, listed, write_files
from ledger.reports.statement import statement as account_statement

Pool = Annotated[
    str | None, typer.Option("--pool", help="Whose books; needed where there are several.")
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder; made if missing.")]
Formats = Annotated[
    str,
    typer.Option("--format", metavar="A,B", help=f"Any of {', '.join(FORMATS)}, by commas."),
]
RowsShown = Annotated[
    int,
    typer.Option("--rows", min=1, max=100_000, help="Rows of a table on a page; CSV has all."),
]
ROWS_SHOWN = 200
ALL_FORMATS = ",".join(FORMATS)


def close(
    out: Out,
    pool: Pool = None,
    day: Annotated[
        str | None,
        typer.Option("--day", metavar="DAY", help="Of pool time, UTC. Default: the last event's."),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option("--at", min=1, metavar="SEQ", help="The last event that counts."),
    ] = None,
    breaks_at: Annotated[
        str | None,
        typer.Option(
            "--breaks-at", metavar="TIME", help="Breaks as they stood then. Default: now."
        ),
    ] = None,
    formats: Formats = ALL_FORMATS,
    rows: RowsShown = ROWS_SHOWN,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Close a day of a pool: balances, profits, fees, funding, the fund, defaults, breaks.

    Its sums are held against each other and the trial balance; a report whose parts do not tie is
    refused, with exit code 1. It names the sequence and the checkpoint that it was taken at, and
    the command that makes the same again. Needs the extra `reports`.

    Example: clearing report close --pool main --day 2026-01-31 --out close-2026-01-31
    """
    chosen, of, when = _formats(formats), _day(day), _moment(breaks_at)
    with database(database_url) as url, _told(quiet=quiet) as told:
        report = daily_close(url, pool, of, at, when, told)
        _hand_out(report, out, chosen, rows, told, as_json=as_json)


def statement(
    account: Annotated[str, typer.Argument(help="A participant.")],
    out: Out,
    pool: Pool = None,
    begins: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DAY|TIME|SEQ", help="Default: the first of the month of the end."
        ),
    ] = None,
    ends: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="DAY|TIME|SEQ",
            help="The last day or sequence that counts, or the moment before which. Default: now.",
        ),
    ] = None,
    formats: Formats = ALL_FORMATS,
    rows: RowsShown = ROWS_SHOWN,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """State a participant's account over a period: balances, movements, trades, result, margin.

    Days and times are of pool time, UTC. Its sums are held against each other; a statement whose
    parts do not tie is refused, with exit code 1. `clearing statement` shows the same account on
    the terminal. Needs the extra `reports`.

    Example: clearing report statement alice --from 2026-01-01 --to 2026-01-31 --out alice-january
    """
    chosen = _formats(formats)
    with database(database_url) as url, _told(quiet=quiet) as told:
        report = account_statement(url, pool, account, begins, ends, told)
        _hand_out(report, out, chosen, rows, told, as_json=as_json)


def _hand_out(
    report: Report,
    out: Path,
    formats: list[str],
    rows: int,
    told: Callable[[str], object],
    *,
    as_json: bool,
) -> None:
    for remark in report.remarks:
        notes.print(f"note: {remark}")
    written = write_files(report, out, formats, rows, told)
    if as_json:
        say_json(listed(report, written))
        return
    say(f"{report.title}: {report.subtitle}")
    width = max(map(len, report.taken_at))
    for item, words in report.taken_at.items():
        say(f"  {item.ljust(width)}  {words}")
    say(f"{len(written)} files in {out}, their hashes in {out / LIST}")


@contextmanager
def _told(*, quiet: bool) -> Iterator[Callable[[str], object]]:
    """Shows what is done now."""
    with progress(quiet=quiet) as shown:
        task = shown.add_task("reading", total=None)

        def told(step: str) -> None:
            shown.update(task, description=step)

        yield told


def _formats(given: str) -> list[str]:
    chosen = [name.strip() for name in given.split(",") if name.strip()]
    unknown = sorted(set(chosen) - set(FORMATS))
    if unknown or not chosen:
        raise ConfigurationError(
            f"--format {given}: expected any of {', '.join(FORMATS)}, by commas"
        )
    return [name for name in FORMATS if name in chosen]


def _day(given: str | None) -> date | None:
    if given is None:
        return None
    try:
        return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as fault:
        raise ConfigurationError(f"expected a day like 2026-01-31, found {given!r}") from fault


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ConfigurationError(f"expected a time like 2026-01-31T12:00:00Z, found {given!r}")
    return found


def register(app: typer.Typer) -> None:
    """Add the commands."""
    report = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Reports to hand on. Example: clearing report close --pool main --out close",
    )
    report.command()(close)
    report.command()(statement)
    app.add_typer(report, name="report")
