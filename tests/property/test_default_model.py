"""The slow model by itself: margin and the default waterfall, with figures worked by hand.

One linear contract LIN of multiplier 1, cents, initial margin 10%, maintenance 5%, one tier.
Anna buys 10 at 100.00 from Ben; she has put in 100.00, Ben 1000.00.
"""

from fractions import Fraction

from ledger.core import events
from ledger.core.units import Fixed, Microseconds
from tests.property.books import HOUSE, LIQUIDATION
from tests.property.deleveraging_model import Deleveraging
from tests.property.histories import fixed
from tests.property.model import Model

FLAT = (events.Tier(None, Fixed(1, 1), Fixed(5, 2), Fixed(0, 0)),)
LIN = events.Instrument("LIN", "linear", Fixed(1, 0), 2, 0, None, FLAT)
ZERO = Fixed(0, 0)
FULL = events.Pool("USD", 2, "full", Fixed(1, 2), ZERO, ZERO, "bitmex", "open")


def usd(cents: int) -> Fixed:
    return fixed(cents, 2)


def bought(quantity: int = 10, price: int = 10000) -> events.Trade:
    return events.Trade("LIN", usd(price), Fixed(quantity, 0), "anna", "ben", ZERO, ZERO)


def at(cents: int) -> events.Price:
    return events.Price("LIN", usd(cents))


def played(pool: events.Pool, *facts: events.Fact, terms: events.Instrument = LIN) -> Model:
    """A model after the reference facts, the two deposits, and `facts`, a second apart."""
    model = Model()
    beginning: tuple[events.Fact, ...] = (
        pool,
        events.Asset("ETH", 18, Fixed(1, 1)),
        terms,
        *(events.Account(person) for person in ("anna", "ben", "cleo")),
        events.Deposit("ben", "USD", usd(100000)),
    )
    for number, fact in enumerate((*beginning, *facts)):
        when = Microseconds(number * 10**6)
        model.apply(events.Event("fact", f"e{number}", "main", when, fact))
    return model


def cents(model: Model, owner: str, kind: str, thing: str) -> int:
    found = model.books[owner, kind, thing] * 100
    assert found.denominator == 1
    return int(found)


def steps(model: Model, kind: str) -> list[tuple[object, ...]]:
    return [step[1:] for step in model.steps if step[0] == kind]


PUT_IN = events.Deposit("anna", "USD", usd(10000))
INSURED = events.InsuranceDeposit("USD", usd(5000))


def test_a_solvent_account_is_taken_over_whole_for_a_penalty() -> None:
    # At 92.00: equity 100 - 80 = 20 under maintenance 920 * 5% = 46. The last position: share 20,
    # penalty min(20, 1% of 920) = 9.20, value 920 - 9.20 = 910.80; realized 910.80 - 1000 = -89.20.
    model = played(FULL, PUT_IN, INSURED, bought(), at(9200))
    found = ("L-1", "anna", None, "LIN", 10, 20, Fraction(92, 10), Fraction(9108, 10))
    assert [step[:8] for step in steps(model, "takeover")] == [found]
    assert [call[:2] for call in steps(model, "margin_call")] == [("C-1", "anna")]
    assert steps(model, "margin_call_end") == [("C-1", "anna", None, "no_position")]
    assert cents(model, "anna", "wallet", "USD") == 1080
    assert cents(model, LIQUIDATION, "variation", "LIN") == -91080


def test_an_inventory_under_water_is_closed_at_its_cost_against_the_other_side() -> None:
    # At 80.00 the inventory of 10 bought at 910.80 is worth 800: projected 50 - 110.80 < 0.
    # Ben, short at 1000, closes at 910.80 and realizes 89.20; the fund keeps its 50.
    model = played(FULL, PUT_IN, INSURED, bought(), at(9200), at(8000))
    # Score: 200/1000 of profit on cost, times 800/1200 of leverage: 0.133333333333333333.
    score = Fraction(133333333333333333, 10**18)
    taken = ("ben", "LIN", "L-1", 10, Fraction(-9108, 10), 1, score)
    left = (Fraction(9108, 100), Fraction(892, 10), True, Fraction(10892, 10))
    assert steps(model, "deleveraged") == [(*taken, *left)]
    assert cents(model, "ben", "wallet", "USD") == 108920
    assert cents(model, HOUSE, "insurance", "USD") == 5000
    assert not model.held(LIQUIDATION, "LIN")


def test_a_bankrupt_account_passes_its_loss_to_the_fund() -> None:
    # At 10.00: equity 100 - 900 = -800; share max(-800, -100) = -100 and passes whole: value 200.
    # Realized 200 - 1000 = -800, so -700 stay: 50 from insurance, 650 from deficit.
    # The inventory (cost -200, worth 100) is under the floor: Ben closes it and realizes 800.
    model = played(FULL, PUT_IN, INSURED, bought(), at(1000))
    found = ("L-1", "anna", None, "LIN", 10, -100, -100, 200, 20, 20, -800)  # prices 20.00
    assert steps(model, "takeover") == [found]
    assert steps(model, "made_whole") == [("L-1", "anna", None, 700, 50, 650)]
    assert [step[:5] for step in steps(model, "deleveraged")] == [("ben", "LIN", "L-1", 10, -200)]
    assert cents(model, "anna", "wallet", "USD") == 0
    assert cents(model, "ben", "wallet", "USD") == 180000
    assert cents(model, HOUSE, "deficit", "USD") == -65000


def test_a_deficit_is_shared_among_open_profits() -> None:
    # As above without insurance: deficit 700; Ben's open profit is 1000 - 100 = 900, he bears it.
    model = played(FULL._replace(loss_policy="socialize"), PUT_IN, bought(), at(1000))
    shares = [(step[1], step[-1]) for step in steps(model, "socialized_loss")]
    assert shares == [("ben", 700)]
    assert cents(model, HOUSE, "deficit", "USD") == 0
    assert cents(model, "ben", "wallet", "USD") == 110000


def test_a_partial_takeover_is_the_smallest_that_restores() -> None:
    # At 94.00: equity 40 under maintenance 47. Of k contracts: share 4k, penalty 0.94k;
    # 40 - 0.94k >= 47 - 4.70k from k = 2 on. Value 188 - 1.88 = 186.12, realized -13.88.
    model = played(FULL._replace(liquidation="partial"), PUT_IN, bought(), at(9400))
    found = ("L-1", "anna", None, "LIN", 2, 8, Fraction(188, 100), Fraction(18612, 100))
    assert [step[:8] for step in steps(model, "takeover")] == [found]
    assert cents(model, "anna", "wallet", "USD") == 8612
    assert cents(model, "anna", "variation", "LIN") == -80000


def test_an_isolated_position_is_liquidated_alone() -> None:
    # Margin 1000 * max(1/5, 10%) = 200. At 84.00: equity 200 - 160 = 40 under 42; penalty 8.40,
    # value 831.60, realized -168.40; what is left of the margin, 31.60, goes back to the wallet.
    chosen = events.PositionMode("anna", "LIN", "isolated", Fixed(5, 0))
    deposit = events.Deposit("anna", "USD", usd(50000))
    model = played(FULL, deposit, chosen, bought(), at(8500))
    assert cents(model, "anna", "isolated", "LIN") == 20000
    assert not steps(model, "takeover")
    model = played(FULL, deposit, chosen, bought(), at(8500), at(8400))
    assert [step[1:3] for step in steps(model, "takeover")] == [("anna", "LIN")]
    assert cents(model, "anna", "isolated", "LIN") == 0
    assert cents(model, "anna", "wallet", "USD") == 30000 + 3160


def test_other_collateral_is_seized_for_a_debt() -> None:
    # One ETH at 100.00 less 10% backs one contract. At 10.00: equity 90 - 90 = 0 under 0.50.
    # Nothing to share; realized -90; the whole ETH covers it.
    collateral = events.Deposit("anna", "ETH", Fixed(1, 0)), events.AssetPrice("ETH", Fixed(100, 0))
    model = played(FULL, *collateral, bought(1), at(1000))
    assert steps(model, "takeover") == [("L-1", "anna", None, "LIN", 1, 0, 0, 10, 10, 10, -90)]
    assert steps(model, "seizure") == [("L-1", "anna", "ETH", 1, 90)]
    assert cents(model, "anna", "wallet", "USD") == 0
    assert cents(model, HOUSE, "suspense", "USD") == -9000


def test_a_suspect_price_is_kept_until_it_is_confirmed() -> None:
    terms = LIN._replace(price_band=Fixed(1, 1), price_confirmations=2)
    prices = at(10000), at(11001), at(11500)
    model = played(FULL, *prices, terms=terms)
    assert model.marks["LIN"].price == 100
    model = played(FULL, *prices, at(9901), terms=terms)  # 9.99% from 110.01, 0.99% from 100
    assert (model.marks["LIN"].price, model.suspects) == (Fraction(9901, 100), {})
    model = played(FULL, *prices, at(11600), terms=terms)
    assert model.marks["LIN"][:2] == (Fraction(116), "confirmed")


def test_a_stale_mark_protects_a_position_from_being_taken() -> None:
    # At 100.50 equity is 105; maintenance of 11% asks for 110.55. Two seconds on, the mark is old.
    terms = LIN._replace(price_max_age=1)
    raised = events.RiskTiers("LIN", (FLAT[0]._replace(maintenance_rate=Fixed(11, 2)),))
    model = played(FULL, PUT_IN, bought(), at(10050), raised, terms=terms)
    assert not model.held("anna", "LIN")
    model = played(
        FULL, PUT_IN, bought(), at(10050), PUT_IN._replace(account="cleo"), raised, terms=terms
    )
    assert model.held("anna", "LIN") == 10


def test_shares_go_by_largest_remainder_and_under_caps() -> None:
    one = Fraction(1)
    thirds = dict.fromkeys(("a", "b", "c"), Fraction(3))
    shares = Deleveraging().by_largest_remainder(Fraction(5), thirds, one)
    assert shares == {"a": 2, "b": 2, "c": 1}
    weights = {"a": one, "b": one, "c": 2 * one}
    # By weight 2.5, 2.5, 5; a stops at its cap of 1, and 9 are left for b and c: 3 and 6.
    shares = Deleveraging().under_caps(
        10 * one, weights, {"a": one, "b": 9 * one, "c": 9 * one}, one
    )
    assert shares == {"a": 1, "b": 3, "c": 6}
