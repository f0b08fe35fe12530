"""The inventory of `@liquidation`: what was taken over, and what became of it.

Contracts and cost are ordinary accounts; the register beside them tells which liquidation last
added to an instrument's inventory, and how much was closed in the market since it was last flat.

    projected = insurance + sum(variation + down(q * V(mark)))      over the inventories

Source: docs/spec/close-out-and-fund.md.
"""

from ledger.core.accounts import LIQUIDATION, POSITION, VARIATION
from ledger.core.defaults.fund import insurance
from ledger.core.registers import Inventory
from ledger.core.state import State
from ledger.core.units import Fixed, down

_NOBODYS = Inventory("-", 0, 0, None)
"""Of an inventory that no liquidation led to."""


def inventory_of(state: State, instrument: str) -> tuple[int, int]:
    """Quantity and cost of what `@liquidation` holds of an instrument."""
    journal, asset = state.journal, state.settlement.asset
    return (
        journal.balance(LIQUIDATION, POSITION, instrument, None),
        journal.balance(LIQUIDATION, VARIATION, instrument, asset),
    )


def register(state: State, instrument: str) -> Inventory:
    """What is kept beside the inventory; of one that no liquidation led to, `-` is the id."""
    return state.inventories.get(instrument, _NOBODYS)


def inventory_liquidation(state: State, instrument: str) -> str | None:
    """The liquidation that last added to an inventory; None where none did."""
    known = state.inventories.get(instrument)
    return None if known is None or known.liquidation_id == "-" else known.liquidation_id


def result_at_mark(state: State, instrument: str) -> int:
    """What closing the inventory at the mark would bring: a loss is negative."""
    quantity, cost = inventory_of(state, instrument)
    mark = state.marks.get(instrument)
    if not quantity or mark is None:
        return 0
    return cost + down(*state.instruments[instrument].value_fraction(quantity, mark.price))


def projected(state: State) -> int:
    """The insurance fund, had all inventory been closed at the marks."""
    held = state.journal.positions_of.get(LIQUIDATION, {})
    return insurance(state) + sum(result_at_mark(state, instrument) for instrument in held)


def offered_in_vain(state: State, instrument: str) -> bool:
    """At this quantity, cost and mark nobody took it."""
    return register(state, instrument).untaken == _offer(state, instrument)


def note_untaken(state: State, instrument: str) -> bool:
    """Keep that nobody took what is left now; whether that is news, but for the mark."""
    known, offer = register(state, instrument), _offer(state, instrument)
    state.put(state.inventories, instrument, known._replace(untaken=offer))
    return known.untaken is None or known.untaken[:2] != offer[:2]


def _offer(state: State, instrument: str) -> tuple[int, int, int]:
    return *inventory_of(state, instrument), state.marks[instrument].price


def taken_over(
    state: State, instrument: str, liquidation_id: str, quantity: int
) -> tuple[int, int]:
    """Follow a takeover of `quantity` contracts (signed); returns quantity and cost now held.

    One that nets a part of an opposite inventory adds nothing; one that goes through zero begins
    anew with what is left of it.
    """
    known = register(state, instrument)
    now, _ = inventory_of(state, instrument)
    before = now - quantity
    if before * quantity >= 0:
        total = known.taken_over + abs(quantity)
        known = known._replace(liquidation_id=liquidation_id, taken_over=total)
    elif now * quantity > 0:
        known = Inventory(liquidation_id, abs(now), 0, None)
    return _keep(state, instrument, known)


def closed_out(state: State, instrument: str, change: int) -> tuple[int, int]:
    """Follow a market trade of `change` contracts (signed); returns what is held now."""
    return _turned(state, instrument, change, is_close_out=True)


def adjusted(state: State, instrument: str, change: int) -> tuple[int, int]:
    """Follow contracts (signed) that an adjustment has moved by hand."""
    return _turned(state, instrument, change, is_close_out=False)


def _turned(state: State, instrument: str, change: int, *, is_close_out: bool) -> tuple[int, int]:
    """Follow a change that no liquidation led to: beyond flat, what is held is nobody's."""
    known = register(state, instrument)
    now, _ = inventory_of(state, instrument)
    before = now - change
    if before * now < 0:
        known = _NOBODYS
    elif is_close_out and before * change < 0:
        known = known._replace(closed_out=known.closed_out + abs(change))
    return _keep(state, instrument, known)


def ended_unclosed(state: State, instrument: str, quantity: int, cost: int, ended_by: str) -> None:
    """Record that market trades never closed this much of an inventory, and follow its end."""
    known = register(state, instrument)
    terms, scale = state.instruments[instrument], state.settlement.scale
    body: dict[str, object] = {
        "instrument": instrument,
        "quantity": Fixed(quantity, terms.quantity_scale),
        "cost": Fixed(cost, scale),
        "taken_over": Fixed(known.taken_over, terms.quantity_scale),
        "closed_out": Fixed(known.closed_out, terms.quantity_scale),
        "ended_by": ended_by,
    }
    state.journal.record("unclosed", known.liquidation_id, body)
    _keep(state, instrument, known)


def _keep(state: State, instrument: str, inventory: Inventory) -> tuple[int, int]:
    quantity, cost = inventory_of(state, instrument)
    if quantity:
        state.put(state.inventories, instrument, inventory)
    else:
        state.drop(state.inventories, instrument)
    return quantity, cost
