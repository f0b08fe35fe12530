"""The journal: running balances, entries that balance, and entries taken back."""

from copy import deepcopy

import pytest

from ledger.codec.states import encode_state
from ledger.core.accounts import AccountKey
from ledger.core.journal import Journal, OutOfRange
from ledger.core.machine import decide
from ledger.core.outcome import Commodity, OpenedAccount, Posting, Purpose, Rejection
from ledger.core.units import BALANCE_BOUND
from tests.unit.core.building import TRADE, apply, busy_books, event, listed_books


def wallets(journal: Journal) -> tuple[int, int]:
    anna = journal.account("anna", "wallet", None, "USD", 2)
    return anna, journal.account("@house", "custody", None, "USD", 2)


def test_accounts_and_commodities_are_numbered_in_order_of_first_posting() -> None:
    journal = Journal()
    anna, custody = wallets(journal)
    journal.post(anna, 500, Purpose.TRANSFER)
    journal.post(custody, -500, Purpose.TRANSFER)
    outcome = journal.close()
    assert outcome.postings == [
        Posting(1, 1, 1, Purpose.TRANSFER, 500, 500),
        Posting(2, 1, 1, Purpose.TRANSFER, -500, -500),
    ]
    assert outcome.opened == [
        OpenedAccount(1, "anna", "wallet", None, "USD"),
        OpenedAccount(2, "@house", "custody", None, "USD"),
    ]
    assert outcome.commodities == [Commodity(1, "USD", None, 2)]
    assert journal.close() == ([], [], [], [])


def test_a_posting_of_zero_is_none() -> None:
    journal = Journal()
    anna, _ = wallets(journal)
    journal.post(anna, 0, Purpose.TRANSFER)
    assert journal.close().postings == []
    assert journal.sequences[anna] == 0


def test_an_entry_that_does_not_balance_breaks_off() -> None:
    journal = Journal()
    anna, _ = wallets(journal)
    journal.post(anna, 1, Purpose.TRANSFER)
    with pytest.raises(AssertionError, match="sum to zero"):
        journal.close()


def test_an_entry_balances_in_each_commodity() -> None:
    journal = Journal()
    anna, _ = wallets(journal)
    ether = journal.account("anna", "wallet", None, "ETH", 18)
    journal.post(anna, 1, Purpose.TRANSFER)
    journal.post(ether, -1, Purpose.TRANSFER)
    with pytest.raises(AssertionError, match="sum to zero"):
        journal.close()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_balance_stays_under_the_bound(sign: int) -> None:
    journal = Journal()
    anna, _ = wallets(journal)
    journal.post(anna, sign * (BALANCE_BOUND - 1), Purpose.TRANSFER)
    with pytest.raises(OutOfRange) as caught:
        journal.post(anna, sign, Purpose.TRANSFER)
    assert caught.value.key == AccountKey("anna", "wallet", None, "USD")
    assert caught.value.balance == sign * BALANCE_BOUND
    assert journal.balances[anna] == sign * (BALANCE_BOUND - 1)


def test_an_entry_taken_back_leaves_nothing() -> None:
    state = busy_books()
    journal = state.journal
    before, holders = encode_state(state), deepcopy(journal.holders)
    anna, custody = wallets(journal)
    position = journal.account("anna", "position", "LIN", None, 0)
    newcomer = journal.account("ben", "wallet", None, "XRP", 6)
    for account, amount in ((anna, 5), (custody, -5), (anna, 7), (position, -10), (newcomer, 1)):
        journal.post(account, amount, Purpose.TRANSFER)
    journal.record("mark", "LIN", {})
    assert journal.holders != holders
    journal.unwind()
    assert encode_state(state) == before
    assert journal.holders == holders
    assert journal.balance("ben", "wallet", None, "XRP") == 0
    assert journal.close() == ([], [], [], [])
    again = journal.account("ben", "wallet", None, "XRP", 6)
    assert again == newcomer


def test_a_trade_out_of_range_takes_back_the_accounts_that_it_opened() -> None:
    state = listed_books()
    before = encode_state(state)
    trade = event("trade", **{**TRADE, "price": "9" * 25, "quantity": "9" * 20})
    outcome = decide(state, trade)
    assert isinstance(outcome, Rejection)
    assert outcome.code == "out_of_range"
    assert encode_state(state) == before
    assert state.journal.holders.get("LIN", {}) == {}
    assert [opened.account for opened in apply(state, event("trade", **TRADE)).opened] == [
        *range(1, 5)
    ]


def test_each_posting_says_what_it_was_made_for() -> None:
    state = listed_books()
    apply(state, event("trade", **TRADE))
    back = {**TRADE, "buyer": "ben", "seller": "anna", "price": "101", "buyer_fee": "1"}
    found = apply(state, event("trade", **back))
    assert [posting[3] for posting in found.postings] == [
        *(Purpose.TRADE, Purpose.TRADE, Purpose.REALIZED, Purpose.REALIZED) * 2,
        *(Purpose.FEE, Purpose.FEE),
    ]
    apply(state, event("trade", **TRADE))
    uneven = event("funding_rate", instrument="LIN", rate="0.00001", mark_price="77")
    assert [posting[3] for posting in apply(state, uneven).postings] == [
        Purpose.FUNDING,
        Purpose.ROUNDING,
    ]
    settled = apply(state, event("settlement", instrument="LIN", price="99"))
    assert {posting[3] for posting in settled.postings} == {Purpose.SETTLEMENT}
    ended = apply(state, event("expiry", instrument="LIN", price="98"))
    assert [posting[3] for posting in ended.postings] == [
        *(Purpose.EXPIRY, Purpose.EXPIRY, Purpose.REALIZED, Purpose.REALIZED) * 2
    ]


def test_pool_time_is_the_largest_of_the_accepted_events() -> None:
    state = listed_books()
    apply(state, event("price", second=9, instrument="LIN", mark_price="100"))
    latest = state.pool_time
    apply(state, event("price", second=3, instrument="LIN", mark_price="101"))
    assert state.pool_time == latest
    decide(state, event("price", second=50, instrument="NIL", mark_price="101"))
    assert state.pool_time == latest
    apply(state, event("price", second=10, instrument="LIN", mark_price="101"))
    assert state.pool_time == (latest or 0) + 1_000_000
