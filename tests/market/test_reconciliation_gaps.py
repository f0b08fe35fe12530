"""What a venue's own history lacks shows up: gaps of positions, and gaps of its trade numbers."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

import pytest

from ledger.importers import ImportReport, import_events
from ledger.recon.lines import Movement, Statement
from ledger.recon.rules import parse_rules
from ledger.recon.run import reconcile, reconcile_lines
from ledger.store.embedded import Embedded
from tests.importers.venue import GAPPY, venue_file
from tests.market.reconciled import books_of

GAPS = 199
RULES = """
version = 1
[sources.fills]
kind = "trades"
format = "hyperliquid"
pool = "usdc"
sides = "one"
covers = "all"
[sources.positions]
kind = "statements"
format = "statements-csv"
pool = "usdc"
every_purpose = true
"""
TAPE = "binance-perp-tape-2024-08/btcusdt_20240808.trades.csv.gz"
COUNTED = """
version = 1
[controls]
trade_ids = "instrument"
[sources.tape]
kind = "trades"
format = "binance"
pool = "usdt"
sides = "none"
"""


@pytest.fixture(scope="module")
def gappy(postgres: Embedded) -> Iterator[tuple[str, ImportReport]]:
    run = import_events("hyperliquid", venue_file(GAPPY))
    with books_of(postgres, "gappy", run) as url:
        yield url, run.report


def test_each_gap_is_a_trade_of_ours_that_the_venue_does_not_tell(
    gappy: tuple[str, ImportReport],
) -> None:
    url, report = gappy
    result = reconcile(url, parse_rules(RULES), {"fills": [venue_file(GAPPY)]}, "usdc")
    assert {each.type for each in result.breaks} == {"missing_there"}
    assert all(each.our_references[0].startswith("gap:") for each in result.breaks)
    bridges = [each for each in result.breaks if each.subject.endswith((":b", ":s"))]
    assert len(bridges) == len(report.gaps) == GAPS
    assert sorted(each.ours or 0 for each in bridges) == sorted(
        abs(Decimal(gap.missing)) for gap in report.gaps
    )
    matched = result.compared[0].matched
    assert matched == {"exact_reference": report.rows - sum(report.left_out.values())}


def positions() -> Iterator[tuple[str, Statement]]:
    """Each fill of the venue as a statement of the position: opening, one movement, closing."""
    with gzip.open(venue_file(GAPPY), "rt") as text:
        fills = [json.loads(line) for line in text]
    fills = [fill for fill in fills if fill["coin"][0] not in "@#"]
    for coin, of_coin in groupby(sorted(fills, key=lambda fill: fill["coin"]), lambda f: f["coin"]):
        for number, fill in enumerate(of_coin, start=1):
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=fill["time"])
            change = Decimal(fill["sz"]) * (1 if fill["side"] == "B" else -1)
            opening = Decimal(fill["startPosition"])
            moved = Movement(number, "", "", at, "account", f"{coin}-PERP", change)
            yield (
                "",
                Statement(
                    *("venue", str(number), "account", f"{coin}-PERP", at, at),
                    *(opening, opening + change, [moved]),
                ),
            )


def test_the_chain_of_positions_breaks_at_each_of_its_199_gaps(
    gappy: tuple[str, ImportReport],
) -> None:
    url, report = gappy
    result = reconcile_lines(url, parse_rules(RULES), {"positions": positions()}, "usdc")
    openings = [each for each in result.breaks if each.type == "opening"]
    assert len(openings) == GAPS
    assert sorted(each.difference for each in openings) == sorted(
        -Decimal(gap.missing) for gap in report.gaps
    )
    assert {each.commodity for each in openings} == {gap.instrument for gap in report.gaps}


def test_a_jump_of_the_venues_trade_numbers_is_a_break_of_a_control(postgres: Embedded) -> None:
    events = list(import_events("binance", venue_file(TAPE)))
    trades = [at for at, event in enumerate(events) if event["kind"] == "trade"][:600]
    events = events[: trades[-1] + 1]
    first = int(str(events[trades[0]]["trade_id"]))
    gone = {trades[100], trades[101], trades[102], trades[400]}
    kept = [event for at, event in enumerate(events) if at not in gone]
    with books_of(postgres, "tape", kept) as url:
        result = reconcile(url, parse_rules(COUNTED), {}, "usdt")
    control = next(each for each in result.controls if each.name == "trade_ids")
    assert (control.holds, control.checked) == (False, 596)
    found = [(each.type, each.subject, each.theirs) for each in result.breaks]
    assert found == [
        ("control", f"trade_ids BTCUSDT {first + 100} to {first + 102}", Decimal(3)),
        ("control", f"trade_ids BTCUSDT {first + 400} to {first + 400}", Decimal(1)),
    ]
