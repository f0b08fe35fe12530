"""May money leave a margin account: the question of withdrawals and transfers."""

from ledger.core.checks import rejected
from ledger.core.margin.statements import collateral_of, statement
from ledger.core.outcome import Rejection
from ledger.core.rejections import Code
from ledger.core.state import State


def beyond_margin(
    state: State, account: str, margin_instrument: str | None, asset: str, amount: int
) -> Rejection | None:
    """`insufficient_margin` where equity would be under the initial margin, or None.

    Args:
        state: The pool; one that does not liquidate never refuses here.
        account, margin_instrument: The margin account that the money would leave.
        asset: Of the money.
        amount: Positive, not above the balance.
    """
    if state.terms.liquidation == "off":
        return None
    found = statement(state, account, margin_instrument)
    loss = amount
    if asset != state.settlement.asset:
        held = next(one for one in found.assets if one.asset.asset == asset)
        loss = held.value - collateral_of(state, asset, held.balance - amount).value
    if found.equity - loss >= found.required:
        return None
    return rejected(
        Code.INSUFFICIENT_MARGIN,
        f"free collateral of {account} is {found.free_collateral} smallest units of "
        f"{state.settlement.asset}, the {amount} of {asset} asked for count {loss}",
    )
