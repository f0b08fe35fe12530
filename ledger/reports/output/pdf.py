"""A report as a PDF to hand on: head and page numbers, figures aligned, totals ruled, nothing cut.

Typst sets it with the fonts of its own wheel. The date of the document is the pool time it was
taken at, so that the same report gives the same bytes.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files

from ledger.errors import ConfigurationError
from ledger.reports.model import Report
from ledger.reports.output.shown import Shown, ShownColumn, ShownTable, shown

SIZES_PT = (8.0, 4.0)
"""Of the type in tables: where there is room, and the least."""

WIDTH_PT = 785.0
"""Between the margins of A4 on its side."""

CHARACTER_EM = 0.5
"""Width of a figure, and about that of a letter."""

GAP_EM = 1.4
"""Between two columns."""

TEXT_CHARACTERS = 24
"""After which words are wrapped."""

_LONG = re.compile(r"\S{13,}")
_BREAK = "\u200b"


def pdf(report: Report, rows_max: int) -> bytes:
    """The document.

    Args:
        report: As it was made.
        rows_max: Rows of a table that are shown; totals are over all.

    Raises:
        ConfigurationError: typst is not installed.
    """
    return _compiled(report, rows_max, "pdf")[0]


def pages(report: Report, rows_max: int, pixels_per_inch: int) -> list[bytes]:
    """The same document as PNG images, a page each."""
    return _compiled(report, rows_max, "png", pixels_per_inch)


def _compiled(report: Report, rows_max: int, form: str, ppi: int | None = None) -> list[bytes]:
    try:
        import typst  # noqa: PLC0415 - an optional extra
    except ImportError as missing:
        raise ConfigurationError(
            "PDF needs typst, which is not installed: `pip install clearing-ledger[reports]`"
        ) from missing
    template = (files("ledger.reports") / "templates" / "report.typ").read_bytes()
    compiler = typst.Compiler(
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps(_laid_out(report, rows_max), ensure_ascii=False)},
    )
    made = compiler.compile(
        template,
        format="png" if form == "png" else "pdf",
        ppi=ppi,
        pdf_standards=[] if form == "png" else ["a-2a"],
        timestamp=_second(report.made_of),
    )
    assert made is not None
    return made if isinstance(made, list) else [made]


def _laid_out(report: Report, rows_max: int) -> dict[str, object]:
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "taken_at": [[item, _wrapped(words)] for item, words in report.taken_at.items()],
        "foot": f"{report.subtitle}, sequence {report.sequence}",
        "date": list(_second(report.made_of).timetuple()[:6]),
        "sections": [
            {
                "title": section.title,
                "tables": [_table(shown(table, rows_max)) for table in section.tables],
            }
            for section in report.sections
        ],
    }


def _second(at: datetime) -> datetime:
    """The whole second: a document knows no smaller part."""
    return at.astimezone(UTC).replace(microsecond=0)


def _table(table: ShownTable) -> dict[str, object]:
    widths = [_characters(column) for column in table.columns]
    needed = sum(widths) * CHARACTER_EM + len(widths) * GAP_EM
    most, least = SIZES_PT
    size = max(least, min(most, WIDTH_PT / needed))
    return {
        "title": table.title,
        "note": table.note,
        "size": round(size, 2),
        "columns": [[column.title, column.is_figure] for column in table.columns],
        "rows": [_cells(row, table.columns) for row in table.rows],
        "totals": [_cells(row, table.columns) for row in table.totals],
        "more": ""
        if not table.left_out
        else f"The first {len(table.rows):,} of {table.total_rows:,} rows; totals are over all,"
        f" which stand in {table.name}.csv and {table.name}.parquet where these were asked for.",
    }


def _characters(column: ShownColumn) -> int:
    """Of a column: a figure stays on its line, words are wrapped, and so is a title."""
    title = max(map(len, column.title.split()))
    return max(title, column.width if column.is_figure else min(column.width, TEXT_CHARACTERS))


def _cells(row: Sequence[Shown], columns: Sequence[ShownColumn]) -> list[list[str]]:
    """Text and pad; a figure has a real minus, and long names have places to break at."""
    return [
        [_wrapped(cell.text) if _is_words(cell, column) else cell.text.replace("-", "−"), cell.pad]
        for cell, column in zip(row, columns, strict=True)
    ]


def _is_words(cell: Shown, column: ShownColumn) -> bool:
    """Whether it is no figure; a column of figures has words where there is none."""
    return not column.is_figure or any(sign.isalpha() for sign in cell.text)


def _wrapped(words: str) -> str:
    return _LONG.sub(lambda found: re.sub(r"(.{8})", rf"\1{_BREAK}", found.group()), words)
