"""Adjustments: postings by hand, by a maker and a checker who are two different people.

Lines balance per commodity, contracts included. Afterwards there must be no variation without a
position, no isolated margin without one, `insurance >= 0 >= deficit`, holds equal to the open
requests, and nothing in an expired instrument. All of it is asked of the balances as they would be,
before anything is posted.
"""

from collections.abc import Iterator

from ledger.core import events
from ledger.core.accounts import (
    DEFICIT,
    HOLD,
    INSURANCE,
    ISOLATED,
    KINDS_OF_INSTRUMENT,
    LIQUIDATION,
    POSITION,
    VARIATION,
    WALLET,
    AccountKey,
    kinds_of,
)
from ledger.core.checks import (
    asset_terms,
    first_of,
    in_units,
    live_instrument,
    rejected,
    unknown_account,
    unpriced_debt,
)
from ledger.core.defaults import inventory
from ledger.core.defaults.fund import adjusted
from ledger.core.margin.statements import CROSS
from ledger.core.outcome import Purpose, Rejection
from ledger.core.positions import forget_borne
from ledger.core.rejections import Code
from ledger.core.state import State


def adjustment(state: State, fact: events.Adjustment) -> Rejection | None:
    """Post the lines of an adjustment, in their order."""
    found = [_line(state, line, number) for number, line in enumerate(fact.lines, start=1)]
    lines = [line for line in found if not isinstance(line, Rejection)]
    refusals = [line for line in found if isinstance(line, Rejection)]
    if fact.made_by == fact.checked_by:
        detail = f"made_by and checked_by are both {fact.made_by}"
        refusals.append(rejected(Code.SAME_PERSON, detail))
    refusal = first_of(refusals) or _unbalanced(lines) or first_of(_unsound(state, lines))
    if refusal is not None:
        return refusal
    for key, scale, amount in lines:
        account = state.journal.account(*key, scale)
        state.journal.post(account, amount, Purpose.ADJUSTMENT)
    moved = {
        kind: sum(amount for key, _, amount in lines if key.kind == kind)
        for kind in (INSURANCE, DEFICIT)
    }
    adjusted(state, moved[INSURANCE], moved[DEFICIT])
    moved_contracts: dict[tuple[str, str], int] = {}
    for key, _, amount in lines:
        if key.kind == POSITION and key.instrument is not None:
            held = (key.owner, key.instrument)
            moved_contracts[held] = moved_contracts.get(held, 0) + amount
    for (owner, instrument), change in moved_contracts.items():
        if owner == LIQUIDATION:
            inventory.adjusted(state, instrument, change)
        else:
            forget_borne(state, owner, instrument, change)
    return None


def _line(
    state: State, line: events.AdjustmentLine, number: int
) -> tuple[AccountKey, int, int] | Rejection:
    scale = state.settlement.scale
    if line.asset is not None:
        asset = asset_terms(state, line.asset)
        if isinstance(asset, Rejection):
            return asset
        scale = asset.scale
    if line.instrument is not None:
        terms = live_instrument(state, line.instrument)
        if isinstance(terms, Rejection):
            return terms
        scale = terms.quantity_scale if line.asset is None else scale
    if not line.owner.startswith("@"):
        refusal = unknown_account(state, line.owner)
        if refusal is not None:
            return refusal
    misfit = _misfit(state, line)
    if misfit is not None:
        return rejected(Code.INVALID_LINE, f"line {number}: {misfit}")
    amount = in_units(line.amount, scale, f"amount of line {number}")
    if isinstance(amount, Rejection):
        return amount
    return AccountKey(line.owner, line.kind, line.instrument, line.asset), scale, amount


def _misfit(state: State, line: events.AdjustmentLine) -> str | None:
    """What keeps the line from naming an account of the chart, or None."""
    if line.kind not in kinds_of(line.owner):
        return f"{line.owner} has no account of kind {line.kind}"
    if (line.instrument is not None) != (line.kind in KINDS_OF_INSTRUMENT):
        return f"kind {line.kind} and instrument {line.instrument} do not go together"
    if (line.asset is None) != (line.kind == POSITION):
        return f"kind {line.kind} and asset {line.asset} do not go together"
    chosen = state.modes.get((line.owner, line.instrument or ""), CROSS)
    if line.kind == ISOLATED and chosen.mode != "isolated":
        return f"{line.owner} holds {line.instrument} in cross margin"
    if (
        line.kind in (ISOLATED, VARIATION, INSURANCE, DEFICIT)
        and line.asset != state.settlement.asset
    ):
        return f"{line.kind} holds {state.settlement.asset} only"
    return None


def _unbalanced(lines: list[tuple[AccountKey, int, int]]) -> Rejection | None:
    sums: dict[str, int] = {}
    for key, _, amount in lines:
        commodity = f"contracts of {key.instrument}" if key.asset is None else key.asset
        sums[commodity] = sums.get(commodity, 0) + amount
    for commodity, total in sums.items():
        if total:
            return rejected(
                Code.UNBALANCED, f"lines in {commodity} sum to {total} smallest units, not to zero"
            )
    return None


def _unsound(state: State, lines: list[tuple[AccountKey, int, int]]) -> Iterator[Rejection]:
    after: dict[AccountKey, int] = {}
    for key, _, amount in lines:
        after[key] = after.get(key, state.journal.balance(*key)) + amount
    for key, balance in after.items():
        if key.kind == HOLD and balance != state.journal.balance(*key):
            yield rejected(
                Code.HOLD_MISMATCH, f"hold of {key.owner} would differ from its open requests"
            )
        if key.kind == WALLET and key.asset is not None:
            change = balance - state.journal.balance(*key)
            debt = unpriced_debt(state, state.assets[key.asset], key.owner, change)
            if debt is not None:
                yield debt
        if key.kind in KINDS_OF_INSTRUMENT:
            yield from _left_without_position(state, key, after)
        if key.kind == INSURANCE and balance < 0:
            yield rejected(Code.INSURANCE_NEGATIVE, f"insurance would be {balance}")
        if key.kind == DEFICIT and balance > 0:
            yield rejected(Code.DEFICIT_POSITIVE, f"deficit would be {balance}")


_NEEDING_A_POSITION = (
    (VARIATION, Code.VARIATION_WITHOUT_POSITION, "variation"),
    (ISOLATED, Code.ISOLATED_WITHOUT_POSITION, "isolated margin"),
)


def _left_without_position(
    state: State, touched: AccountKey, after: dict[AccountKey, int]
) -> Iterator[Rejection]:
    """What would be left on the touched owner's instrument without a position in it."""
    owner, instrument = touched.owner, touched.instrument
    position = AccountKey(owner, POSITION, instrument, None)
    if after.get(position, state.journal.balance(*position)):
        return
    for kind, code, words in _NEEDING_A_POSITION:
        account = AccountKey(owner, kind, instrument, state.settlement.asset)
        left = after.get(account, state.journal.balance(*account))
        if left:
            yield rejected(
                code, f"{owner} would have {words} {left} in {instrument} without a position"
            )
