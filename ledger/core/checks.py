"""Questions that several rules ask before they post; each answer is a value or a rejection."""

from collections.abc import Iterable

from ledger.core.accounts import WALLET
from ledger.core.instruments import Terms
from ledger.core.margin.guard import accepted_price, is_within
from ledger.core.outcome import Rejection
from ledger.core.registers import AssetTerms
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.core.units import BALANCE_BOUND, POWERS_OF_TEN, RATE_SCALE, Fixed


def rejected(code: Code, detail: str) -> Rejection:
    """A refusal; `detail` says what was found and what was expected."""
    return Rejection(code.value, detail)


def first_of(found: Iterable[object]) -> Rejection | None:
    """The refusal that is given: first in order of precedence, then in the order found.

    What is no refusal among the `found` is passed over; None where there is none.
    """
    refusals = [one for one in found if isinstance(one, Rejection)]
    if not refusals:
        return None
    order = list(Code)
    return min(refusals, key=lambda refusal: order.index(Code(refusal.code)))


def asset_terms(state: State, asset: str) -> AssetTerms | Rejection:
    """The asset's terms, or `unknown_asset`."""
    terms = state.assets.get(asset)
    if terms is None:
        return rejected(Code.UNKNOWN_ASSET, f"asset {asset} has no `asset` event in {state.name}")
    return terms


def live_instrument(state: State, instrument: str) -> Terms | Rejection:
    """The terms of an instrument that still takes events, or why not."""
    terms = state.instruments.get(instrument)
    if terms is None:
        return rejected(
            Code.UNKNOWN_INSTRUMENT,
            f"instrument {instrument} has no `instrument` event in {state.name}",
        )
    if terms.is_expired:
        return rejected(
            Code.INSTRUMENT_EXPIRED, f"instrument {instrument} has expired and takes no more events"
        )
    return terms


def unknown_account(state: State, account: str) -> Rejection | None:
    """`unknown_account`, or None for a participant of the pool."""
    if account in state.participants:
        return None
    return rejected(
        Code.UNKNOWN_ACCOUNT, f"account {account} has no `account` event in {state.name}"
    )


def in_units(number: Fixed, scale: int, name: str) -> int | Rejection:
    """`number` in smallest units; else `too_many_decimals` or `out_of_range`, naming the field."""
    shift = scale - number.scale
    if shift < 0:
        return too_many_decimals(number, scale, name)
    amount = number.coefficient * POWERS_OF_TEN[shift]
    if not -BALANCE_BOUND < amount < BALANCE_BOUND:
        return rejected(
            Code.OUT_OF_RANGE, f"{name} is {amount} smallest units, under 10^36 allowed"
        )
    return amount


def too_many_decimals(number: Fixed, scale: int, name: str) -> Rejection:
    """The refusal of a number that is finer than its scale."""
    return rejected(
        Code.TOO_MANY_DECIMALS, f"{name} has {number.scale} decimals, its scale allows {scale}"
    )


def unpriced_debt(state: State, asset: AssetTerms, account: str, change: int) -> Rejection | None:
    """`no_asset_price` for a wallet that would owe an asset whose worth is not known."""
    if asset.asset == state.settlement.asset or asset.asset in state.asset_prices or change >= 0:
        return None
    balance = state.journal.balance(account, WALLET, None, asset.asset) + change
    if balance >= 0:
        return None
    return rejected(
        Code.NO_ASSET_PRICE,
        f"wallet of {account} would be {balance} smallest units of {asset.asset}, "
        "which has no price yet and may not go negative",
    )


def out_of_band(state: State, terms: Terms, price: int) -> Rejection | None:
    """`price_out_of_band` for a price further from the last accepted mark than the band allows."""
    accepted = accepted_price(state, terms.instrument)
    if terms.price_band is None or accepted is None:
        return None
    if is_within(terms.price_band, price, accepted):
        return None
    return rejected(
        Code.PRICE_OUT_OF_BAND,
        f"{price} is further from the last accepted mark {accepted} of {terms.instrument} "
        f"(both in 10^-{terms.price_scale}) than its price_band allows; "
        "it needs a confirmed price or a price_accept first",
    )


def rate_too_fine(**rates: Fixed | None) -> Rejection | None:
    """`too_many_decimals` for the first rate with more than twelve decimals, or None."""
    for name, rate in rates.items():
        if rate is not None and rate.scale > RATE_SCALE:
            return too_many_decimals(rate, RATE_SCALE, name)
    return None
