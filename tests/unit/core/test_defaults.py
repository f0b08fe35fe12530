"""What ends an event, who bears a loss and how often, whose inventory is, what calls ask for."""

from typing import Any

import pytest

from ledger.core.machine import decide
from ledger.core.outcome import Outcome, Rejection
from ledger.core.state import State
from tests.unit.core.building import HANDS, LINEAR, POOL, TIERS, TRADE, apply, event, line

Body = dict[str, Any]
LIQUIDATING: Body = {**POOL, "penalty_rate": "0.01", "liquidation": "full"}


def books(*names: str, instruments: Body | None = None, **pool: object) -> State:
    """A pool that liquidates, LIN and ALT at one for one, and accounts."""
    state = State("main")
    apply(state, event("pool", **{**LIQUIDATING, **pool}))
    for name in ("LIN", "ALT"):
        apply(state, event("instrument", instrument=name, **{**LINEAR, **(instruments or {})}))
    for name in names:
        apply(state, event("account", account=name))
    return state


def paid_in(state: State, **amounts: str) -> None:
    for name, amount in amounts.items():
        apply(state, event("deposit", account=name, asset="USD", amount=amount))


def traded(state: State, buyer: str, seller: str, price: str = "100", **terms: str) -> Outcome:
    fields: Body = {**TRADE, "buyer": buyer, "seller": seller, "price": price, **terms}
    return apply(state, event("trade", **fields))


def priced(state: State, price: str, instrument: str = "LIN") -> Outcome:
    return apply(state, event("price", instrument=instrument, mark_price=price))


def taken(state: State, **amounts: str) -> Outcome:
    """Money that an adjustment takes from accounts."""
    total = sum(int(amount) for amount in amounts.values())
    lines = [line(name, "wallet", f"-{amount}") for name, amount in amounts.items()]
    lines.append(line("@house", "fees", str(total)))
    return apply(state, event("adjustment", lines=lines, **HANDS))


def told(outcome: Outcome, kind: str, *fields: str) -> list[tuple[str, ...]]:
    """Some fields of the records of a kind, as text."""
    return [
        tuple(_text(record.body[field]) for field in fields)
        for record in outcome.records
        if record.kind == kind
    ]


def _text(value: Any) -> str:  # noqa: ANN401 - of any field
    if hasattr(value, "coefficient"):
        return f"{value.coefficient / 10**value.scale:.2f}"
    return str(value)


def subjects(outcome: Outcome, kind: str) -> list[str]:
    return [record.subject for record in outcome.records if record.kind == kind]


def refused(state: State, kind: str, **fields: Any) -> str:  # noqa: ANN401 - of the wire
    found = decide(state, event(kind, **fields))
    assert isinstance(found, Rejection), found
    return found.code


def shared_twice() -> State:
    """A pool that shares losses: ben is short 10 LIN with a gain of 200, of which 60 are borne."""
    state = books("anna", "ben", "cleo", loss_policy="socialize", insurance_floor="-10000")
    paid_in(state, anna="140", ben="1000", cleo="5000")
    traded(state, "anna", "ben")
    priced(state, "80")
    found = traded(state, "cleo", "@liquidation", "80")
    shares = told(found, "socialized_loss", "account", "unrealized_pnl", "borne", "share")
    assert shares == [("ben", "200.00", "0.00", "60.00")]
    return state


def loss(state: State, price: str) -> Outcome:
    """The desk sells 10 at 80 that it does not have, and buys them back dearer."""
    traded(state, "cleo", "@liquidation", "80")
    return traded(state, "@liquidation", "cleo", price)


def test_a_gain_bears_losses_only_as_far_as_it_has_not_borne_them() -> None:
    state = shared_twice()
    found = loss(state, "100")  # 200 lost
    fields = ("deficit", "gains", "unrealized_pnl", "borne", "share")
    assert told(found, "socialized_loss", *fields) == [
        ("200.00", "140.00", "200.00", "60.00", "140.00")
    ]
    assert told(loss(state, "81"), "socialized_loss", "share") == []


@pytest.mark.parametrize("quantity", ["10", "15"])
def test_what_was_borne_is_forgotten_when_the_position_is_flat_or_turned(quantity: str) -> None:
    state = shared_twice()
    traded(state, "ben", "cleo", "80", quantity="1")
    assert state.borne == {("ben", "LIN"): 6000}, "a part that is closed leaves the rest as it was"
    traded(state, "ben", "cleo", "80", quantity=quantity)
    assert state.borne == {}


def test_an_account_that_falls_under_again_in_the_same_event_is_taken_whole() -> None:
    state = books("anna", "ben", "cleo", liquidation="partial", partial_buffer="0.1")
    paid_in(state, anna="2000", ben="50000", cleo="1000")
    traded(state, "anna", "ben", instrument="ALT", quantity="100")
    traded(state, "cleo", "anna")
    found = taken(state, anna="1500", cleo="1200")
    assert told(found, "liquidation", "account", "mode", "round") == [
        ("cleo", "partial", "1"),
        ("anna", "partial", "1"),
        ("anna", "full", "2"),
    ]
    assert told(found, "takeover", "quantity") == [("10.00",), ("24.00",), ("76.00",)]
    traded(state, "anna", "ben", instrument="ALT", quantity="30")
    found = priced(state, "99", "ALT")  # 200 - 30 against 148.50, still enough
    assert told(found, "liquidation", "mode") == []
    found = taken(state, anna="60")
    assert told(found, "liquidation", "mode") == [("partial",)], "another event begins anew"


def test_all_that_cannot_bear_their_share_are_left_out_together() -> None:
    """The gain of ben and cleo is small, their equity smaller than a third of the loss."""
    state = books("anna", "ben", "cleo", "dora", adl_policy="pro_rata", instruments=_lenient())
    paid_in(state, anna="100", ben="1", cleo="1", dora="5000")
    for name in ("ben", "cleo", "dora"):
        traded(state, "anna", name, quantity="10")
    found = taken(state, anna="400")
    (record,) = [one for one in found.records if one.kind == "deleveraging"]
    candidates: Any = record.body["candidates"]
    assert [(one["account"], one["reason"]) for one in candidates] == [
        ("ben", "negative_after"),
        ("cleo", "negative_after"),
        ("dora", None),
    ]
    assert told(found, "deleveraged", "account", "quantity") == [("dora", "10.00")]
    assert told(found, "deleveraging_untaken", "quantity") == [("20.00",)]


def _lenient() -> Body:
    """Tiers that ask for next to nothing."""
    return {"tiers": [{**TIERS[0], "initial_rate": "0.0001", "maintenance_rate": "0.0001"}]}


def inventory() -> State:
    """`@liquidation` holds 10 LIN of L-1 at a cost of 881.10; the fund has 1,000."""
    state = books("anna", "ben", "cleo")
    apply(state, event("insurance_deposit", asset="USD", amount="1000"))
    paid_in(state, anna="145", ben="5000", cleo="5000")
    traded(state, "anna", "ben")
    priced(state, "89")
    return state


def test_inventory_that_a_trade_turns_belongs_to_no_liquidation() -> None:
    state = inventory()
    found = traded(state, "cleo", "@liquidation", "90", quantity="12")
    assert subjects(found, "close_out") == ["L-1"]
    assert state.inventories["LIN"][:3] == ("-", 0, 0)
    found = traded(state, "@liquidation", "cleo", "90", quantity="1")
    assert subjects(found, "close_out") == ["-"]
    assert state.inventories["LIN"][:3] == ("-", 0, 1)
    found = traded(state, "@liquidation", "cleo", "85", quantity="1")
    assert told(found, "fund", "liquidation_id") == [("None",)]
    assert state.inventories == {}


def test_inventory_that_an_adjustment_turns_belongs_to_no_liquidation() -> None:
    state = inventory()
    lines = [
        line("@liquidation", "position", "-12", None, "LIN"),
        line("ben", "position", "12", None, "LIN"),
        line("@liquidation", "variation", "1059.10", instrument="LIN"),
        line("ben", "variation", "-1059.10", instrument="LIN"),
    ]
    apply(state, event("adjustment", lines=lines, **HANDS))
    assert state.inventories["LIN"] == ("-", 0, 0, None)


def test_what_nobody_took_is_offered_again_at_another_mark_alone() -> None:
    state = books("anna", "ben")
    apply(state, event("opening_balance", account="anna", asset="USD", amount="145"))
    opened: Body = {"account": "anna", "instrument": "LIN", "quantity": "10", "entry_price": "100"}
    apply(state, event("opening_position", **opened))
    assert told(priced(state, "80"), "deleveraging_untaken", "quantity") == [("10.00",)]
    short: Body = {"account": "ben", "instrument": "LIN", "quantity": "-10", "entry_price": "100"}
    apply(state, event("opening_balance", account="ben", asset="USD", amount="5000"))
    apply(state, event("opening_position", **short))
    assert told(priced(state, "80"), "deleveraged", "account") == []
    assert told(priced(state, "79"), "deleveraged", "account") == [("ben",)]


def test_that_nobody_took_it_is_recorded_once_for_a_quantity_and_cost() -> None:
    state = books("anna")
    apply(state, event("opening_balance", account="anna", asset="USD", amount="145"))
    opened: Body = {"account": "anna", "instrument": "LIN", "quantity": "10", "entry_price": "100"}
    apply(state, event("opening_position", **opened))
    found = [priced(state, price) for price in ("80", "79", "80")]
    assert [subjects(one, "deleveraging_untaken") for one in found] == [["LIN"], [], []]


def odd_tiers() -> State:
    """Anna is long 10 LIN at 100 with 145; 2% are asked to begin, 5% to go on."""
    tiers = {"tiers": [{**TIERS[0], "initial_rate": "0.02"}]}
    state = books("anna", "ben", liquidation="partial", instruments=tiers)
    paid_in(state, anna="145", ben="5000")
    traded(state, "anna", "ben")
    return state


def test_a_call_opens_under_maintenance_where_that_is_more_than_initial_margin() -> None:
    state = odd_tiers()
    assert told(priced(state, "90"), "margin_call", "equity") == []  # 45 against 45
    found = priced(state, "89.99")
    assert told(found, "margin_call", "equity", "initial_margin", "maintenance_margin") == [
        ("44.90", "18.00", "45.00")
    ]
    assert subjects(found, "liquidation") == ["L-1"], "nobody is liquidated without a call"


def test_what_is_withdrawn_leaves_maintenance_where_that_is_more() -> None:
    state = odd_tiers()
    money: Body = {"account": "anna", "asset": "USD"}
    assert refused(state, "withdrawal", **money, amount="95.01") == "insufficient_margin"
    apply(state, event("withdrawal", **money, amount="95"))


def test_the_mode_stays_while_an_isolated_balance_is_owed() -> None:
    state = books("anna", "ben", liquidation="off")
    paid_in(state, anna="100", ben="5000")
    mode: Body = {"account": "anna", "instrument": "LIN"}
    apply(state, event("position_mode", **mode, mode="isolated"))
    traded(state, "anna", "ben")
    traded(state, "ben", "anna", "80")  # a loss of 200 against a margin of 100
    assert refused(state, "position_mode", **mode, mode="cross") == "position_open"
    apply(state, event("position_mode", **mode, mode="isolated", leverage="2"))
    lines = [
        line("anna", "isolated", "100", instrument="LIN"),
        line("ben", "wallet", "-100"),
    ]
    apply(state, event("adjustment", lines=lines, **HANDS))
    apply(state, event("position_mode", **mode, mode="cross"))


HUGE = "1" + "0" * 40


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("funding_rate", {"rate": HUGE, "mark_price": "1.001"}),
        ("price", {"mark_price": HUGE, "index_price": "1.001"}),
        ("opening_position", {"account": "anna", "quantity": HUGE, "entry_price": "1.001"}),
    ],
)
def test_of_several_refusals_the_first_in_precedence_is_given(kind: str, fields: Body) -> None:
    state = books("anna")
    assert refused(state, kind, instrument="LIN", **fields) == "too_many_decimals"


def test_an_account_is_opened_by_its_first_posting_alone() -> None:
    """A thousandth of a contract at 0.01 costs nothing, so no account of costs is needed yet."""
    small: Body = {"quantity_scale": 3}
    state = books("anna", "ben", instruments=small, liquidation="off")
    outcome = traded(state, "anna", "ben", "0.01", quantity="0.001")
    assert [(opened.owner, opened.kind) for opened in outcome.opened] == [
        ("anna", "position"),
        ("ben", "position"),
    ]
    outcome = traded(state, "anna", "ben", "100", quantity="1")
    assert [opened.kind for opened in outcome.opened] == ["variation", "variation"]
