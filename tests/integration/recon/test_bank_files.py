"""The example files of banks and of FIX, against books that they tell of: what differs, no more."""

import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.recon.result import Result
from ledger.recon.rules import parse_rules
from ledger.recon.run import reconcile
from tests.market.reconciled import add

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "reconciliation"
RULES = """
version = 1
[sources.camt]
kind = "statements"
window_s = 86400
format = "camt053"
mapping = { zone = "Europe/Zurich" }
accounts = { CH9300762011623852957 = "@custody" }
[sources.swift]
kind = "statements"
window_s = 86400
format = "mt940"
mapping = { zone = "Europe/Zurich" }
accounts = { CH9300762011623852957 = "@custody" }
[sources.engine]
kind = "trades"
format = "fix"
[sources.custodian]
kind = "statements"
window_s = 86400
format = "statements-csv"
[sources.custodian.mapping]
"""
POOL = {
    "settlement_asset": "USD",
    "scale": 2,
    "liquidation": "off",
    "penalty_rate": "0",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "bitmex",
    "loss_policy": "open",
}
TIER = {
    "notional_cap": None,
    "initial_rate": "0",
    "maintenance_rate": "0",
    "maintenance_amount": "0",
}
LISTING = {
    "instrument": "BTC-PERP",
    "type": "linear",
    "multiplier": "1",
    "price_scale": 1,
    "quantity_scale": 2,
    "expiry": None,
    "tiers": [TIER],
}
TRADE = {
    "event_id": "trade-7",
    "trade_id": "7",
    "instrument": "BTC-PERP",
    "price": "65000.5",
    "quantity": "0.30",
    "buyer": "anna",
    "seller": "ben",
    "buyer_fee": "1.95",
    "seller_fee": "-0.39",
}
FIRST = datetime(2026, 3, 1, 9, 30, 0, 123456, UTC)


def cash(kind: str, event_id: str, account: str, amount: str, **more: str) -> dict[str, object]:
    told = {"event_id": event_id, "account": account, "asset": "USD", "amount": amount}
    return {"kind": kind, **told, **more}


def paid_out(event_id: str, account: str, amount: str) -> list[dict[str, object]]:
    request = f"of-{event_id}"
    return [
        cash("withdrawal_request", f"ask-{event_id}", account, amount, request_id=request),
        cash("withdrawal_settled", event_id, account, amount, request_id=request),
    ]


@pytest.fixture
def books(database_url: str) -> str:
    """1,000 from before, then what the examples tell of 1 and 2 March."""
    accounts: list[dict[str, object]] = [
        {"kind": "account", "account": name} for name in ("anna", "ben", "cleo")
    ]
    before: list[dict[str, object]] = [
        {"kind": "pool", **POOL},
        {"kind": "instrument", **LISTING},
        *accounts,
        cash("deposit", "before-1", "ben", "600"),
        cash("deposit", "before-2", "cleo", "400"),
        {"kind": "trade", **TRADE},
    ]
    day = [
        cash("deposit", "deposit-anna-1", "anna", "500"),
        *paid_out("withdrawal-ben-1", "ben", "200"),
        *paid_out("withdrawal-cleo-1", "cleo", "55.75"),
    ]
    events: list[dict[str, object]] = []
    for begin, told in ((FIRST, before), (FIRST + timedelta(days=1), day)):
        for each in told:
            at = f"{begin:%Y-%m-%dT%H:%M:%S.%f}Z"
            events.append({"event_id": f"e{len(events)}", "occurred_at": at, **each})
    add(database_url, "books", events)
    return database_url


def held_against(books: str, source: str, file: str) -> Result:
    mapping = (EXAMPLES / "custodian.toml").read_text(encoding="utf-8")
    assert tomllib.loads(mapping)["delimiter"] == ";"
    nested = mapping.replace("[", "[sources.custodian.mapping.")
    return reconcile(books, parse_rules(RULES + nested), {source: [EXAMPLES / file]}, "main")


@pytest.mark.parametrize(
    ("source", "file", "lines"),
    [
        ("camt", "bank.camt053.xml", 3),
        ("custodian", "custodian.csv", 3),
        ("engine", "trades.fix", 1),
    ],
)
def test_an_example_and_its_books_have_no_break(
    source: str, file: str, lines: int, books: str
) -> None:
    found = held_against(books, source, file)
    assert found.breaks == ()
    assert sum(found.compared[0].matched.values()) == lines


def test_two_payments_that_the_bank_booked_as_one_are_told_with_their_amounts(books: str) -> None:
    found = held_against(books, "swift", "bank.mt940")
    assert {(each.type, each.subject, each.difference) for each in found.breaks} == {
        ("amount", "withdrawal-ben-1", Decimal("55.75")),
        ("missing_there", "withdrawal-cleo-1", Decimal("-55.75")),
    }
