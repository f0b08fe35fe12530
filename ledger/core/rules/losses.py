"""Uncovered losses: shared at once among those who gained, where the pool says so.

A deficit `D` opened by an instrument's price is shared among the positions of participants in it
with a gain, pro rata, by largest remainder (ties by account id), none beyond its own. The gain is
`variation + down(q * V(mark))` less what the position has borne before, since it was last flat:

    share    cash of the position -s        deficit +s

What is left stays open, visibly, until a gain, an insurance deposit or an adjustment covers it.

Source: docs/spec/close-out-and-fund.md.
"""

from ledger.core.defaults.fund import Cause, cover
from ledger.core.defaults.ranking import largest_remainder
from ledger.core.margin.guard import is_stale
from ledger.core.margin.statements import margin_account, position
from ledger.core.outcome import Purpose
from ledger.core.positions import cash_account
from ledger.core.state import State
from ledger.core.units import Fixed


def share_out(state: State) -> None:
    """Share the deficits opened since this was last asked, as far as there are gains."""
    opened, state.uncovered = state.uncovered, []
    if state.terms.loss_policy != "socialize":
        return
    for number, instrument in opened:
        if number in state.deficits and instrument is not None:
            _share(state, number, instrument)


def _share(state: State, number: int, instrument: str) -> None:
    if is_stale(state, state.instruments[instrument]):
        return
    gains: list[tuple[str, int]] = []
    for owner in sorted(state.journal.holders.get(instrument, {})):
        if owner[0] != "@":
            held = position(state, owner, instrument)
            gain = held.cost + held.value - state.borne.get((owner, instrument), 0)
            if gain > 0:
                gains.append((owner, gain))
    total = sum(gain for _, gain in gains)
    if not total:
        return
    known = state.deficits[number]
    loss = known.left
    shared = min(loss, total)
    shares = largest_remainder([shared * gain for _, gain in gains], total, shared)
    journal, scale = state.journal, state.settlement.scale
    for (owner, gain), share in zip(gains, shares, strict=True):
        if not share:
            continue
        journal.post(cash_account(state, owner, instrument), -share, Purpose.SOCIALIZED)
        borne = state.borne.get((owner, instrument), 0)
        state.put(state.borne, (owner, instrument), borne + share)
        body: dict[str, object] = {
            "account": owner,
            "margin_instrument": margin_account(state, owner, instrument)[1],
            "instrument": instrument,
            "deficit": Fixed(loss, scale),
            "gains": Fixed(total, scale),
            "unrealized_pnl": Fixed(gain + borne, scale),
            "borne": Fixed(borne, scale),
            "share": Fixed(share, scale),
        }
        journal.record("socialized_loss", f"F-{number}", body)
    cause = Cause("socialized", known.liquidation_id, instrument)
    cover(state, number, shared, Purpose.SOCIALIZED, cause)
