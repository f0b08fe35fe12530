"""The views on the default waterfall say what its records and postings say, over whole pools."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

import psycopg
import pytest

from ledger.core.outcome import Record
from ledger.core.state import State
from ledger.ports import Message
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.leveraged_books import FILE, SHAPES, Books
from tests.integration.test_margin_views import inventory

Row = tuple[object, ...]
BATCHES = 12
BATCH_EVENTS = 30
SEEDS = (208, 210)
"""One pool is partial and socializes, the other full and leaves deficits open; both do the rest."""

COUNTED = ("rank", "confirmations", "needed")
TAKEOVER = (
    *("quantity", "mark_price", "takeover_value", "takeover_price", "bankruptcy_price"),
    *("equity", "maintenance_margin", "share", "penalty"),
)
CALL = ("equity", "initial_margin", "maintenance_margin")
SUSPECT = (
    *("mark_price", "index_price", "accepted_price", "band", "reason", "first_suspect"),
    *("confirmations", "needed"),
)


class Pool:
    """A pool's history, read twice: as records, and as reports."""

    def __init__(self, database_url: str, messages: Sequence[Message] = (), seed: int = 0) -> None:
        log = PostgresLog.connect(database_url, "test")
        self.writer = Writer(log)
        if messages:
            self.writer.take(messages)
        else:
            self._live_through(Books(seed))
        self.state: State = self.writer.state("main")
        (shard,) = [shard for shard in log.shards() if shard.name == "main"]
        self.records: list[tuple[int, Record]] = [
            (sequence, record)
            for sequence, _, record in log.records(shard.shard, 1, shard.next_sequence - 1)
        ]
        log.close()
        self._reports = psycopg.connect(database_url, autocommit=True)
        self._reports.execute("SET ROLE clearing_reader; SET timezone = 'UTC'")

    def close(self) -> None:
        self._reports.close()

    def rows(self, query: str) -> list[Row]:
        return self._reports.execute(query.encode()).fetchall()

    def of(self, *kinds: str) -> list[tuple[int, Record]]:
        return [(sequence, record) for sequence, record in self.records if record.kind in kinds]

    def _live_through(self, books: Books) -> None:
        self.writer.take(books.beginning())
        for _ in range(BATCHES):
            books.inventory = inventory(self.writer.state("main"))
            self.writer.take(books.messages(BATCH_EVENTS))


@pytest.fixture(params=SEEDS)
def pool(database_url: str, request: pytest.FixtureRequest) -> Iterator[Pool]:
    lived = Pool(database_url, seed=request.param)
    yield lived
    lived.close()


def said(record: Record, *names: str) -> Row:
    """Figures of a record as a view shows them."""
    return tuple(_shown(name, record.body[name]) for name in names)


def _shown(name: str, value: object) -> object:
    is_figure = isinstance(value, str) and value.lstrip("-")[:1].isdigit()
    return Decimal(str(value)) if is_figure and name not in COUNTED else value


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=repr)


def plain(rows: Sequence[Row]) -> list[Row]:
    """Rows in one order, figures without trailing zeros."""
    return in_order(
        [tuple(f"{v.normalize():f}" if isinstance(v, Decimal) else v for v in row) for row in rows]
    )


def test_every_takeover_is_a_row_of_liquidations(pool: Pool) -> None:
    expected = [
        ("main", record.subject, sequence, *said(record, "account", "instrument", *TAKEOVER))
        for sequence, record in pool.of("takeover")
    ]
    assert expected
    assert plain(pool.rows("SELECT * FROM reporting.liquidations")) == plain(expected)


def test_every_position_deleveraged_is_a_row(pool: Pool) -> None:
    names = ("account", "instrument", "quantity", "price", "rank", "score", "realized_pnl")
    expected = [
        ("main", *said(record, "liquidation_id"), sequence, *said(record, *names))
        for sequence, record in pool.of("deleveraged")
    ]
    assert expected
    assert plain(pool.rows("SELECT * FROM reporting.deleveragings")) == plain(expected)


@pytest.mark.parametrize("kind", ["insurance", "deficit"])
def test_movements_of_the_fund_are_the_postings_of_its_accounts(pool: Pool, kind: str) -> None:
    view = {"insurance": "insurance_fund", "deficit": "deficits"}[kind]
    moved: list[Row] = []
    for sequence, record in pool.of("fund"):
        before, after = (
            Decimal(str(record.body[f"{kind}_{when}"])) for when in ("before", "after")
        )
        if after != before:
            tail = said(record, "cause", "liquidation_id")
            moved.append(("main", sequence, "USD", after - before, after, *tail))
    assert moved
    assert plain(pool.rows(f"SELECT * FROM reporting.{view}")) == plain(moved)
    posted = pool.rows(
        "SELECT sequence, sum(amount) FROM reporting.postings WHERE account = '@house'"
        f" AND account_kind = '{kind}' GROUP BY sequence HAVING sum(amount) <> 0"
    )
    shown = pool.rows(
        f"SELECT sequence, sum(amount) FROM reporting.{view} GROUP BY sequence"
        " HAVING sum(amount) <> 0"
    )
    assert plain(shown) == plain(posted)


def test_margin_calls_are_open_where_the_core_has_them_open(pool: Pool) -> None:
    ends = {
        record.subject: (at, record.body["reason"]) for at, record in pool.of("margin_call_end")
    }
    expected = [
        (
            *(record.subject, *said(record, "account", "margin_instrument"), sequence),
            *(*said(record, *CALL), *ends.get(record.subject, (None, None))),
        )
        for sequence, record in pool.of("margin_call")
    ]
    rows = pool.rows(
        "SELECT call_id, account, instrument, opened_sequence, equity, initial_margin,"
        " maintenance_margin, closed_sequence, end_reason FROM reporting.margin_calls"
    )
    assert expected
    assert plain(rows) == plain(expected)
    still_open = pool.rows(
        "SELECT account, instrument FROM reporting.margin_calls WHERE closed_at IS NULL"
    )
    assert in_order(still_open) == in_order(list(pool.state.calls))


def test_breaches_of_initial_margin_are_rows_with_what_is_missing(pool: Pool) -> None:
    expected = []
    for sequence, record in pool.of("margin_breach", "isolated_shortfall"):
        is_breach = record.kind == "margin_breach"
        figures = ("equity", "initial_margin", "missing") if is_breach else ("required", "missing")
        mode = "cross" if record.body.get("margin_instrument", "any") is None else "isolated"
        expected.append(
            (
                *(sequence, record.subject, record.body["instrument"], mode, record.kind),
                *((None,) * (not is_breach) + said(record, *figures)),
            )
        )
    rows = pool.rows(
        "SELECT sequence, account, instrument, margin_mode, cause, equity, initial_margin, missing"
        " FROM reporting.margin_breaches"
    )
    assert {row[4] for row in expected} == {"margin_breach", "isolated_shortfall"}
    assert plain(rows) == plain(expected)


def test_suspect_marks_are_open_where_the_core_still_doubts(pool: Pool) -> None:
    names = ", ".join(SUSPECT)
    expected = [
        (sequence, record.subject, *said(record, *SUSPECT))
        for sequence, record in pool.of("suspect_mark")
    ]
    assert expected
    rows = pool.rows(f"SELECT sequence, instrument, {names} FROM reporting.suspect_marks")
    assert plain(rows) == plain(expected)
    still_open = pool.rows(
        "SELECT DISTINCT instrument FROM reporting.suspect_marks WHERE end_reason IS NULL"
    )
    assert in_order(still_open) == in_order([(name,) for name in pool.state.suspects])


def test_fees_are_those_of_the_trades_also_for_liquidation(pool: Pool) -> None:
    sides = [
        pool.rows(
            f"SELECT sequence, {side}, instrument, 'USD', {side}_fee FROM reporting.trades"
            f" WHERE {side}_fee <> 0"
        )
        for side in ("buyer", "seller")
    ]
    rows = pool.rows("SELECT sequence, account, instrument, asset, fee FROM reporting.fees")
    assert any(row[1] == "@liquidation" for row in rows)
    assert plain(rows) == plain(sides[0] + sides[1])


def test_funding_is_paid_on_the_position_held_before_the_event(pool: Pool) -> None:
    """`-q * |V(mark)| * rate`, down; whoever is liquidated by it has paid it first."""
    assert pool.state.pool is not None
    unit = Fraction(1, 10**pool.state.pool.scale)
    rows = pool.rows(
        "SELECT instrument, rate, mark_price, position, payment FROM reporting.funding_payments"
    )
    assert rows
    for instrument, *figures in rows:
        rate, mark, position, payment = (Fraction(str(figure)) for figure in figures)
        kind, multiplier, *_ = SHAPES[str(instrument)]
        each = Fraction(multiplier) * (mark if kind == "linear" else 1 / mark)
        assert payment == -position * each * rate // unit * unit


_POOL: dict[str, object] = {
    "kind": "pool",
    "settlement_asset": "USD",
    "scale": 2,
    "liquidation": "off",
    "penalty_rate": "0",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "bitmex",
    "loss_policy": "open",
}
_GUARDED: dict[str, object] = {
    "kind": "instrument",
    "instrument": "GRD",
    "type": "linear",
    "multiplier": "1",
    "price_scale": 0,
    "quantity_scale": 0,
    "expiry": None,
    "tiers": [
        {
            "notional_cap": None,
            "initial_rate": "0.1",
            "maintenance_rate": "0.05",
            "maintenance_amount": "0",
        }
    ],
    "price_band": "0.1",
    "price_confirmations": 2,
}


def test_a_suspicion_is_shown_with_its_end(database_url: str) -> None:
    """150 is confirmed once by 152; 300 takes its place; 101 ends it; 150 is accepted by hand."""
    contents = [_POOL, _GUARDED]
    contents += [
        {"kind": "price", "instrument": "GRD", "mark_price": price}
        for price in ("100", "150", "152", "300", "101", "150")
    ]
    accept = {"kind": "price_accept", "instrument": "GRD", "mark_price": "150"}
    contents.append({**accept, "made_by": "one", "checked_by": "two"})
    contents.append({"kind": "price", "instrument": "GRD", "mark_price": "200"})
    common = {"occurred_at": "2026-01-01T00:00:00Z"}
    lived = Pool(
        database_url,
        [
            Message(
                *(FILE, 0, number, 0, None),
                json.dumps({"event_id": f"e{number}", **common, **content}).encode(),
            )
            for number, content in enumerate(contents)
        ],
    )
    assert lived.rows(
        "SELECT sequence, mark_price, confirmations, closed_sequence, end_reason"
        " FROM reporting.suspect_marks ORDER BY sequence"
    ) == [
        (4, Decimal(150), 0, 6, "replaced"),
        (5, Decimal(152), 1, 6, "replaced"),
        (6, Decimal(300), 0, 7, "price"),
        (8, Decimal(150), 0, 9, "accepted"),
        (10, Decimal(200), 0, None, None),
    ]
    lived.close()
