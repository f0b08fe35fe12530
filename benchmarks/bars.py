"""The bars and goals that figures are held against, and the table that shows it.

A bar is what must hold: a figure on its wrong side makes the exit code 1. A goal is what is aimed
at. Where there is no bar, the goal is shown and not judged; a figure that was not measured (a quick
run leaves the largest sizes out) is left out.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

Figures = Mapping[str, Mapping[str, float]]


class Bar(NamedTuple):
    """What one figure is held against.

    Attributes:
        section, figure: Where it stands in the results.
        words: What it is, with its unit.
        bar: What must be met; None: nothing.
        goal: What is aimed at.
        better: Which side of a mark is the right one.
    """

    section: str
    figure: str
    words: str
    bar: float | None
    goal: float
    better: Literal["more", "less"]

    def meets(self, value: float, mark: float) -> bool:
        """Whether a value is on the right side of a mark, or on it."""
        return value >= mark if self.better == "more" else value <= mark


BARS = (
    Bar("pipeline", "trades_per_second", "Kafka to committed, trades/s", 12_000, 20_000, "more"),
    Bar("pipeline", "share_of_raw_copy", "... as a share of raw COPY", 0.35, 0.60, "more"),
    Bar("ticks", "tick_us_100000", "tick over 100,000 open positions, us", 5, 0.5, "less"),
    Bar("ticks", "tick_us_1000000", "tick over 1,000,000 open positions, us", 5, 0.5, "less"),
    Bar("ticks", "crossed_account_us", "account of 15 positions crossed, us", 200, 50, "less"),
    Bar("ticks", "resident_mb_1000000", "1,000,000 open positions, MB", None, 1_000, "less"),
    Bar("cascade", "bitmex_seconds_10000", "10,000 liquidations with ADL, s", None, 2, "less"),
    Bar("latency", "p99_ms_2000", "produce to committed at 2,000/s, p99, ms", 100, 20, "less"),
    Bar(
        "verifying", "rederive_events_per_second", "decided again, events/s", 30_000, 50_000, "more"
    ),
    Bar("verifying", "chain_events_per_second", "hashes alone, events/s", 200_000, 500_000, "more"),
    Bar("as_of", "balances_median_ms", "one account's balances as of then, ms", 5, 1, "less"),
    Bar("starting", "crash_s", "start from a kept state, crashed, s", 10, 3, "less"),
)


def missed(figures: Figures) -> list[Bar]:
    """The bars that the figures do not meet."""
    return [
        bar
        for bar, value in _measured(figures)
        if bar.bar is not None and not bar.meets(value, bar.bar)
    ]


def table(figures: Figures) -> Iterator[str]:
    """Each measured figure with its bar and its goal."""
    yield f"{'':<44} {'measured':>10} {'bar':>10} {'goal':>10}"
    for bar, value in _measured(figures):
        if bar.bar is not None and not bar.meets(value, bar.bar):
            verdict = "missed"
        elif bar.meets(value, bar.goal):
            verdict = "goal"
        else:
            verdict = "met" if bar.bar is not None else "short of the goal"
        shown = "" if bar.bar is None else number(bar.bar)
        yield f"{bar.words:<44} {number(value):>10} {shown:>10} {number(bar.goal):>10}  {verdict}"


def number(value: float) -> str:
    """As people read it: few digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def _measured(figures: Figures) -> Iterator[tuple[Bar, float]]:
    for bar in BARS:
        value = figures.get(bar.section, {}).get(bar.figure)
        if value is not None:
            yield bar, value
