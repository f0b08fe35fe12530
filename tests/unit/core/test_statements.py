"""A margin account followed through a change of one position is the account looked at anew."""

from typing import Any

from ledger.core.margin.statements import followed, statement
from tests.unit.core.building import TRADE, apply, event
from tests.unit.core.test_defaults import books, paid_in, priced, traded


def test_a_position_that_grew_shrank_or_ended_is_followed() -> None:
    state = books("anna", "ben")
    paid_in(state, anna="5000", ben="5000")
    traded(state, "anna", "ben")
    apply(state, event("trade", **{**TRADE, "instrument": "ALT", "buyer": "anna", "seller": "ben"}))
    priced(state, "93")
    for buyer, seller, quantity in (
        ("anna", "ben", "3"),
        ("ben", "anna", "8"),
        ("ben", "anna", "5"),
    ):
        for name in ("anna", "ben"):
            assert statement(state, name, None).positions, "something is open"
        before = {name: statement(state, name, None) for name in ("anna", "ben")}
        traded(state, buyer, seller, "95", quantity=quantity)
        for name, found in before.items():
            assert followed(state, found, "LIN") == statement(state, name, None)
    assert not state.journal.holders["LIN"]


def test_an_isolated_position_that_ended_leaves_its_account_empty() -> None:
    state = books("anna", "ben")
    paid_in(state, anna="5000", ben="5000")
    mode: dict[str, Any] = {"instrument": "LIN", "mode": "isolated", "leverage": "10"}
    apply(state, event("position_mode", account="anna", **mode))
    traded(state, "anna", "ben")
    before = statement(state, "anna", "LIN")
    assert before.balance
    traded(state, "ben", "anna", "95")
    after = statement(state, "anna", "LIN")
    assert followed(state, before, "LIN") == after
    assert (after.balance, after.equity, after.positions) == (0, 0, [])
