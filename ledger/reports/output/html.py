"""A report as one HTML file that needs no other: readable, printable, light and dark."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ledger.errors import ConfigurationError
from ledger.reports.model import Report
from ledger.reports.output.shown import shown

if TYPE_CHECKING:
    from jinja2 import Template


def html(report: Report, rows_max: int) -> str:
    """The page.

    Args:
        report: As it was made.
        rows_max: Rows of a table that are shown; totals are over all.

    Raises:
        ConfigurationError: jinja2 is not installed.
    """
    sections = [
        (section.title, [shown(table, rows_max) for table in section.tables])
        for section in report.sections
    ]
    return _template().render(report=report, sections=sections)


@cache
def _template() -> "Template":
    try:
        import jinja2  # noqa: PLC0415 - an optional extra
    except ImportError as missing:
        raise ConfigurationError(
            "HTML needs jinja2, which is not installed: `pip install clearing-ledger[reports]`"
        ) from missing
    text = (files("ledger.reports") / "templates" / "report.html").read_text(encoding="utf-8")
    surroundings = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return surroundings.from_string(text)
