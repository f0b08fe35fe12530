"""The slow model by itself: what ends an event, is shared once, or is nobody's, worked by hand.

The instrument and the deposits are those of `test_default_model`. What chance hardly ever spells is
lived through by the core too.
"""

from fractions import Fraction

import pytest

from ledger.core import events
from ledger.core.units import Fixed, Microseconds
from tests.property.books import LIQUIDATION, NOTHING, Refused
from tests.property.deleveraging_model import Candidate, Deleveraging, Inventory
from tests.property.histories import NAMES
from tests.property.test_default_model import (
    FLAT,
    FULL,
    LIN,
    PUT_IN,
    ZERO,
    at,
    bought,
    played,
    steps,
    usd,
)
from tests.property.test_defaults import World

RICH = events.Deposit("cleo", "USD", usd(500000))
SOCIALIZE = FULL._replace(loss_policy="socialize", insurance_floor=Fixed(-1000000, 0))


def sold(buyer: str, seller: str, quantity: int, cents: int) -> events.Trade:
    return events.Trade("LIN", usd(cents), Fixed(quantity, 0), buyer, seller, ZERO, ZERO)


def lived(pool: events.Pool, *facts: events.Fact) -> tuple[World, bool]:
    """The core and the model after the same facts; whether the last was accepted."""
    world = World(0)
    reference: tuple[events.Fact, ...] = (
        pool,
        events.Asset("ETH", 18, Fixed(1, 1)),
        LIN,
        *(events.Account(person) for person in ("anna", "ben", "cleo")),
        events.Deposit("ben", "USD", usd(100000)),
    )
    is_accepted = True
    for number, fact in enumerate((*reference, *facts)):
        assert is_accepted, fact
        kind = next(name for name, made in NAMES.items() if isinstance(fact, made))
        when = Microseconds(number * 10**6)
        is_accepted = world.live(events.Event(kind, f"e{number}", "main", when, fact))
    world.end()
    return world, is_accepted


def test_what_a_position_has_borne_is_forgotten_when_it_is_flat_or_turns() -> None:
    # Ben, short 10 at 100.00, gains 900 at 10.00 and bears Anna's 700.
    beginning = PUT_IN, RICH, bought(), at(1000)
    assert played(SOCIALIZE, *beginning).borne == {("ben", "LIN"): 700}
    more = played(SOCIALIZE, *beginning, sold("cleo", "ben", 1, 1000))
    assert more.borne == {("ben", "LIN"): 700}
    less = played(SOCIALIZE, *beginning, sold("ben", "cleo", 9, 1000))
    assert less.borne == {("ben", "LIN"): 700}
    for bought_back in (10, 12):
        model = played(SOCIALIZE, *beginning, sold("ben", "cleo", bought_back, 1000))
        assert model.borne == {}


def test_an_adjustment_that_ends_a_position_ends_what_it_has_borne() -> None:
    lines = tuple(
        events.AdjustmentLine(owner, kind, "LIN", asset, Fixed(sign * units, scale))
        for kind, asset, units, scale in (("position", None, 10, 0), ("variation", "USD", -1000, 0))
        for owner, sign in (("ben", 1), ("cleo", -1))
    )
    moved = events.Adjustment(lines, "by hand", "maria", "noor")
    world, is_accepted = lived(SOCIALIZE, PUT_IN, RICH, bought(), at(1000), moved)
    assert is_accepted
    assert world.model.held("cleo", "LIN") == -10
    assert world.model.borne == {}
    assert world.state.borne == {}


def test_a_gain_that_has_borne_all_bears_no_more() -> None:
    # Ben's 900 have borne 700. Cleo, short of 500, leaves a deficit that only 200 are left for.
    model = played(SOCIALIZE, PUT_IN, bought(), at(1000))
    model.opened = []
    model.fund(Fraction(-500), "funding", None, "LIN")
    model.steps = []
    model.socialize()
    shares = [step[1:] for step in steps(model, "socialized_loss")]
    assert shares == [("ben", None, "LIN", 500, 200, 900, 700, 200)]
    assert [deficit.left for deficit in model.deficits] == [300]


def test_an_account_liquidated_again_in_an_event_is_taken_whole() -> None:
    # At 94.00 the smallest that restores is 2 of 10; once liquidated in this event, all 10 are.
    model = played(FULL._replace(liquidation="partial"), PUT_IN, bought())
    model.stand_in("LIN", Fraction(94), "trade", model.pool_time)
    again = model.copy()
    again.liquidated.add(("anna", None))
    for one, left in ((model, 8), (again, 0)):
        one.seen.clear()
        one.liquidate(("anna", None))
        assert one.held("anna", "LIN") == left


def test_all_that_fail_at_their_share_are_removed_together() -> None:
    model = Deleveraging()
    takers = [Candidate(name, (name, None), -Fraction(5), NOTHING, NOTHING) for name in "abc"]
    model.equity_after = lambda _, taker, *__: -1 if taker.owner in "ac" else 1  # type: ignore[method-assign, assignment]
    shares = dict.fromkeys("abc", Fraction(1))
    failing = model.failing("LIN", Inventory(Fraction(3), Fraction(-30)), takers, shares)
    assert [one.owner for one in failing] == ["a", "c"]


def test_inventory_that_the_market_turns_is_nobodys() -> None:
    # The house holds 10 of Anna's and sells 15 to Cleo: it is short 5, that no liquidation led to.
    pool = FULL._replace(insurance_floor=Fixed(-1000000, 0))
    taken = PUT_IN, RICH, bought(), at(9200)
    model = played(pool, *taken)
    assert model.last_adder == {"LIN": "L-1"}
    model = played(pool, *taken, sold("cleo", LIQUIDATION, 4, 9200))
    assert model.last_adder == {"LIN": "L-1"}
    model = played(pool, *taken, sold("cleo", LIQUIDATION, 15, 9200))
    assert model.held(LIQUIDATION, "LIN") == -5
    assert not model.last_adder


def test_what_nobody_took_is_offered_again_when_it_or_its_mark_has_changed() -> None:
    # Nobody is short but Ben, who has withdrawn what he had: he would be below zero at 91.08.
    model = played(FULL, PUT_IN, bought(), at(9200))
    model.books["ben", "wallet", "USD"] = Fraction(-150)
    model.seen.clear()
    for price, is_offered, told in ((80, True, 1), (80, False, 0), (79, True, 0)):
        model.marks["LIN"] = model.marks["LIN"]._replace(price=Fraction(price))
        model.seen.clear()
        model.steps = []
        assert model.is_open("LIN") == is_offered
        model.deleverage()
        assert len(steps(model, "deleveraging_untaken")) == told
        assert not model.is_open("LIN")


def test_a_schedule_that_asks_more_to_go_on_calls_first() -> None:
    # Maintenance 20% over initial 10%: at 105.00 equity is 150 over 105 and under 210.
    terms = LIN._replace(tiers=(FLAT[0]._replace(maintenance_rate=Fixed(2, 1)),))
    model = played(FULL._replace(liquidation="off"), PUT_IN, bought(), at(10500), terms=terms)
    assert set(model.calls) == {("anna", None)}
    # At 130.00: 400 over 260, so 140 may leave, in a pool that liquidates.
    deposit = events.Deposit("anna", "USD", usd(20000))
    beginning = deposit, bought(), at(12500)
    leaving = events.Withdrawal("anna", "USD", usd(20000))
    with pytest.raises(Refused):  # 450 - 200 = 250 is all that is required: so one cent more
        played(FULL, *beginning, leaving._replace(amount=usd(20001)), terms=terms)
    assert played(FULL, *beginning, leaving, terms=terms).free_collateral(("anna", None)) == 125


def test_a_mode_stays_while_its_margin_account_holds_something() -> None:
    # Isolated margin 100; sold at 85.00 for a loss of 150: -50 stays.
    off = FULL._replace(liquidation="off")
    chosen = events.PositionMode("anna", "LIN", "isolated", None)
    beginning = PUT_IN, RICH, chosen, bought(), sold("cleo", "anna", 10, 8500)
    world, is_accepted = lived(off, *beginning, chosen._replace(mode="cross"))
    assert not is_accepted
    assert world.model.books["anna", "isolated", "LIN"] == -50
    assert lived(off, *beginning, chosen._replace(leverage=Fixed(2, 0)))[1]
