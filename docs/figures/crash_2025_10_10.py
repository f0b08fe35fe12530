"""`python -m docs.figures.crash_2025_10_10`: the crash through the core, figure and numbers.

Writes `crash-2025-10-10.svg` beside this file and prints what happened as JSON. With `--check`
every event is followed by the invariants of the books; that takes some minutes.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from docs.figures import drawing
from docs.figures.crash_bars import BAR, COINS, END, START, MarketFiles, read_market
from docs.figures.crash_crowd import crowd
from docs.figures.crash_tally import MINUTE, Sums, Tally
from docs.figures.crash_venue import Moment, Venue
from docs.figures.drawing import LEFT, RIGHT, WIDTH, Panel, Series
from ledger.core.events import Event
from ledger.core.invariants import broken
from ledger.core.outcome import Outcome

FIGURE = Path(__file__).with_name("crash-2025-10-10.svg")
PARTICIPANTS = 2000
THOUSAND, MILLION = 1_000, 1_000_000
LINES_MAX = 5
BTC, ETH = Series("BTC", "#e08a00"), Series("ETH", "#4b5fc1")
LONGS, SHORTS = Series("from longs", "#c0392b"), Series("from shorts", "#2e8b57")
SPAN = Series("high to low of the bar", "#bbbbbb")
HELD = Series("inventory of @liquidation", "#9aa7b5")
FUND = Series("insurance", "#1f6f8b")
PROJECTED = Series("projected: with the inventory at mark", "#d1495b")
ADL = Series("closed against winners", "#7a3e9d")


def main() -> int:
    """Run, draw, print. Exit code 0."""
    parser = argparse.ArgumentParser(prog="crash_2025_10_10", description=__doc__)
    parser.add_argument("--participants", type=int, default=PARTICIPANTS)
    parser.add_argument("--check", action="store_true", help="invariants after every event")
    parser.add_argument("--figure", type=Path, default=FIGURE, help="where the figure is written")
    asked = parser.parse_args()
    market = read_market()
    tally = Tally()
    started = time.perf_counter()
    venue = Venue(market, tally.watch)
    if asked.check:
        venue.watchers.append(_Check(venue))
    venue.load(list(crowd(market, asked.participants)))
    moments = list(venue.run())
    seconds = time.perf_counter() - started
    assert not broken(venue.state)
    asked.figure.write_text(figure(market, tally, moments, asked.participants), encoding="utf-8")
    found = numbers(venue, tally, moments) | {"seconds": round(seconds, 1)}
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


class _Check:
    """Asks the invariants after every event."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def __call__(self, event: Event, outcome: Outcome) -> None:
        del outcome
        found = broken(self._venue.state)
        assert not found, (event, found)


# ------------------------------------------------------------------------------------------ numbers


def numbers(venue: Venue, tally: Tally, moments: list[Moment]) -> dict[str, object]:
    """What the page tells, by the words that it has for it."""
    counts, totals = tally.counts, tally.totals
    lowest = min(moments, key=lambda moment: moment.insurance)
    highest = max(moments, key=lambda moment: moment.insurance)
    return {
        "events": venue.sent,
        "postings": counts["postings"],
        "positions at the start": counts["positions at the start"],
        "margin calls": counts["margin_call"],
        "liquidations": counts["liquidation"],
        "margin accounts liquidated": len(tally.liquidated),
        "takeovers": counts["takeover"],
        "taken over, USDT": _whole(totals["taken over"]),
        "penalties, USDT": _whole(totals["penalties"]),
        "seizures of collateral": counts["seizure"],
        "accounts made whole": counts["made_whole"],
        "made whole, USDT": _whole(totals["made whole"]),
        "close-out trades": counts["close_out"],
        "fund: close-outs, USDT": _whole(totals["fund close_out"]),
        "fund: their fees, USDT": _whole(totals["fund fee"]),
        "fund: funding, USDT": _whole(totals["fund funding"]),
        "deleveragings": counts["deleveraging"],
        "positions closed by them": counts["deleveraged"],
        "deleveraged, USDT": _whole(totals["deleveraged"]),
        "loss absorbed, USDT": _whole(totals["absorbed"]),
        "fund at the start, USDT": _whole(moments[0].insurance),
        f"fund at its highest, {highest.at:%H:%M:%S}, USDT": _whole(highest.insurance),
        f"fund at its lowest, {lowest.at:%H:%M:%S}, USDT": _whole(lowest.insurance),
        "fund at the end, USDT": _whole(moments[-1].insurance),
        "deficit at the end, USDT": _whole(moments[-1].deficit),
    }


def _whole(amount: Decimal) -> int:
    return int(amount.to_integral_value())


# ------------------------------------------------------------------------------------------- figure


def _x(moment: datetime) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * ((moment - START) / (END - START))


def figure(market: MarketFiles, tally: Tally, moments: list[Moment], participants: int) -> str:
    """The figure as SVG: the same events, the same bytes."""
    panels = [_prices(market, moments, drawing.TITLE + 24)]
    panels.append(_taken_over(tally, _below(panels[-1])))
    panels.append(_held(moments, _below(panels[-1])))
    panels.append(_fund(moments, _below(panels[-1])))
    panels.append(_deleveraged(tally, _below(panels[-1])))
    first = START.replace(minute=START.minute // 15 * 15)
    marks = [first + timedelta(minutes=15) * n for n in range(int((END - first).seconds / 900) + 1)]
    return drawing.picture(
        "10 October 2025 through the ledger",
        f"Real five-minute bars of BTC and ETH, {participants:,} invented accounts; time in UTC",
        panels,
        [(_x(mark), mark.hour + mark.minute / 60) for mark in marks],
    )


def _below(panel: Panel) -> float:
    return panel.top + panel.height + drawing.GAP


def _prices(market: MarketFiles, moments: list[Moment], top: float) -> Panel:
    panel = Panel("Price against 20:30, %", top, 170, (-17, 2), [BTC, ETH, SPAN])
    panel.scale(range(-15, 1, 5), lambda value: f"{value:+.0f}" if value else "0")
    for coin, series, shift in ((COINS[0], BTC, -3), (COINS[1], ETH, 3)):
        start = market.bars[coin][0].open
        for bar in market.bars[coin]:
            low, high = _change(bar.low, start), _change(bar.high, start)
            panel.bar(_x(bar.at + BAR / 2) + shift - 2.5, 5, low, high, series.colour + "55")
        walked = [(_x(one.at), _change(one.marks[coin], start)) for one in moments]
        panel.line([(_x(START), 0.0), *walked], series.colour, 1.6)
    return panel


def _change(price: Decimal, start: Decimal) -> float:
    return round(float(price / start - 1) * 100, 2)


def _taken_over(tally: Tally, top: float) -> Panel:
    ceiling, step = _nice(max(_millions(one.longs + one.shorts) for one in tally.minutes.values()))
    title = "Taken over from liquidated accounts, million USDT a minute"
    panel = Panel(title, top, 120, (0, ceiling), [LONGS, SHORTS])
    panel.scale(_ticks(0, ceiling, step), lambda value: f"{value:g}")
    for left, width, one in _columns(tally):
        longs, shorts = _millions(one.longs), _millions(one.shorts)
        panel.bar(left, width, 0, longs, LONGS.colour)
        panel.bar(left, width, longs, longs + shorts, SHORTS.colour)
    return panel


def _held(moments: list[Moment], top: float) -> Panel:
    held = [(_x(one.at), _millions(one.held)) for one in moments]
    ceiling, step = _nice(max(value for _, value in held))
    panel = Panel("Waiting to be closed out, million USDT", top, 90, (0, ceiling), [HELD])
    panel.scale(_ticks(0, ceiling, step), lambda value: f"{value:g}")
    panel.area(held, HELD.colour)
    return panel


def _fund(moments: list[Moment], top: float) -> Panel:
    insured = [(_x(one.at), float(one.insurance) / THOUSAND) for one in moments]
    projected = [(_x(one.at), float(one.insurance + one.inventory) / THOUSAND) for one in moments]
    values = [value for _, value in insured + projected]
    low, high = min(*values, 0), max(values)
    _, step = _nice(high - low)
    panel = Panel("Insurance fund, thousand USDT", top, 150, (low, high * 1.08), [FUND, PROJECTED])
    panel.scale(_ticks(low, high, step), lambda value: f"{value:g}")
    panel.area(insured, FUND.colour + "22")
    panel.line(projected, PROJECTED.colour, 1.2)
    panel.line(insured, FUND.colour, 2)
    return panel


def _deleveraged(tally: Tally, top: float) -> Panel:
    ceiling, step = _nice(
        max(0.001, *(_millions(one.deleveraged) for one in tally.minutes.values()))
    )
    title = "Auto-deleveraging, million USDT a minute"
    panel = Panel(title, top, 110, (0, ceiling), [ADL])
    panel.scale(_ticks(0, ceiling, step), lambda value: f"{value:g}")
    for left, width, one in _columns(tally):
        panel.bar(left, width, 0, _millions(one.deleveraged), ADL.colour)
    return panel


def _columns(tally: Tally) -> Iterator[tuple[float, float, Sums]]:
    """Left edge, width and sums of each minute."""
    width = _x(START + MINUTE) - _x(START)
    for number, sums in sorted(tally.minutes.items()):
        yield _x(START + number * MINUTE) + 0.5, width - 1, sums


def _millions(amount: Decimal) -> float:
    return float(amount) / MILLION


def _nice(highest: float) -> tuple[float, float]:
    """A ceiling and a step of round figures."""
    step = 10.0 ** (len(f"{highest:.0f}") - 1) if highest >= 1 else 0.1
    while highest / step > LINES_MAX:
        step *= 2
    while highest / step < LINES_MAX / 2:
        step /= 2
    return step * (int(highest / step) + 1), step


def _ticks(low: float, high: float, step: float) -> list[float]:
    first = int(low / step)
    return [step * number for number in range(first, int(high / step) + 1)]


if __name__ == "__main__":
    sys.exit(main())
