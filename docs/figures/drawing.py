"""A few shapes of SVG: panels one under the other with one time axis, for figures of the documents.

No library draws here, so that anybody with Python can make the figures again, and a changed figure
is a readable change of a text file.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

WIDTH = 920
LEFT, RIGHT = 76, 20
TITLE = 62
GAP = 46
FONT = "font-family='Helvetica, Arial, sans-serif'"
INK, FAINT, GRID = "#222222", "#666666", "#e2e2e2"

Point = tuple[float, float]


class Series(NamedTuple):
    """A line of the legend."""

    label: str
    colour: str


class Panel:
    """One chart of the column.

    Attributes:
        shapes: Finished SVG.
    """

    def __init__(
        self, title: str, top: float, height: float, span: Point, series: Sequence[Series]
    ) -> None:
        """Draw the frame of a panel.

        Args:
            title: What it shows, with its unit.
            top, height: In pixels.
            span: Lowest and highest value.
            series: Legend, in order.
        """
        self.top, self.height = top, height
        self.low, self.high = span
        self.shapes: list[str] = []
        self._text(LEFT, top - 10, title, weight="600", size=13)
        place = float(WIDTH - RIGHT)
        for entry in reversed(series):
            place -= 5.9 * len(entry.label)
            self._text(place, top - 10, entry.label, colour=INK)
            place -= 16
            self._box(place, top - 19, 11, 11, entry.colour)
            place -= 18

    def y(self, value: float) -> float:
        """Pixels of a value."""
        return self.top + self.height * (self.high - value) / (self.high - self.low)

    def scale(self, values: Iterable[float], label: Callable[[float], str]) -> None:
        """Grid lines with their figures."""
        for value in values:
            y = self.y(value)
            colour = "#9a9a9a" if value == 0 else GRID
            self.shapes.append(
                f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}'"
                f" stroke='{colour}' stroke-width='1'/>"
            )
            self._text(LEFT - 8, y + 4, label(value), anchor="end", colour=FAINT)

    def line(self, points: Sequence[Point], colour: str, width: float = 1.8) -> None:
        """Through (x in pixels, value)."""
        path = " ".join(f"{x:.1f},{self.y(value):.1f}" for x, value in _corners(points))
        self.shapes.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='{width}'"
            " stroke-linejoin='round'/>"
        )

    def area(self, points: Sequence[Point], colour: str) -> None:
        """Between zero and (x in pixels, value)."""
        zero = self.y(0)
        path = " ".join(f"{x:.1f},{self.y(value):.1f}" for x, value in _corners(points))
        self.shapes.append(
            f"<polygon points='{points[0][0]:.1f},{zero:.1f} {path} {points[-1][0]:.1f},{zero:.1f}'"
            f" fill='{colour}'/>"
        )

    def bar(self, left: float, width: float, low: float, high: float, colour: str) -> None:
        """From one value to another."""
        top, bottom = self.y(high), self.y(low)
        if bottom - top > 0:
            self._box(left, top, width, bottom - top, colour)

    def note(self, x: float, value: float, words: str, anchor: str = "start") -> None:
        """Words at a point."""
        self._text(x, self.y(value), words, anchor=anchor, colour=FAINT)

    def _box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self.shapes.append(
            f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}'"
            f" fill='{colour}'/>"
        )

    def _text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "start",
        weight: str = "400",
        size: int = 11,
        colour: str = INK,
    ) -> None:
        self.shapes.append(
            f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' font-weight='{weight}'"
            f" text-anchor='{anchor}' fill='{colour}'>{escape(words)}</text>"
        )


def picture(title: str, subtitle: str, panels: Sequence[Panel], times: Sequence[Point]) -> str:
    """The whole figure.

    Args:
        title, subtitle: On top.
        panels: From top to bottom.
        times: (x in pixels, hours of the day) of the common axis.
    """
    bottom = panels[-1].top + panels[-1].height
    height = bottom + 40
    shapes = [
        f"<rect width='{WIDTH}' height='{height:.0f}' fill='#ffffff'/>",
        _heading(24, 16, INK, title),
        _heading(42, 11, FAINT, subtitle),
    ]
    for x, hours in times:
        shapes.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{panels[0].top:.1f}' y2='{bottom:.1f}'"
            f" stroke='{GRID}' stroke-width='1'/>"
        )
        hour, minute = divmod(round(hours * 60), 60)
        shapes.append(
            f"<text x='{x:.1f}' y='{bottom + 18:.1f}' {FONT} font-size='11' text-anchor='middle'"
            f" fill='{FAINT}'>{hour:02}:{minute:02}</text>"
        )
    for panel in panels:
        shapes.extend(panel.shapes)
    lines = "\n".join(shapes)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:.0f}'"
        f" width='{WIDTH}' height='{height:.0f}' role='img'>\n"
        f"<title>{escape(title)}</title>\n{lines}\n</svg>\n"
    )


def _corners(points: Sequence[Point]) -> list[Point]:
    """Without the points in the middle of a flat stretch."""
    return [
        point
        for place, point in enumerate(points)
        if place in {0, len(points) - 1}
        or not points[place - 1][1] == point[1] == points[place + 1][1]
    ]


def _heading(y: int, size: int, colour: str, words: str) -> str:
    weight = 700 if colour == INK else 400
    return (
        f"<text x='{LEFT}' y='{y}' {FONT} font-size='{size}' font-weight='{weight}'"
        f" fill='{colour}'>{escape(words)}</text>"
    )
