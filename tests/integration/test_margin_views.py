"""Margin in SQL equals margin in the core, figure by figure, after every batch of random books."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import psycopg
import pytest

from ledger.core.defaults.ranking import Candidate, by_score, candidate
from ledger.core.margin.liquidation_price import liquidation_price
from ledger.core.margin.statements import (
    Position,
    Statement,
    margin_account,
    margin_accounts,
    statement,
)
from ledger.core.state import State
from ledger.core.units import half_even
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.leveraged_books import Books

Row = tuple[object, ...]
BATCHES = 14
BATCH_EVENTS = 20
SEEDS = range(8)
SHOWN = (
    "pool, account, instrument, margin_mode, quantity, cost, mark_price, notional, unrealized_pnl,"
    " maintenance_margin, liquidation_price"
)


def natural(units: int, scale: int) -> Decimal:
    return Decimal(units).scaleb(-scale)


def shown(number: Fraction) -> Decimal:
    """Half-even to 18 decimals, as ratios and scores are shown."""
    return natural(half_even(number.numerator * 10**18, number.denominator), 18)


def margin_row(state: State, found: Statement) -> Row:
    """The row of `reporting.margin` that the core's statement says."""
    scale = state.settlement.scale
    notional = sum((Fraction(p.numerator, p.denominator) for p in found.positions), Fraction(0))
    solvent = found.equity > 0
    figures = (
        found.collateral,
        found.unrealized_pnl,
        found.equity,
        found.initial,
        found.maintenance,
        found.free_collateral,
    )
    return (
        *("main", found.account, found.margin_instrument),
        "cross" if found.margin_instrument is None else "isolated",
        *(natural(figure, scale) for figure in figures),
        shown(Fraction(found.maintenance, found.equity)) if solvent else None,
        shown(notional / found.equity) if solvent else None,
        [position.instrument for position in found.positions if position.stale],
    )


def position_rows(state: State, found: Statement) -> Iterator[Row]:
    """What `reporting.positions` says of them, without the entry price."""
    scale = state.settlement.scale
    for held in found.positions:
        terms = held.terms
        root = liquidation_price(state, found.account, terms.instrument)
        price = None if held.mark is None else natural(held.mark, terms.price_scale)
        yield (
            *("main", found.account, terms.instrument),
            "cross" if found.margin_instrument is None else "isolated",
            natural(held.quantity, terms.quantity_scale),
            natural(held.cost, scale),
            price,
            None if price is None else natural(half_even(held.numerator, held.denominator), scale),
            natural(held.cost + held.value, scale),
            natural(held.maintenance, scale),
            None if root is None else natural(root, terms.price_scale),
        )


def queue_rows(state: State, instrument: str, *, is_long: bool) -> Iterator[Row]:
    """One side of the queue by the core's own scores, as `reporting.adl_queue` shows it."""
    assert state.pool is not None
    policy, one = state.pool.adl_policy, 10**state.settlement.scale
    scale = state.instruments[instrument].quantity_scale
    queued: list[tuple[Candidate | None, bool, Statement, Position]] = []
    for owner, held in state.journal.positions_of.items():
        if owner.startswith("@") or instrument not in held:
            continue
        found = statement(state, *margin_account(state, owner, instrument))
        position = next(p for p in found.positions if p.instrument == instrument)
        if (position.quantity > 0) != is_long:
            continue
        scored = None
        if found.equity > 0 and position.mark is not None:
            scored = candidate(policy, found, position, one)
        eligible = scored is not None and not position.stale
        if scored is not None and policy == "capped_pro_rata" and scored.upnl <= 0:
            eligible = False
        queued.append((scored, eligible, found, position))
    ordered = by_score([scored for scored, eligible, *_ in queued if scored and eligible])
    if policy.endswith("pro_rata"):
        ordered.sort(key=lambda one: one.found.account)
    if policy == "pro_rata":
        ordered.sort(key=lambda one: one.upnl <= 0)
    ranks = {one.found.account: rank for rank, one in enumerate(ordered, start=1)}
    for scored, eligible, found, position in queued:
        rank = ranks.get(found.account) if eligible else None
        score = None
        if scored is not None:
            unit = {"pro_rata": 10**scale, "capped_pro_rata": one}.get(policy, 1)
            least = max(scored.score, Fraction(0)) if policy == "capped_pro_rata" else scored.score
            score = shown(least / unit)
        yield (
            *("main", instrument, "long" if is_long else "short", found.account),
            "cross" if found.margin_instrument is None else "isolated",
            natural(position.quantity, scale),
            *(score, rank),
            None if rank is None else shown(Fraction(len(ordered) - rank + 1, len(ordered))),
            eligible,
        )


class Held:
    """The core's state and the reports on it, side by side."""

    def __init__(self, state: State, reports: psycopg.Connection) -> None:
        self.state = state
        self.reports = reports

    def rows(self, query: str) -> list[Row]:
        return self.reports.execute(query.encode()).fetchall()

    def margin(self) -> list[Row]:
        rows = self.rows("SELECT * FROM reporting.margin ORDER BY account, instrument NULLS FIRST")
        found = [statement(self.state, *key) for key in margin_accounts(self.state)]
        assert rows == [margin_row(self.state, one) for one in found]
        return rows

    def positions(self) -> list[Row]:
        rows = self.rows(
            f"SELECT {SHOWN} FROM reporting.positions"
            " WHERE account NOT LIKE '@%' ORDER BY account, instrument"
        )
        found = [statement(self.state, *key) for key in margin_accounts(self.state)]
        expected = [row for one in found for row in position_rows(self.state, one)]
        assert rows == sorted(expected, key=lambda row: (row[1], row[2]))
        return rows

    def margin_at(self, sequence: int) -> list[Row]:
        return self.rows(
            f"SELECT * FROM reporting.margin_at('main', {sequence})"
            " ORDER BY account, instrument NULLS FIRST"
        )

    def positions_at(self, sequence: int) -> list[Row]:
        return self.rows(
            f"SELECT {SHOWN} FROM reporting.positions_at('main', {sequence})"
            " WHERE account NOT LIKE '@%' ORDER BY account, instrument"
        )

    def queue(self) -> list[Row]:
        rows = self.rows("SELECT * FROM reporting.adl_queue ORDER BY instrument, side, account")
        expected = [
            row
            for instrument in self.state.instruments
            for is_long in (True, False)
            for row in queue_rows(self.state, instrument, is_long=is_long)
        ]
        assert rows == sorted(expected, key=lambda row: (row[1], row[2], row[3]))
        return rows

    def house_has_no_margin(self) -> None:
        assert not self.rows(
            "SELECT account FROM reporting.positions WHERE account LIKE '@%'"
            " AND (margin_mode, maintenance_margin, liquidation_price) IS DISTINCT FROM"
            " (NULL, NULL, NULL)"
        )


def inventory(state: State) -> dict[str, Decimal]:
    held = state.journal.positions_of.get("@liquidation", {})
    return {
        name: natural(state.journal.balances[account], state.instruments[name].quantity_scale)
        for name, account in held.items()
    }


@pytest.fixture
def log(database_url: str) -> Iterator[PostgresLog]:
    opened = PostgresLog.connect(database_url, "test")
    yield opened
    opened.close()


@pytest.fixture
def reports(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE clearing_reader")
        yield connection


@pytest.mark.parametrize("seed", SEEDS)
def test_margin_in_sql_equals_margin_in_the_core(
    log: PostgresLog, reports: psycopg.Connection, seed: int
) -> None:
    writer, books = Writer(log), Books(seed)
    writer.take(books.beginning())
    held = Held(writer.state("main"), reports)
    seen: dict[int, tuple[list[Row], list[Row]]] = {}
    for _ in range(BATCHES):
        writer.take(books.messages(BATCH_EVENTS))
        books.inventory = inventory(held.state)
        (head,) = [shard.next_sequence - 1 for shard in log.shards() if shard.name == "main"]
        seen[head] = (held.margin(), held.positions())
        held.queue()
        held.house_has_no_margin()
    assert any(positions for _, positions in seen.values())
    for sequence, (margin, positions) in seen.items():
        assert held.margin_at(sequence) == margin
        assert held.positions_at(sequence) == positions
