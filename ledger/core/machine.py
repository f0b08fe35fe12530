"""The machine: one event in, its outcome or a rejection out, the state moved or exactly as before.

Rules of this file:

* `decide` is a function of the state and its arguments alone: same events, same bytes out.
* A rule asks first and posts then; `OutOfRange` later on takes the whole event back.
* What follows from an event (`ledger.core.waterfall`) happens inside it, afterwards.
* The `match` names every kind of fact without a default, so a forgotten one does not type-check.

Cost: a trade of nine postings is decided in about 20 us, compiled in 7. What grows with the number
of positions: funding, settlement and expiry, which visit the holders; reference data that changes
margins; deleveraging and shared losses, which look at all who could bear them.
"""

from typing import Final

from ledger.core import events, waterfall
from ledger.core.accounts import LIQUIDATION
from ledger.core.checks import rejected
from ledger.core.journal import OutOfRange
from ledger.core.marks import stand_in
from ledger.core.outcome import Outcome, Rejection
from ledger.core.rejections import Code
from ledger.core.rules import (
    adjustments,
    calls,
    custody,
    funding,
    isolated,
    listing,
    openings,
    prices,
    settlement,
    trades,
)
from ledger.core.state import State

RULES_VERSION: Final = 2
"""Newest version of the rules; the version is stored with every event that they decide.

Old versions stay runnable, so that a history re-derives under the rules of its time:

1   funding payments rounded half-even, so `rounding` could lose by them
2   funding payments rounded against the participant: payers up, receivers down
"""

RULES_VERSIONS: Final = range(1, RULES_VERSION + 1)

_OPENINGS: Final = frozenset({events.OpeningBalance, events.OpeningPosition})
"""Facts that nobody is examined after, until another one comes."""


def decide(
    state: State,
    event: events.Event,
    original: events.Event | None = None,
    sequence: int = 0,
    rules: int = RULES_VERSION,
) -> Outcome | Rejection:
    """Apply an event.

    Args:
        state: Moved by an accepted event, untouched by a refused one.
        event: Of this pool; its `event_id` is not taken by another accepted event.
        original: For a `trade_bust` the event that it names, from the log, with its sequence.
        sequence: The number that the event has, or would have, in the log.
        rules: Version of the rules that decide it, one of `RULES_VERSIONS`.

    Returns:
        The outcome, or why it was refused.
    """
    fact = event.fact
    if state.pool is None and not isinstance(fact, events.Pool):
        return rejected(Code.UNKNOWN_POOL, f"pool {event.pool} has no `pool` event yet")
    assert 1 <= rules <= RULES_VERSION, f"rules version {rules} is not known here"
    state.begin(event.occurred_at, sequence, rules)
    try:
        refusal = _apply(state, event, original)
        if refusal is None:
            if type(fact) in _OPENINGS:
                state.watch.posted(state, state.journal.unseen())
            else:
                waterfall.run(state)
    except OutOfRange as fault:
        state.unwind()
        return rejected(
            Code.OUT_OF_RANGE,
            f"balance of {fault.key.owner} {fault.key.kind} would be {fault.balance}; "
            "every balance stays under 10^36 smallest units",
        )
    if refusal is not None:
        state.unwind()
        return refusal
    return state.close()


def _apply(state: State, event: events.Event, original: events.Event | None) -> Rejection | None:
    match event.fact:
        case events.Trade() as fact:
            return _trade(state, fact)
        case events.Price() as fact:
            return prices.price(state, fact)
        case events.FundingRate() as fact:
            return funding.funding_rate(state, fact)
        case events.Deposit() as fact:
            return custody.deposit(state, fact)
        case events.Withdrawal() as fact:
            return custody.withdrawal(state, fact)
        case events.WithdrawalRequest() as fact:
            return custody.withdrawal_request(state, fact)
        case events.WithdrawalSettled() as fact:
            return custody.withdrawal_settled(state, fact)
        case events.WithdrawalCancelled() as fact:
            return custody.withdrawal_cancelled(state, fact)
        case events.InternalTransfer() as fact:
            return custody.internal_transfer(state, fact)
        case events.InsuranceDeposit() as fact:
            return custody.insurance_deposit(state, fact)
        case events.OpeningBalance() as fact:
            return openings.opening_balance(state, fact)
        case events.OpeningPosition() as fact:
            return openings.opening_position(state, fact)
        case events.TradeBust() as fact:
            return trades.trade_bust(state, fact, event.event_id, original)
        case events.Settlement() | events.Expiry() as fact:
            return _settle(state, fact)
        case events.Adjustment() as fact:
            return adjustments.adjustment(state, fact)
        case events.AssetPrice() as fact:
            return prices.asset_price(state, fact)
        case events.Account() as fact:
            listing.account(state, fact)
            return None
        case events.Instrument() as fact:
            return listing.instrument(state, fact)
        case events.RiskTiers() as fact:
            return listing.risk_tiers(state, fact)
        case events.Asset() as fact:
            return listing.asset(state, fact)
        case events.Pool() as fact:
            return listing.pool(state, fact)
        case events.PositionMode() as fact:
            return isolated.position_mode(state, fact)
        case events.IsolatedTransfer() as fact:
            return isolated.isolated_transfer(state, fact)
        case events.PriceAccept() as fact:
            return prices.price_accept(state, fact)


def _settle(state: State, fact: events.Settlement | events.Expiry) -> Rejection | None:
    is_expiry = isinstance(fact, events.Expiry)
    refusal = settlement.set_price(state, fact, "expiry" if is_expiry else "settlement")
    if refusal is None:
        waterfall.rounds(state)
        (settlement.expire if is_expiry else settlement.settle)(state, fact.instrument)
    return refusal


def _trade(state: State, fact: events.Trade) -> Rejection | None:
    refusal = trades.trade(state, fact)
    if refusal is not None:
        return refusal
    stand_in(state, fact.instrument, fact.price, "trade")
    state.watch.posted(state, state.journal.unseen())
    if fact.buyer != LIQUIDATION:
        calls.breach(state, fact.buyer, fact.instrument, bought=True)
    if fact.seller != LIQUIDATION:
        calls.breach(state, fact.seller, fact.instrument, bought=False)
    return None
