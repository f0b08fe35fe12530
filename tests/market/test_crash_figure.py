"""The figure and the numbers of docs/concepts/crash-2025-10-10.md are those of their script."""

import re
from pathlib import Path

import pytest

from docs.figures.crash_2025_10_10 import FIGURE, PARTICIPANTS, figure, numbers
from docs.figures.crash_bars import read_market
from docs.figures.crash_crowd import crowd
from docs.figures.crash_tally import Tally
from docs.figures.crash_venue import Venue
from tests.importers.venue import venue_file

PAGE = Path(__file__).resolve().parents[2] / "docs/concepts/crash-2025-10-10.md"
AGAIN = "run: python -m docs.figures.crash_2025_10_10, and bring the page up to what it prints"


@pytest.fixture(scope="module")
def drawn() -> tuple[str, dict[str, object]]:
    """Figure and numbers, made anew."""
    venue_file("klines/btcusdt-perp-5m-2025h2.csv.gz")
    market = read_market()
    tally = Tally()
    venue = Venue(market, tally.watch)
    venue.load(list(crowd(market, PARTICIPANTS)))
    moments = list(venue.run())
    return figure(market, tally, moments, PARTICIPANTS), numbers(venue, tally, moments)


def test_the_figure_is_what_the_script_draws(drawn: tuple[str, dict[str, object]]) -> None:
    assert FIGURE.read_text(encoding="utf-8") == drawn[0], AGAIN


def test_the_numbers_are_what_the_script_prints(drawn: tuple[str, dict[str, object]]) -> None:
    rows = re.findall(r"^\| ([^|]+) \| (-?[\d,]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {name: int(figure.replace(",", "")) for name, figure in rows} == drawn[1], AGAIN


def test_the_story_is_in_the_numbers(drawn: tuple[str, dict[str, object]]) -> None:
    """The fund gains first, is drawn then, and winners are deleveraged before it is empty."""
    found = {name.partition(",")[0]: value for name, value in drawn[1].items()}
    start, highest = found["fund at the start"], found["fund at its highest"]
    lowest = found["fund at its lowest"]
    assert isinstance(start, int)
    assert isinstance(highest, int)
    assert isinstance(lowest, int)
    assert highest > start > lowest >= 0
    assert found["deleveragings"]
    assert found["deficit at the end"] == 0
