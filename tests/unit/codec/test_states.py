"""A kept state: it comes back whole, and another format is told apart."""

import json

import pytest

from ledger.codec.states import UnknownFormat, decode_state, encode_state, state_hash
from ledger.core.invariants import broken
from ledger.core.machine import decide
from ledger.core.state import State
from tests.unit.core.building import TRADE, apply, busy_books, event


def test_a_state_comes_back_whole() -> None:
    state = busy_books()
    apply(state, event("asset_price", asset="ETH", price="2000.5"))
    apply(state, event("account", account="anna", tags=["desk-7", "eu"]))
    again = decode_state(encode_state(state))
    assert encode_state(again) == encode_state(state)
    assert state_hash(again) == state_hash(state)
    assert again.journal.holders == state.journal.holders
    assert again.participants == state.participants
    assert again.instruments == state.instruments
    assert again.pool == state.pool
    assert again.asset_prices == state.asset_prices
    assert broken(again) == []


def test_a_state_that_came_back_goes_on_alike() -> None:
    state = busy_books()
    again = decode_state(encode_state(state))
    for number in range(3):
        happened = event("trade", f"n{number}", **{**TRADE, "buyer": "ben", "seller": "anna"})
        assert decide(again, happened) == decide(state, happened)
    assert encode_state(again) == encode_state(state)


def test_a_pool_without_terms_comes_back() -> None:
    state = State("main")
    assert encode_state(decode_state(encode_state(state))) == encode_state(state)


def test_another_format_is_told_apart() -> None:
    kept = {**json.loads(encode_state(busy_books())), "format": 0}
    with pytest.raises(UnknownFormat, match="format 0"):
        decode_state(json.dumps(kept).encode())


def test_every_difference_shows_in_the_bytes() -> None:
    state = busy_books()
    before = state_hash(state)
    apply(state, event("price", instrument="LIN", mark_price="100"))
    assert state_hash(state) != before
