"""Small Hyperliquid files with figures worked by hand."""

import json
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ImportFailed
from ledger.importers import ImportOptions, ImportRun, WireEvent, import_events
from tests.importers.books import Books

ME = "0xme"
OPTIONS = ImportOptions(account=ME)


class Fills:
    """Writes `userFills` lines of one account."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []

    def add(
        self, side: str, size: str, price: str, start: str, pnl: str = "0.0", **more: str
    ) -> None:
        fill = {
            "coin": "ABC",
            "px": price,
            "sz": size,
            "side": side,
            "time": 1761584400000 + len(self._lines),
            "startPosition": start,
            "closedPnl": pnl,
            "fee": "0.5",
            "feeToken": "USDC",
            "tid": len(self._lines) + 1,
        }
        self._lines.append(json.dumps(fill | more))
        self.path.write_text("\n".join(self._lines) + "\n")

    def run(self) -> ImportRun:
        return import_events("hyperliquid", self.path, OPTIONS)

    def events(self, kind: str) -> list[WireEvent]:
        return [event for event in self.run() if event["kind"] == kind]


@pytest.fixture
def fills(tmp_path: Path) -> Fills:
    return Fills(tmp_path / "fills.jsonl")


def _opening(fills: Fills) -> tuple[object, object]:
    (event,) = fills.events("opening_position")
    assert event["event_id"] == "hl:open:ABC:0xme"
    return event["quantity"], event["entry_price"]


def test_the_entry_of_a_long_follows_from_its_first_closing(fills: Fills) -> None:
    fills.add("A", "4", "60", "10", "40.0")  # 4 * (60 - 50)
    assert _opening(fills) == ("10", "50")


def test_the_entry_of_a_short_follows_from_its_first_closing(fills: Fills) -> None:
    fills.add("B", "4", "50", "-4", "40.0")  # 4 * (60 - 50)
    assert _opening(fills) == ("-4", "60")


def test_increases_before_the_first_closing_are_taken_out_of_the_entry(fills: Fills) -> None:
    fills.add("B", "5", "120", "10")
    fills.add("A", "3", "130", "15", "90.0")  # average 100 = (10 * 90 + 5 * 120) / 15
    assert _opening(fills) == ("10", "90")


def test_an_entry_off_the_price_grid_gets_the_decimals_that_its_cost_needs(fills: Fills) -> None:
    fills.add("B", "4", "10", "3")
    fills.add("A", "1", "11", "7", "0.9")  # average 10.1; 3 cost 70.7 - 40 = 30.7
    assert _opening(fills) == ("3", "10.2333333")
    books = Books(fills.run())
    assert books.realized_pnl("hl:0xme:2", ME) == Decimal("0.9")


def test_an_entry_that_nothing_gives_away_is_assumed_and_reported(fills: Fills) -> None:
    fills.add("B", "5", "120", "10")
    assert _opening(fills) == ("10", "120")
    run = fills.run()
    list(run)
    assert run.report.entries_assumed == [(ME, "ABC-PERP", "10", "120")]
    assert "1 assumed (first trade price; not verifiable)" in "\n".join(run.report.lines())
    assert not run.report.is_clean


def test_a_position_from_zero_has_no_opening_and_a_flip_is_no_gap(fills: Fills) -> None:
    fills.add("B", "2", "100", "0.0")
    fills.add("A", "5", "110", "2", "20.0")
    fills.add("B", "3", "105", "-3", "15.0")
    run = fills.run()
    books = Books(run)
    assert "opening_position" not in run.report.events
    assert run.report.is_clean
    assert books.realized_pnl("hl:0xme:2", ME) == 20
    assert books.realized_pnl("hl:0xme:3", ME) == 15
    assert books.positions() == {}
    assert books.fees_paid(ME) == Decimal("1.5")


def test_behind_a_gap_position_and_entry_are_the_venues_again(fills: Fills) -> None:
    fills.add("B", "10", "100", "0.0")
    fills.add("A", "4", "120", "14", "40.0")  # the venue's entry is 110: 4 bought in the dark
    run = fills.run()
    books = Books(run)
    (gap,) = run.report.gaps
    assert (gap.line, gap.expected, gap.found, gap.missing) == (2, "10", "14", "4")
    trades = [
        (trade["event_id"], trade["buyer"], trade["quantity"], trade["price"])
        for trade in fills.events("trade")
    ]
    assert trades == [
        ("hl:0xme:1", ME, "10", "100"),
        ("gap:0xme:2:s", ME, "4", "120"),
        ("gap:0xme:2:s:out", "gap", "14", "110"),
        ("gap:0xme:2:s:in", ME, "14", "110"),
        ("hl:0xme:2", "counterparty", "4", "120"),
    ]
    assert books.realized_pnl("gap:0xme:2:s:out", ME) == 60  # 14 * 110 - 10 * 100 - 4 * 120
    assert books.realized_pnl("hl:0xme:2", ME) == 40
    assert books.positions()[ME, "ABC-PERP"] == 10


def test_a_gap_to_flat_is_bridged_by_one_trade(fills: Fills) -> None:
    fills.add("B", "10", "100", "0.0")
    fills.add("B", "1", "90", "0.0")
    run = fills.run()
    books = Books(run)
    assert [gap.missing for gap in run.report.gaps] == ["-10"]
    assert books.realized_pnl("gap:0xme:2:b", ME) == -100
    assert books.positions()[ME, "ABC-PERP"] == 1


def test_a_file_that_continues_another_opens_nothing_again(tmp_path: Path) -> None:
    whole, first, second = (Fills(tmp_path / name) for name in ("whole", "first", "second"))
    rows = [("B", "10", "100", "0.0", "0.0"), ("B", "5", "130", "10", "0.0")]
    more = [("A", "3", "140", "15", "90.0"), ("A", "12", "100", "12", "-120.0")]
    for number, row in enumerate(rows + more):
        place = {"tid": str(number), "time": str(1761584400000 + 5000 * number)}
        whole.add(*row, **place)
        (first if row in rows else second).add(*row, **place)
    options = ImportOptions(account=ME, continues=True)
    rest = import_events("hyperliquid", second.path, options)
    parts = Books([*first.run(), *(event for event in rest if event["kind"] != "pool")])
    assert parts.realized == Books(whole.run()).realized
    assert parts.realized_pnl("hl:0xme:2", ME) == 90
    assert rest.report.warnings == [
        "1 positions stood before the file and were not opened: the pool is taken to hold them"
    ]


def test_noise_of_binary_doubles_is_no_gap(fills: Fills) -> None:
    fills.add("B", "0.1", "7", "3135809.2999999998")
    fills.add("A", "3135809.4", "8", "3135809.3999999999", "3135809.4")
    run = fills.run()
    books = Books(run)
    assert run.report.gaps == []
    assert books.positions().keys() == {("counterparty", "ABC-PERP")}


def test_fees_in_another_token_are_left_out_and_counted(fills: Fills) -> None:
    fills.add("B", "1", "100", "0.0", feeToken="HYPE")
    run = fills.run()
    assert Books(run).fees_paid(ME) == 0
    assert run.report.left_out == {"fees in HYPE": 1}


def test_spot_pairs_and_outcome_tokens_are_left_out_and_counted(fills: Fills) -> None:
    for coin in ("@107", "PURR/USDC", "#2310"):
        fills.add("B", "1", "100", "0.0", coin=coin)
    run = fills.run()
    assert list(run) == []
    assert run.report.left_out == {}
    assert run.report.warnings == ["the file has no perpetual fills: no events"]
    fills.add("B", "1", "100", "0.0", coin="xyz:A B")
    (instrument,) = fills.events("instrument")
    assert instrument["instrument"] == "xyz:A_20B-PERP"


def test_long_names_still_make_ids_of_at_most_64_characters(fills: Fills) -> None:
    fills.add("A", "1", "100", "5", "1.0", coin="x" * 80)
    run = import_events("hyperliquid", fills.path, ImportOptions(account="0x" + "a" * 62))
    events = Books(run).events
    assert len({event.event_id for event in events}) == len(events)
    assert max(len(event.event_id) for event in events) == 64


def test_memory_does_not_grow_with_the_number_of_fills(tmp_path: Path) -> None:
    peaks = []
    for count in (1_000, 10_000):
        path = tmp_path / f"{count}.jsonl"
        rows = (
            _fill("BA"[tid % 2], startPosition=str(tid % 2), tid=str(tid)) for tid in range(count)
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        tracemalloc.start()
        assert sum(1 for _ in import_events("hyperliquid", path, OPTIONS)) == count + 4
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def _block(*events: object) -> str:
    return json.dumps({"block_number": 1, "events": events})


def _fill(side: str, **more: str) -> dict[str, object]:
    fill: dict[str, object] = {"coin": "ABC", "px": "100", "sz": "1", "side": side, "tid": 9}
    fill |= {"time": 1761584400000, "startPosition": "0", "closedPnl": "0"}
    fill |= {"fee": "0", "feeToken": "USDC"}
    return fill | more


def test_a_block_with_one_side_of_a_trade_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    path.write_text(_block(["0xa", _fill("B")]) + "\n")
    with pytest.raises(ImportFailed, match=r"line 1: only one side of trade 9, expected two"):
        list(import_events("hyperliquid", path))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (_fill("B"), "both fills of trade 9 are on side B"),
        (_fill("A", px="101"), "the fills of trade 9 differ in px: 100 and 101"),
    ],
)
def test_fills_that_do_not_match_are_refused(
    tmp_path: Path, second: dict[str, object], message: str
) -> None:
    path = tmp_path / "blocks.jsonl"
    path.write_text(_block(["0xa", _fill("B")], ["0xb", second]) + "\n")
    with pytest.raises(ImportFailed, match=message):
        list(import_events("hyperliquid", path))


def test_a_trade_of_an_account_with_itself_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    same = _block(["0xa", _fill("B")], ["0xa", _fill("A")])
    two = _block(["0xa", _fill("B", tid="10")], ["0xb", _fill("A", tid="10")])
    path.write_text(f"{same}\n{two}\n")
    run = import_events("hyperliquid", path)
    books = Books(run)
    assert run.report.left_out == {"trades of an account with itself": 1}
    assert books.positions() == {("0xa", "ABC-PERP"): 1, ("0xb", "ABC-PERP"): -1}
