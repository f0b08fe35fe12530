"""The crash of 2025-10-10 through the core: a crowd on real bars, every event cleared.

The crowd and the market are those of the figure in docs/figures, smaller here. After each event the
books are sound, nobody rests below zero, and the fund moves row by row with its cause; afterwards
every liquidation is worked out once more from its records.
"""

from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

import pytest

from docs.figures.crash_bars import COINS, MarketFiles, read_market
from docs.figures.crash_crowd import crowd
from docs.figures.crash_venue import POOL_NAME, Venue, listing
from ledger.core.events import Event
from ledger.core.invariants import broken
from ledger.core.outcome import Outcome
from ledger.core.state import State
from ledger.core.watch.everyone import Everyone
from tests.importers.venue import venue_file
from tests.market.books import figures
from tests.market.recompute import Listing, by_liquidation, check_liquidation, check_statement

PARTICIPANTS = 250
STEPS = 15
WAYS = {
    "partial, binance, socialize": ("partial", "0.003", "binance", "socialize"),
    "full, small penalty, hyperliquid, open": ("full", "0.0005", "hyperliquid", "open"),
    "partial, capped_pro_rata, open": ("partial", "0.002", "capped_pro_rata", "open"),
}
OF_INVENTORY = {"close_out", "fee", "funding", "netting", "settlement", "expiry"}

Row = tuple[str, str, dict[str, Any]]


class Crash:
    """One run, watched event by event.

    Attributes:
        way: Of `WAYS`.
        rows: Kind, subject, body of every record, decimals as fractions.
        outcomes: Of every event.
        broken: What the invariants found, with the event.
    """

    def __init__(self, market: MarketFiles, way: str, *, is_watched: bool = True) -> None:
        mode, penalty, adl, loss = WAYS[way]
        self.way = way
        self.rows: list[Row] = []
        self.outcomes: list[Outcome] = []
        self.broken: list[tuple[str, list[str]]] = []
        self._is_watched = is_watched
        self.state = State(POOL_NAME) if is_watched else State(POOL_NAME, watch=Everyone())
        self.venue = Venue(
            market,
            self._see,
            steps=STEPS,
            state=self.state,
            liquidation=mode,
            penalty_rate=penalty,
            adl_policy=adl,
            loss_policy=loss,
        )
        self.venue.load(list(crowd(market, PARTICIPANTS)))
        for _ in self.venue.run():
            pass

    def _see(self, event: Event, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if not self._is_watched:
            return
        self.rows.extend((kind, subject, figures(body)) for kind, subject, body in outcome.records)
        if found := broken(self.state):
            self.broken.append((event.event_id, found))

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [body for found, _, body in self.rows if found == kind]

    def fund(self, kind: str) -> Fraction:
        """`insurance` or `deficit` of the house, at the end."""
        return Fraction(self.venue.money("@house", kind))


@pytest.fixture(scope="module")
def market() -> MarketFiles:
    """Skipped where the bars are not there."""
    venue_file("klines/btcusdt-perp-5m-2025h2.csv.gz")
    return read_market()


@pytest.fixture(scope="module", params=WAYS)
def crash(request: pytest.FixtureRequest, market: MarketFiles) -> Crash:
    """The whole window in each kind of pool."""
    return Crash(market, request.param)


def test_the_books_are_sound_and_nobody_is_below_zero_after_every_event(crash: Crash) -> None:
    assert crash.broken == []
    assert len(crash.outcomes) > 1000


def test_the_crash_puts_every_step_of_the_waterfall_to_work(crash: Crash) -> None:
    counts = Counter(kind for kind, _, _ in crash.rows)
    steps = ("margin_call", "margin_call_end", "liquidation", "takeover", "close_out", "fund")
    assert all(counts[kind] > 10 for kind in steps), counts
    assert counts["deleveraging"], counts
    assert counts["deleveraged"], counts


def test_every_liquidation_follows_from_its_records(crash: Crash, market: MarketFiles) -> None:
    listings = {f"{coin}-PERP": Listing.of(listing(coin, market)) for coin in COINS}
    found = by_liquidation(crash.rows)
    assert len(found) > 30
    assert list(found) == [f"L-{number}" for number in range(1, len(found) + 1)]
    for steps in found.values():
        check_liquidation(steps, listings)
    parts = [body for body in crash.bodies("takeover") if body["quantity"] != body["position"]]
    assert bool(parts) == crash.way.startswith("partial")


def test_every_margin_call_follows_from_its_record(crash: Crash, market: MarketFiles) -> None:
    listings = {f"{coin}-PERP": Listing.of(listing(coin, market)) for coin in COINS}
    calls = crash.bodies("margin_call")
    for body in calls:
        check_statement(body["statement"], listings)
        assert body["equity"] == body["statement"]["equity"] < body["initial_margin"]
    assert calls


def test_the_fund_moves_row_by_row_with_its_cause(crash: Crash) -> None:
    insurance = deficit = Fraction(0)
    for body in crash.bodies("fund"):
        assert (body["insurance_before"], body["deficit_before"]) == (insurance, deficit)
        insurance, deficit = body["insurance_after"], body["deficit_after"]
        assert insurance >= 0 >= deficit
        assert body["amount"] == insurance + deficit - (
            body["insurance_before"] + body["deficit_before"]
        )
    assert (insurance, deficit) == (crash.fund("insurance"), crash.fund("deficit"))


def test_the_fund_is_deposits_and_cash_of_inventory_less_made_whole_and_socialized(
    crash: Crash,
) -> None:
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for body in crash.bodies("fund"):
        sums[body["cause"]] += body["amount"]
    closed = crash.bodies("close_out")
    assert sums["close_out"] == sum(body["realized_pnl"] for body in closed)
    assert sums["fee"] == -sum(body["fee"] for body in closed)
    assert sums["made_whole"] == -sum(body["amount"] for body in crash.bodies("made_whole"))
    assert sums["socialized"] == sum(body["share"] for body in crash.bodies("socialized_loss"))
    assert set(sums) <= OF_INVENTORY | {"insurance_deposit", "made_whole", "socialized"}
    assert sum(sums.values()) == crash.fund("insurance") + crash.fund("deficit")


def test_each_deleveraging_closes_the_inventory_at_its_cost(crash: Crash) -> None:
    closed: dict[str, list[dict[str, Any]]] = {}
    for kind, subject, body in crash.rows:
        if kind == "deleveraged":
            closed.setdefault(subject, []).append(body)
    for kind, subject, body in crash.rows:
        if kind != "deleveraging":
            continue
        takes = closed.get(subject, [])
        assert sum(take["quantity"] for take in takes) == body["deleveraged"]
        assert body["deleveraged"] + body["left"] == abs(body["quantity"])
        if not body["left"]:
            assert sum(take["amount"] for take in takes) == body["cost"]
            assert body["loss_absorbed"] == body["loss"]
        assert body["projected"] < body["floor"]
        value = body["quantity"] * body["mark_price"]
        assert abs(body["loss"] + body["cost"] + value) < Fraction(1, 10**6)
        assert all(take["equity_after"] >= 0 for take in takes)


def test_bounds_find_what_examining_everyone_finds(crash: Crash, market: MarketFiles) -> None:
    slow = Crash(market, crash.way, is_watched=False)
    assert slow.outcomes == crash.outcomes
