"""The insurance fund and the deficits: what pays for losses, and what nothing has paid for yet.

    gain    repays open deficits, oldest first; the rest goes to `insurance`
    loss    is drawn from `insurance`; the rest opens a deficit

`insurance` is never negative, `deficit` never positive. Each movement has a number (`F-7`) and is a
record with its cause; a deficit is known by the number of the movement that opened it. The other
leg of a movement is posted by whoever calls.

Source: docs/spec/close-out-and-fund.md.
"""

from typing import NamedTuple

from ledger.core.accounts import DEFICIT, HOUSE, INSURANCE
from ledger.core.outcome import Purpose
from ledger.core.registers import Deficit
from ledger.core.state import State
from ledger.core.units import Fixed


class Cause(NamedTuple):
    """Why the fund moves.

    Attributes:
        name: `close_out`, `fee`, `funding`, `settlement`, `expiry`, `netting`, `made_whole`,
            `socialized`, `insurance_deposit` or `adjustment`.
        liquidation_id: The liquidation that it goes back to, or None.
        instrument: Whose price led to it, or None.
        account: Who is made whole, or None.
    """

    name: str
    liquidation_id: str | None = None
    instrument: str | None = None
    account: str | None = None


def insurance(state: State) -> int:
    """Balance of the insurance fund, smallest units, never negative."""
    return state.journal.balance(HOUSE, INSURANCE, None, state.settlement.asset)


def deficit(state: State) -> int:
    """Balance of the losses not covered, smallest units, never positive."""
    return state.journal.balance(HOUSE, DEFICIT, None, state.settlement.asset)


def fund_floor(state: State) -> int:
    """What the fund, had all inventory been closed, is to stay at or above, smallest units."""
    floor = state.terms.insurance_floor
    one: int = 10 ** (state.settlement.scale - floor.scale)
    return floor.coefficient * one


def receive(state: State, amount: int, purpose: Purpose, cause: Cause) -> None:
    """Post a gain (positive) or a loss (negative) to the fund, and record it. Zero does nothing."""
    if not amount:
        return
    if amount > 0:
        repaid = min(amount, -deficit(state))
        _post(state, purpose, insured=amount - repaid, owed=repaid, cause=cause)
    else:
        drawn = min(-amount, insurance(state))
        _post(state, purpose, insured=-drawn, owed=amount + drawn, cause=cause)


def cover(state: State, number: int, amount: int, purpose: Purpose, cause: Cause) -> None:
    """Repay a part of one certain deficit."""
    _post(state, purpose, insured=0, owed=amount, cause=cause, number=number)


def adjusted(state: State, insured: int, owed: int) -> None:
    """Follow postings that an adjustment has made to `insurance` and `deficit` by hand."""
    if not insured and not owed:
        return
    _record(state, insured, owed, Cause("adjustment"), None)


def _post(
    state: State,
    purpose: Purpose,
    *,
    insured: int,
    owed: int,
    cause: Cause,
    number: int | None = None,
) -> None:
    journal, asset = state.journal, state.settlement
    for kind, amount in ((DEFICIT, owed), (INSURANCE, insured)):
        if amount:
            account = journal.account(HOUSE, kind, None, asset.asset, asset.scale)
            journal.post(account, amount, purpose)
    _record(state, insured, owed, cause, number)


def _record(state: State, insured: int, owed: int, cause: Cause, number: int | None) -> None:
    """Keep the movement; the postings have been made."""
    scale = state.settlement.scale
    movement = state.next_id("F")
    changed = _follow_deficits(state, owed, movement, cause, number)
    now_insured, now_owed = insurance(state), deficit(state)
    body: dict[str, object] = {
        "cause": cause.name,
        "liquidation_id": cause.liquidation_id,
        "instrument": cause.instrument,
        "account": cause.account,
        "amount": Fixed(insured + owed, scale),
        "insurance_before": Fixed(now_insured - insured, scale),
        "insurance_after": Fixed(now_insured, scale),
        "deficit_before": Fixed(now_owed - owed, scale),
        "deficit_after": Fixed(now_owed, scale),
        "deficits": [
            {
                "opened_by": f"F-{opened}",
                "liquidation_id": liquidation_id,
                "change": Fixed(-change, scale),
                "left": Fixed(-left, scale),
            }
            for opened, liquidation_id, change, left in changed
        ],
    }
    state.journal.record("fund", movement, body)


def _follow_deficits(
    state: State, owed: int, movement: str, cause: Cause, number: int | None
) -> list[tuple[int, str | None, int, int]]:
    """Open or repay deficits by `owed`: (number, liquidation, change of what is left, left)."""
    if owed < 0:
        opened = int(movement.removeprefix("F-"))
        state.put(state.deficits, opened, Deficit(cause.liquidation_id, -owed))
        state.uncovered.append((opened, cause.instrument))
        return [(opened, cause.liquidation_id, -owed, -owed)]
    changed = []
    for oldest in sorted(state.deficits) if number is None else [number]:
        if not owed:
            break
        known = state.deficits[oldest]
        repaid = min(owed, known.left)
        owed -= repaid
        left = known.left - repaid
        if left:
            state.put(state.deficits, oldest, known._replace(left=left))
        else:
            state.drop(state.deficits, oldest)
        changed.append((oldest, known.liquidation_id, -repaid, left))
    assert not owed, f"repaid {owed} more than the open deficits"
    return changed
