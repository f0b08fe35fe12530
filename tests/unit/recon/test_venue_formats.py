"""Venues' own files as outside sources: the node fills, the tapes, and Vega's double entry."""

import json
import os
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import ImportFailed
from ledger.importers import import_events
from ledger.recon.formats import SourceMapping, read_statements, read_trades
from ledger.recon.lines import Statement, Trade
from ledger.recon.movements.arithmetic import check, exact_sum

ROOT = Path(__file__).resolve().parents[3]
MARKET = Path(os.environ.get("CLEARING_DATA_DIR", ROOT.parent / "shared" / "data"))
NODE_FILLS = MARKET / "hyperliquid-node-fills-2025-10-27"
VEGA = MARKET / "vega-core-events" / "smoketest.jsonl.gz"

needs_market = pytest.mark.skipif(not MARKET.is_dir(), reason="no market data")


def trades(format_name: str, path: Path, **keys: Any) -> list[Trade]:  # noqa: ANN401 - of a mapping
    return list(read_trades(format_name, path, SourceMapping(**keys)))


def transfer(source: str, target: str, amount: str, balances: tuple[str, str]) -> dict[str, Any]:
    def account(kind: str) -> dict[str, str]:
        owner = {} if kind == "EXTERNAL" else {"owner": "anna"}
        return {"asset_id": "usd", "type": f"ACCOUNT_TYPE_{kind}", **owner}

    return {
        "from_account": account(source),
        "to_account": account(target),
        "amount": amount,
        "type": "TRANSFER_TYPE_DEPOSIT",
        "timestamp": "1674004173781135390",
        "from_account_balance": balances[0],
        "to_account_balance": balances[1],
    }


def vega_events(*transfers: dict[str, Any]) -> list[dict[str, Any]]:
    asset = {"id": "usd", "details": {"decimals": "5"}}
    groups = {"ledger_movements": [{"entries": list(transfers)}]}
    return [
        {"id": "1-1", "type": "BUS_EVENT_TYPE_ASSET", "asset": asset},
        {"id": "1-2", "type": "BUS_EVENT_TYPE_LEDGER_MOVEMENTS"},
        {"id": "1-3", "type": "BUS_EVENT_TYPE_LEDGER_MOVEMENTS", "ledger_movements": groups},
    ]


def vega(folder: Path, events: list[dict[str, Any]]) -> list[Statement]:
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return list(read_statements("vega", path))


def test_a_transfer_is_two_movements_of_one_reference_in_natural_units(tmp_path: Path) -> None:
    found = vega(
        tmp_path,
        vega_events(
            transfer(
                "EXTERNAL",
                "GENERAL",
                "100000000000000000000000012345",
                ("0", "1" + "0" * 23 + "12345"),
            ),
            transfer("GENERAL", "MARGIN", "345", ("1" + "0" * 23 + "12000", "345")),
        ),
    )
    outside, general, margin = found
    assert [each.account for each in found] == ["EXTERNAL", "GENERAL/anna", "MARGIN/anna"]
    assert (outside.opening, outside.closing) == (None, None)
    deposit = Decimal("1000000000000000000000000.12345")
    assert [each.amount for each in outside.movements] == [deposit.copy_negate()]
    assert [(each.reference, each.amount) for each in general.movements] == [
        ("1-3/1/1", deposit),
        ("1-3/1/2", Decimal("-0.00345")),
    ]
    assert (margin.opening, margin.closing) == (Decimal(0), Decimal("0.00345"))


def test_a_transfer_that_the_core_left_out_is_a_break_of_its_amount(tmp_path: Path) -> None:
    events = vega_events(
        transfer("EXTERNAL", "GENERAL", "500000", ("0", "500000")),
        transfer("EXTERNAL", "GENERAL", "300000", ("0", "1000000")),
    )
    (found,) = check(vega(tmp_path, events), "main", lambda *_: "high").breaks
    assert (found.type, found.account, found.difference) == ("amount", "GENERAL/anna", Decimal(-2))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"amount": "1.5"}, "line 3: field amount is '1.5', expected a whole number"),
        ({"amount": None}, "line 3: field amount is missing"),
        ({"to_account": None}, "line 3: field to_account is missing, expected an object"),
        ({"from_account": {"asset_id": "eur", "type": "X"}}, "asset eur moves, expected its BUS"),
    ],
)
def test_a_transfer_that_does_not_read_is_refused(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    events = vega_events(transfer("EXTERNAL", "GENERAL", "5", ("0", "5")) | change)
    with pytest.raises(ImportFailed) as caught:
        vega(tmp_path, events)
    assert says in str(caught.value)


@needs_market
def test_the_core_of_a_test_network_says_a_double_entry_that_holds() -> None:
    found = list(read_statements("vega", VEGA))
    by_reference: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for statement in found:
        for each in statement.movements:
            by_reference[each.reference, each.commodity].append(each.amount)
    assert (len(found), len(by_reference)) == (118, 322)
    assert {len(amounts) for amounts in by_reference.values()} == {2}
    assert not any(exact_sum(amounts) for amounts in by_reference.values())
    assert check(found, "vega", lambda *_: "high").breaks == []


@needs_market
def test_the_node_fills_are_the_trades_that_the_importer_makes() -> None:
    path = NODE_FILLS / "trades.part1.csv.gz"
    made = [event for event in import_events("hyperliquid", path) if event["kind"] == "trade"]
    read = trades("hyperliquid", path)
    assert len(read) == 2082
    assert [
        (each.trade_id, each.instrument, each.price, each.quantity, each.buyer, each.seller)
        for each in read
    ] == [
        (
            event["trade_id"],
            event["instrument"],
            Decimal(str(event["price"])),
            Decimal(str(event["quantity"])),
            event["buyer"],
            event["seller"],
        )
        for event in made
        if not str(event["event_id"]).startswith("gap:")
    ]


@needs_market
def test_blocks_and_trades_of_the_node_say_the_same() -> None:
    blocks = trades("hyperliquid", NODE_FILLS / "blocks.part1.jsonl.gz")
    rows = trades("hyperliquid", NODE_FILLS / "trades.part1.csv.gz")
    assert [each._replace(line=0) for each in blocks] == [each._replace(line=0) for each in rows]


@needs_market
def test_all_fills_are_the_perpetual_ones_and_the_spot_ones() -> None:
    every = trades("hyperliquid-all", NODE_FILLS / "trades.part1.csv.gz")
    assert len(every) == 2252
    spot = [each for each in every if not each.instrument.endswith("-PERP")]
    assert len(spot) == 170


@needs_market
@pytest.mark.parametrize(
    ("format_name", "path", "count", "instrument"),
    [
        ("binance", "binance-perp-tape-2024-08/btcusd_perp_20240808.trades.csv.gz", 2286, "XBT"),
        ("bitmex", "bitmex-xbtusd-trades/trades-2022-09-25.part1.csv.gz", 600, "XBT"),
    ],
)
def test_a_tape_is_trades_without_accounts(
    format_name: str, path: str, count: int, instrument: str
) -> None:
    names = {"BTCUSD_PERP": "XBT", "XBTUSD": "XBT"}
    found = trades(format_name, MARKET / path, commodities=names)
    assert len(found) == count
    assert {(each.instrument, each.buyer, each.seller) for each in found} == {
        (instrument, None, None)
    }
