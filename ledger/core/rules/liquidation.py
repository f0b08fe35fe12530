"""Liquidation: positions of an account under its maintenance margin go to `@liquidation`.

Positions are taken by maintenance margin, the largest first (ties by instrument id); equity,
maintenance and order are computed anew before each. Taking `q` contracts of position `j`:

    share   = down(equity * maintenance_j(q) / maintenance of the account)
              all equity for all of the account's last position, or where nothing is required
    share   = max(share, -|q * V(mark)|)
    penalty = min(share, up(penalty_rate * |q * V(mark)|))
    value   = down(q * V(mark)) - penalty          what @liquidation gives for it, signed

A `partial` pool takes of one position after the other the smallest quantity that restores
`equity >= maintenance * (1 + buffer)`; an account that falls under again in the same event is taken
whole, so that an event ends. Then collateral is seized for a negative settlement balance
of an account without positions or equity, and one without positions and still below zero is made
whole by the insurance fund. Positions whose mark is stale are passed over.

Source: docs/spec/liquidation.md.
"""

from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from ledger.core.accounts import (
    HOUSE,
    ISOLATED,
    LIQUIDATION,
    SUSPENSE,
    WALLET,
)
from ledger.core.defaults.fund import Cause, insurance, receive
from ledger.core.defaults.inventory import taken_over
from ledger.core.instruments import Terms
from ledger.core.margin.collateral import collateral_fraction
from ledger.core.margin.disclosure import shortest, statement_body
from ledger.core.margin.statements import (
    Collateral,
    MarginAccount,
    Position,
    Statement,
    followed,
    position_in,
    statement,
)
from ledger.core.margin.tiers import maintenance, tier_of
from ledger.core.outcome import Purpose
from ledger.core.positions import Change, change_position
from ledger.core.state import State
from ledger.core.units import ASSET_PRICE_SCALE, Fixed, down, up

RATIO_SHIFT = 64
"""Binary places of a ratio by which accounts are ordered first."""


class Turn(NamedTuple):
    """An account's place in a round: `number` and `rank` count from 1."""

    number: int
    rank: int


class Takeover(NamedTuple):
    """What taking over a quantity would do, see the module."""

    quantity: int
    value_at_mark: int
    maintenance: int
    is_last: bool
    share: int
    penalty: int
    value: int


def is_due(found: Statement) -> bool:
    """The account is under maintenance, and something can be done."""
    if found.equity >= found.maintenance:
        return False
    if not found.positions:
        return True
    return any(not held.stale for held in found.positions) or bool(_seizable(found))


def order_of(found: Statement) -> tuple[bool, int, Fraction, str, bool, str]:
    """Worst first: nothing required and equity negative, then equity / maintenance ascending.

    The ratio stands there rounded down before it stands there exactly: whole numbers are compared
    ten times as fast, and seldom are equal.
    """
    required = found.maintenance
    return (
        required > 0,
        (found.equity << RATIO_SHIFT) // required if required else 0,
        Fraction(found.equity, required) if required else Fraction(0),
        found.account,
        found.margin_instrument is not None,
        found.margin_instrument or "",
    )


def liquidate(state: State, found: Statement, turn: Turn) -> None:
    """Liquidate an account as it was found: under its maintenance margin."""
    journal, pool = state.journal, state.terms
    liquidation_id = state.next_id("L")
    is_partial = pool.liquidation == "partial" and found.key not in state.liquidated
    state.liquidated.add(found.key)
    begun: dict[str, object] = {
        "account": found.account,
        "margin_instrument": found.margin_instrument,
        "rules": state.rules,
        "mode": "partial" if is_partial else "full",
        "round": turn.number,
        "rank": turn.rank,
        "penalty_rate": pool.penalty_rate,
        "partial_buffer": pool.partial_buffer,
        "statement": statement_body(state, found),
    }
    journal.record("liquidation", liquidation_id, begun)
    found, last_instrument = _take_all(state, liquidation_id, found, is_partial=is_partial)
    if _seize(state, liquidation_id, found):
        found = statement(state, *found.key)
    if not found.positions and found.equity < 0:
        _make_whole(state, liquidation_id, found.key, -found.equity, last_instrument)
        found = statement(state, *found.key)
    ended: dict[str, object] = {
        "account": found.account,
        "margin_instrument": found.margin_instrument,
        "equity": Fixed(found.equity, state.settlement.scale),
        "maintenance_margin": Fixed(found.maintenance, state.settlement.scale),
    }
    journal.record("liquidation_end", liquidation_id, ended)


def _take_all(
    state: State, liquidation_id: str, found: Statement, *, is_partial: bool
) -> tuple[Statement, str | None]:
    """Take position after position; returns what is left, and the instrument taken last.

    A takeover changes one position, so the order is kept in a heap instead of being looked for.
    """
    order = [(-held.maintenance, held.instrument) for held in found.positions if not held.stale]
    heapify(order)
    instrument = None
    while order and not (is_partial and _is_restored(state, found, 0, 0)):
        _, instrument = heappop(order)
        held = position_in(found, instrument)
        quantity = _partial(state, found, held) if is_partial else held.quantity
        _take(state, liquidation_id, found, held, takeover(state, found, held, quantity))
        found = followed(state, found, instrument)
        if quantity != held.quantity:
            heappush(order, (-position_in(found, instrument).maintenance, instrument))
    return found, instrument


def takeover(state: State, found: Statement, held: Position, quantity: int) -> Takeover:
    """The figures of taking over `quantity` (signed) of a position; nothing is posted."""
    assert held.mark is not None, "a position without a mark is stale"
    signed, denominator = held.terms.value_fraction(quantity, held.mark)
    notional = abs(signed)
    required = maintenance(tier_of(held.terms.tiers, notional, denominator), notional, denominator)
    is_last = len(found.positions) == 1 and quantity == held.quantity
    if is_last or not found.maintenance:
        share = found.equity
    else:
        share = down(found.equity * required, found.maintenance)
    share = max(share, -down(notional, denominator))
    rate = state.terms.penalty_rate
    penalty = min(share, up(notional * rate.coefficient, denominator * 10**rate.scale))
    at_mark = down(signed, denominator)
    return Takeover(quantity, at_mark, required, is_last, share, penalty, at_mark - penalty)


def _partial(state: State, found: Statement, held: Position) -> int:
    """The smallest quantity that restores the account; all of it where none does."""
    sign = 1 if held.quantity > 0 else -1
    low, high = 1, abs(held.quantity)
    if not _restores(state, found, held, held.quantity):
        return held.quantity
    while low < high:
        middle = (low + high) // 2
        if _restores(state, found, held, sign * middle):
            high = middle
        else:
            low = middle + 1
    return sign * low


def _restores(state: State, found: Statement, held: Position, quantity: int) -> bool:
    taken = takeover(state, found, held, quantity)
    assert held.mark is not None, "a position without a mark is stale"
    signed, denominator = held.terms.value_fraction(held.quantity - quantity, held.mark)
    notional = abs(signed)
    left = maintenance(tier_of(held.terms.tiers, notional, denominator), notional, denominator)
    equity_change = taken.value + down(signed, denominator) - held.value
    return _is_restored(state, found, equity_change, left - held.maintenance)


def _is_restored(
    state: State, found: Statement, equity_change: int, maintenance_change: int
) -> bool:
    """With these changes, equity is at least maintenance * (1 + buffer)."""
    buffer = state.terms.partial_buffer
    one: int = 10**buffer.scale
    needed = (found.maintenance + maintenance_change) * (one + buffer.coefficient)
    return (found.equity + equity_change) * one >= needed


def _take(
    state: State, liquidation_id: str, found: Statement, held: Position, taken: Takeover
) -> None:
    terms, quantity = held.terms, taken.quantity
    cause = Cause("netting", liquidation_id, terms.instrument)
    given = Change(-quantity, taken.value, None, Purpose.TAKEOVER, cause)
    realized = change_position(state, terms, found.account, given)
    received = Change(quantity, -taken.value, None, Purpose.TAKEOVER, cause)
    change_position(state, terms, LIQUIDATION, received)
    now, cost = taken_over(state, terms.instrument, liquidation_id, quantity)
    state.put(state.defaulted, (found.account, terms.instrument), state.sequence)
    body = _takeover_body(state, found, held, taken)
    body["realized_pnl"] = Fixed(realized, state.settlement.scale)
    body["inventory_quantity"] = Fixed(now, terms.quantity_scale)
    body["inventory_cost"] = Fixed(cost, state.settlement.scale)
    state.journal.record("takeover", liquidation_id, body)


def _takeover_body(
    state: State, found: Statement, held: Position, taken: Takeover
) -> dict[str, object]:
    terms, scale = held.terms, state.settlement.scale
    assert held.mark is not None, "a position without a mark is stale"
    exact = Fraction(*terms.value_fraction(taken.quantity, held.mark))
    return {
        "account": found.account,
        "margin_instrument": found.margin_instrument,
        "instrument": terms.instrument,
        "type": "inverse" if terms.is_inverse else "linear",
        "multiplier": terms.multiplier,
        "position": Fixed(held.quantity, terms.quantity_scale),
        "quantity": Fixed(taken.quantity, terms.quantity_scale),
        "mark_price": Fixed(held.mark, terms.price_scale),
        "value_at_mark": Fixed(taken.value_at_mark, scale),
        "quantity_maintenance": Fixed(taken.maintenance, scale),
        "last": taken.is_last,
        "equity": Fixed(found.equity, scale),
        "maintenance_margin": Fixed(found.maintenance, scale),
        "share": Fixed(taken.share, scale),
        "penalty": Fixed(taken.penalty, scale),
        "takeover_value": Fixed(taken.value, scale),
        "takeover_price": _price(terms, taken.quantity, Fraction(taken.value)),
        "bankruptcy_price": _price(terms, taken.quantity, exact - taken.share),
    }


def _price(terms: Terms, quantity: int, value: Fraction) -> Fixed | None:
    price = terms.implied_price(quantity, value)
    return None if price is None else Fixed(price, terms.price_scale)


def _seizable(found: Statement) -> list[Collateral]:
    """Collateral that may be seized from the account now; empty where nothing calls for it."""
    if found.balance >= 0 or (found.positions and found.equity > 0):
        return []
    return [held for held in found.assets if held.balance > 0 and held.value > 0]


def _seize(state: State, liquidation_id: str, found: Statement) -> bool:
    """Take other assets for a negative settlement balance, by asset id; whether any was taken."""
    journal, settlement = state.journal, state.settlement
    balance, seizable = found.balance, _seizable(found)
    for held in seizable:
        if balance >= 0:
            break
        asset, price = held.asset, held.price
        assert price is not None, "what counts something has a price"
        one, scale = collateral_fraction(1, price, asset.haircut, asset.scale, settlement.scale)
        quantity = min(held.balance, up(-balance * scale, one))
        value = down(quantity * one, scale)
        for owner, kind, what, amount in (
            (found.account, WALLET, asset, -quantity),
            (HOUSE, SUSPENSE, asset, quantity),
            (HOUSE, SUSPENSE, settlement, -value),
            (found.account, WALLET, settlement, value),
        ):
            account = journal.account(owner, kind, None, what.asset, what.scale)
            journal.post(account, amount, Purpose.SEIZURE)
        body: dict[str, object] = {
            "account": found.account,
            "asset": asset.asset,
            "quantity": Fixed(quantity, asset.scale),
            "price": shortest(price, ASSET_PRICE_SCALE),
            "haircut": asset.haircut,
            "value": Fixed(value, settlement.scale),
            "balance_before": Fixed(balance, settlement.scale),
            "balance_after": Fixed(balance + value, settlement.scale),
        }
        journal.record("seizure", liquidation_id, body)
        balance += value
    return bool(seizable)


def _make_whole(
    state: State, liquidation_id: str, key: MarginAccount, amount: int, instrument: str | None
) -> None:
    journal, asset = state.journal, state.settlement
    owner, margin_instrument = key
    kind = WALLET if margin_instrument is None else ISOLATED
    cash = journal.account(owner, kind, margin_instrument, asset.asset, asset.scale)
    before = insurance(state)
    cause = Cause("made_whole", liquidation_id, instrument, owner)
    receive(state, -amount, Purpose.MADE_WHOLE, cause)
    journal.post(cash, amount, Purpose.MADE_WHOLE)
    drawn = before - insurance(state)
    body: dict[str, object] = {
        "account": owner,
        "margin_instrument": margin_instrument,
        "amount": Fixed(amount, asset.scale),
        "from_insurance": Fixed(drawn, asset.scale),
        "from_deficit": Fixed(amount - drawn, asset.scale),
    }
    journal.record("made_whole", liquidation_id, body)
