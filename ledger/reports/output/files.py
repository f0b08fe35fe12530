"""A report as files of one folder: pages for people, a file a table for programs, a list of hashes.

    close.html  close.pdf  trial_balance.csv  trial_balance.parquet  ...  report.json

The same report gives the same bytes, so that its list of hashes is the same. A file is written
under another name and moved to its own when it is whole; the list is written last. Files that an
older list of the folder has and the new one has not are taken away, unless they were changed since.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger.errors import ConfigurationError
from ledger.reports.model import Report
from ledger.reports.output.html import html
from ledger.reports.output.pdf import pdf
from ledger.reports.output.tables_csv import write_csv
from ledger.reports.output.tables_parquet import require_parquet, write_parquet

FORMATS = ("html", "pdf", "csv", "parquet")

LIST = "report.json"

OnFile = Callable[[str], object]
"""Is told each name as it is begun."""


class Written(NamedTuple):
    """A file of a report; `rows` is None for a page."""

    name: str
    rows: int | None
    sha256: str


def write_files(
    report: Report,
    folder: Path,
    formats: Sequence[str],
    rows_max: int,
    on_file: OnFile = lambda _: None,
) -> list[Written]:
    """Write a report; files of the same names are replaced.

    Args:
        report: As it was made.
        folder: Made where it is missing.
        formats: Of `FORMATS`.
        rows_max: Rows of a table on a page.
        on_file: For progress.

    Raises:
        ConfigurationError: A library is missing, or the folder cannot be written.
    """
    if "parquet" in formats:
        require_parquet()
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        older = _listed_before(folder)
        for name, rows, write in _files(report, formats, rows_max):
            on_file(name)
            _replace(folder / name, write)
            written.append(Written(name, rows, _digest(folder / name)))
            older.pop(name, None)
        words = json.dumps(listed(report, written), indent=1, ensure_ascii=False) + "\n"
        _replace(folder / LIST, lambda path: path.write_text(words, encoding="utf-8"))
        for name, digest in older.items():
            if (folder / name).is_file() and _digest(folder / name) == digest:
                (folder / name).unlink()
    except OSError as fault:
        raise ConfigurationError(f"cannot write the report: {fault}") from fault
    return written


def listed(report: Report, written: Sequence[Written]) -> dict[str, object]:
    """What a report was taken at, its files and totals, for programs; figures are strings."""
    return {
        "report": report.name,
        "title": report.title,
        "subtitle": report.subtitle,
        "sequence": report.sequence,
        "taken_at": dict(report.taken_at),
        "files": [each._asdict() for each in written],
    }


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name, and move it to its own."""
    partial = path.with_name(f"{path.name}.partial")
    write(partial)
    partial.replace(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed_before(folder: Path) -> dict[str, str]:
    """Hashes of the files of the report before, by name; none where there is no list of ours."""
    try:
        told = json.loads((folder / LIST).read_bytes())
        found = {str(each["name"]): str(each["sha256"]) for each in told["files"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
    return {name: digest for name, digest in found.items() if Path(name).name == name}


def _files(
    report: Report, formats: Sequence[str], rows_max: int
) -> Iterator[tuple[str, int | None, Callable[[Path], object]]]:
    if "html" in formats:
        yield (
            *(f"{report.name}.html", None),
            lambda path: path.write_text(html(report, rows_max), encoding="utf-8", newline="\n"),
        )
    if "pdf" in formats:
        yield f"{report.name}.pdf", None, lambda path: path.write_bytes(pdf(report, rows_max))
    for table in report.tables():
        if "csv" in formats:
            yield f"{table.name}.csv", len(table.rows), lambda path, of=table: write_csv(of, path)  # type: ignore[misc]
        if "parquet" in formats:
            yield (
                *(f"{table.name}.parquet", len(table.rows)),
                lambda path, of=table: write_parquet(of, report.taken_at, path),  # type: ignore[misc]
            )
