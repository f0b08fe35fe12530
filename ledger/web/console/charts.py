"""What a chart is drawn from: coordinates for the eye, exact figures beside them for the reader.

A coordinate is the nearest float; whatever the chart writes out is the exact figure.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from starlette.responses import JSONResponse

from ledger.store.console.records import Marks
from ledger.web.console.rendering import HEADERS


class Line(NamedTuple):
    """One series.

    Attributes:
        label: In words, with its unit.
        values: None where there is nothing to draw.
        shape: How it is drawn; `step` holds a value until the next one, `level` is a limit.
        tone: Which of the palette's colours.
    """

    label: str
    values: Sequence[Decimal | int | None]
    shape: Literal["line", "step", "bars", "level"] = "line"
    tone: Literal["first", "second", "third", "loss"] = "first"


def chart(
    over: Literal["time", "sequence"],
    along: Sequence[datetime | int],
    lines: Sequence[Line],
    links: Sequence[str] = (),
    said: str = "",
) -> JSONResponse:
    """A chart as JSON.

    Args:
        over: What `along` counts.
        along: Places of the points, ascending.
        lines: As many values each as there are points.
        links: Where a click on each point leads.
        said: What the chart leaves out, where it does.
    """
    return JSONResponse(
        {
            "over": over,
            "x": [_coordinate(each) for each in along],
            "at": [_written(each) for each in along],
            "links": list(links),
            "said": said,
            "series": [
                {
                    "label": line.label,
                    "shape": line.shape,
                    "tone": line.tone,
                    "y": [None if value is None else float(value) for value in line.values],
                    "exact": [
                        None
                        if value is None
                        else f"{value:f}"
                        if isinstance(value, Decimal)
                        else str(value)
                        for value in line.values
                    ],
                }
                for line in lines
            ],
        },
        headers=HEADERS,
    )


def said_of(marks: Marks) -> str:
    """What a chart of marks leaves out."""
    shown = f"{len(marks.shown):,}"
    if marks.total is None:
        return f"{shown} marks at even distances; there are more, with lows and highs between them."
    if len(marks.shown) < marks.total:
        return f"{shown} of {marks.total:,} marks: the lowest and the highest of each stretch."
    return ""


def _coordinate(along: datetime | int) -> float:
    return along.timestamp() if isinstance(along, datetime) else float(along)


def _written(along: datetime | int) -> str:
    if isinstance(along, datetime):
        return along.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    return str(along)
