"""Our movements and balances as the books have them, against a custodian's and a venue's."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from ledger.ports import Message, Source
from ledger.recon.lines import Movement, Statement, Trade
from ledger.recon.rules import Rules, parse_rules
from ledger.recon.run import reconcile, reconcile_lines
from ledger.store.log.postgres import PostgresLog
from ledger.store.recon.books import our_books
from ledger.writer import Writer
from tests.integration.test_tampering import altered
from tests.market.reconciled import add

START = datetime(2026, 1, 1, tzinfo=UTC)
POOL = {
    "settlement_asset": "USDT",
    "scale": 6,
    "liquidation": "off",
    "penalty_rate": "0",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "bitmex",
    "loss_policy": "open",
}
TIER = {
    "notional_cap": None,
    "initial_rate": "0.1",
    "maintenance_rate": "0.05",
    "maintenance_amount": "0",
}
LISTING = {
    "instrument": "BTC-PERP",
    "type": "linear",
    "multiplier": "1",
    "price_scale": 1,
    "quantity_scale": 3,
    "expiry": None,
    "tiers": [TIER],
}
EVENTS: list[tuple[str, dict[str, object]]] = [
    ("pool", POOL),
    ("instrument", LISTING),
    ("account", {"account": "ada"}),
    ("account", {"account": "ben"}),
    ("deposit", {"event_id": "in-1", "account": "ada", "asset": "USDT", "amount": "1000"}),
    ("deposit", {"event_id": "in-2", "account": "ben", "asset": "USDT", "amount": "500.25"}),
    ("insurance_deposit", {"event_id": "in-3", "asset": "USDT", "amount": "70"}),
    (
        "internal_transfer",
        {
            "event_id": "move-1",
            "from_account": "ada",
            "to_account": "ben",
            "asset": "USDT",
            "amount": "100",
        },
    ),
    (
        "trade",
        {
            "event_id": "trade-1",
            "trade_id": "1",
            "instrument": "BTC-PERP",
            "price": "1000",
            "quantity": "0.5",
            "buyer": "ada",
            "seller": "ben",
            "buyer_fee": "0.3",
            "seller_fee": "-0.1",
        },
    ),
    (
        "withdrawal_request",
        {
            "event_id": "ask-1",
            "request_id": "w-1",
            "account": "ben",
            "asset": "USDT",
            "amount": "40",
        },
    ),
    (
        "withdrawal_settled",
        {
            "event_id": "out-1",
            "request_id": "w-1",
            "account": "ben",
            "asset": "USDT",
            "amount": "40",
        },
    ),
]
CUSTODY = Decimal("1530.25")
RULES = """
version = 1
[sources.bank]
kind = "statements"
format = "statements-csv"
[sources.bank.accounts]
"NOSTRO-1" = "@custody"
[sources.venue]
kind = "holdings"
format = "holdings-csv"
covers = "all"
[sources.engine]
kind = "trades"
format = "trades-csv"
"""


@pytest.fixture
def books(database_url: str) -> str:
    add(
        database_url,
        "books",
        [
            {
                "kind": kind,
                "event_id": f"e{number}",
                "occurred_at": f"{START + timedelta(hours=number):%Y-%m-%dT%H:%M:%S}Z",
                **fields,
            }
            for number, (kind, fields) in enumerate(EVENTS)
        ],
    )
    return database_url


@pytest.fixture
def rules() -> Rules:
    return parse_rules(RULES)


def bank(*lines: tuple[int, str, str]) -> tuple[str, Statement]:
    movements = [
        Movement(
            n, reference, "", START + timedelta(hours=hour), "NOSTRO-1", "USDT", Decimal(amount)
        )
        for n, (hour, amount, reference) in enumerate(lines, start=1)
    ]
    total = sum((each.amount for each in movements), Decimal(0))
    days = (START, START + timedelta(hours=23))
    return "", Statement("bank", "1", "NOSTRO-1", "USDT", *days, Decimal(0), total, movements)


WHOLE = [(4, "1000", "in-1"), (5, "500.25", "b7"), (6, "70", "b8"), (10, "-40", "w-1")]


def test_the_books_are_read_as_the_outside_sees_them(books: str) -> None:
    with our_books(books, "main", None) as ours:
        custody = [(each.event_id, each.amount) for each in ours.movements(["@custody"])]
        ben = [(each.event_id, each.request_id, each.amount) for each in ours.movements(["ben"])]
        every = {each.event_id for each in ours.movements(["ben"], every_purpose=True)}
        outside = sum(each.amount for each in ours.movements(["@outside"]))
        held = ours.balances()
        before = ours.balances(ours.sequence_at(START + timedelta(hours=5)))
    assert sorted(custody) == sorted(
        (event_id, Decimal(amount))
        for event_id, amount in [
            ("in-1", "1000"),
            ("in-2", "500.25"),
            ("in-3", "70"),
            ("out-1", "-40"),
        ]
    )
    assert sorted(ben, key=lambda each: each[0]) == [
        ("in-2", None, Decimal("500.25")),
        ("move-1", None, Decimal(100)),
        ("out-1", "w-1", Decimal(-40)),
    ], "what goes from wallet to hold stays with its owner"
    assert every == {"in-2", "move-1", "trade-1", "out-1"}
    assert outside == -CUSTODY
    assert held["@custody", "USDT"] == CUSTODY
    assert held["ada", "USDT"] == Decimal("899.7")
    assert held["ada", "BTC-PERP"] == Decimal("0.5")
    assert held["@insurance", "USDT"] == 70
    assert before == {
        ("ada", "USDT"): Decimal(1000),
        ("ben", "USDT"): Decimal("500.25"),
        ("@custody", "USDT"): Decimal("1500.25"),
        ("@outside", "USDT"): Decimal("-1500.25"),
    }


def test_a_banks_statement_matches_by_reference_and_by_amount(books: str, rules: Rules) -> None:
    result = reconcile_lines(books, rules, {"bank": [bank(*WHOLE)]}, "main")
    assert result.breaks == ()
    assert result.compared[0].matched == {"exact_reference": 2, "exact_amount": 2}


def test_a_deposit_that_the_bank_never_saw_is_missing_there(books: str, rules: Rules) -> None:
    result = reconcile_lines(books, rules, {"bank": [bank(WHOLE[0], *WHOLE[2:])]}, "main")
    (found,) = result.breaks
    assert (found.type, found.subject, found.ours) == ("missing_there", "in-2", Decimal("500.25"))
    earlier = reconcile_lines(books, rules, {"bank": [bank(WHOLE[0], *WHOLE[2:])]}, "main", 5)
    assert [each.type for each in earlier.breaks] == ["missing_here"] * 2, "as of an event before"


def test_files_are_read_by_their_format_and_named_in_the_result(
    books: str, rules: Rules, tmp_path: Path
) -> None:
    trades = tmp_path / "trades.csv"
    trades.write_text(
        "trade_id,at,instrument,price,quantity,buyer,seller,buyer_fee,seller_fee\n"
        "1,2026-01-01T08:00:00Z,BTC-PERP,1000.0,0.500,ada,ben,0.30,-0.1\n"
    )
    holdings = tmp_path / "holdings.csv"
    holdings.write_text(
        "account,commodity,amount\nada,USDT,899.7\nada,BTC-PERP,0.5\nben,BTC-PERP,-0.5\n"
        "ben,USDT,560.3\n"
    )
    files = {"engine": [trades], "venue": [holdings]}
    result = reconcile(books, rules, files, "main")
    (found,) = result.breaks
    assert (found.type, found.subject) == ("amount", "ben/USDT")
    assert (found.ours, found.theirs) == (Decimal("560.35"), Decimal("560.3"))
    assert [(each.source, each.lines) for each in result.inputs] == [("engine", 1), ("venue", 4)]
    told = json.loads(json.dumps(result.as_json()))
    assert told["result_hash"] == reconcile(books, rules, files, "main").result_hash
    assert told["breaks"][0]["difference"] == "0.05"


def test_times_that_retention_took_away_are_refused_and_not_called_missing(
    books: str, rules: Rules
) -> None:
    altered(
        books,
        "INSERT INTO ledger.carried_leaf SELECT shard, 1, sequence, pool_time, leaf, leaf"
        " FROM ledger.event WHERE event_id = 'in-1'",
        "DELETE FROM ledger.event WHERE sequence <= (SELECT last FROM ledger.carried_leaf)",
    )
    early = [("line 2", trade(START + timedelta(hours=4))), ("line 3", trade(None))]
    with pytest.raises(ConfigurationError, match=r"events up to 5 of pool main.* detached"):
        reconcile_lines(books, rules, {"engine": early}, "main")
    with pytest.raises(ConfigurationError, match="what happened since 2026-01-01"):
        reconcile_lines(books, rules, {"bank": [bank(*WHOLE)]}, "main")
    late = [("line 2", trade(START + timedelta(hours=8)))]
    assert reconcile_lines(books, rules, {"engine": late}, "main").breaks == ()


def trade(at: datetime | None) -> Trade:
    """The trade of the books, at this time."""
    figures = (Decimal(1000), Decimal("0.5"), "ada", "ben", Decimal("0.3"), Decimal("-0.1"))
    return Trade(2, "1", at, "BTC-PERP", *figures)


def test_the_same_sequence_gives_the_same_hash_while_the_writer_goes_on(
    books: str, rules: Rules
) -> None:
    log = PostgresLog.connect(books, "beside")  # a writer goes on beside it
    lines = {"bank": [bank(*WHOLE)]}
    first = reconcile_lines(books, rules, lines, "main")
    source = Source("file", "more", "more")
    more = {"kind": "account", "event_id": "late", "account": "cho"} | {
        "occurred_at": "2026-01-02T00:00:00Z"
    }
    assert (
        Writer(log).take([Message(source, 0, 0, 0, None, json.dumps(more).encode())]).applied == 1
    )
    log.close()
    assert reconcile_lines(books, rules, lines, "main").result_hash != first.result_hash
    again = reconcile_lines(books, rules, lines, "main", first.sequence)
    assert again.result_hash == first.result_hash
