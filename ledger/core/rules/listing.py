"""Reference data: the pool, its assets, instruments, risk tiers and participants.

What changes margins has those whom it touches examined. Sent again, an event may change risk fields
and tags only; anything else is `immutable_field`: a position's value, its scale and the asset it
settles in can thus never change under the books.
"""

from fractions import Fraction
from itertools import pairwise

from ledger.core import events
from ledger.core.checks import live_instrument, rate_too_fine, rejected, too_many_decimals
from ledger.core.instruments import Terms, value_constants
from ledger.core.margin.statements import margin_account, margin_accounts
from ledger.core.margin.tiers import MarginTier
from ledger.core.outcome import Rejection
from ledger.core.registers import AssetTerms
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.core.units import RATE_SCALE, ZERO, Fixed


def pool(state: State, fact: events.Pool) -> Rejection | None:
    """Declare the pool, or change its risk fields."""
    known = state.pool
    if known is not None and (known.settlement_asset, known.scale) != (
        fact.settlement_asset,
        fact.scale,
    ):
        return _immutable(f"pool {state.name}", "settlement_asset, scale", known[:2], fact[:2])
    refusal = rate_too_fine(penalty_rate=fact.penalty_rate, partial_buffer=fact.partial_buffer)
    if refusal is not None:
        return refusal
    if fact.insurance_floor.scale > fact.scale:
        return too_many_decimals(fact.insurance_floor, fact.scale, "insurance_floor")
    state.change("pool", fact)
    if known is None:
        asset = fact.settlement_asset
        state.put(state.assets, asset, AssetTerms(asset, fact.scale, ZERO))
    elif known != fact:
        state.watch.touch(margin_accounts(state))
    return None


def asset(state: State, fact: events.Asset) -> Rejection | None:
    """List a collateral asset, or change its haircut. The settlement asset counts at par."""
    known = state.assets.get(fact.asset)
    if known is not None and known.scale != fact.scale:
        return _immutable(f"asset {fact.asset}", "scale", known.scale, fact.scale)
    if fact.asset == state.settlement.asset and fact.haircut != ZERO:
        return _immutable(f"asset {fact.asset}", "haircut of the settlement asset", 0, fact.haircut)
    refusal = rate_too_fine(haircut=fact.haircut)
    if refusal is not None:
        return refusal
    state.put(state.assets, fact.asset, AssetTerms(fact.asset, fact.scale, fact.haircut))
    if known is not None and known.haircut != fact.haircut:
        state.watch.touch([(owner, None) for owner in state.journal.wallet_owners(fact.asset)])
    return None


def instrument(state: State, fact: events.Instrument) -> Rejection | None:
    """List an instrument, or change its tiers and price guard."""
    known = state.instruments.get(fact.instrument)
    refusal = rate_too_fine(price_band=fact.price_band) or tiers_refusal(state, fact.tiers)
    tiers = () if refusal is not None else margin_tiers(fact.tiers, state.settlement.scale)
    terms = _terms(state, fact, tiers)
    if known is not None:
        if known.is_expired:
            return rejected(
                Code.INSTRUMENT_EXPIRED,
                f"instrument {fact.instrument} has expired and takes no more events",
            )
        if known[:8] != terms[:8]:
            fields = "type, multiplier, price_scale, quantity_scale, expiry"
            return _immutable(f"instrument {fact.instrument}", fields, known[:8], terms[:8])
    if refusal is not None:
        return refusal
    state.put(state.instruments, fact.instrument, terms)
    _touch_holders(state, fact.instrument)
    return None


def risk_tiers(state: State, fact: events.RiskTiers) -> Rejection | None:
    """Replace the margin schedule of a listed instrument."""
    known = live_instrument(state, fact.instrument)
    if isinstance(known, Rejection):
        return known
    refusal = tiers_refusal(state, fact.tiers)
    if refusal is not None:
        return refusal
    tiers = margin_tiers(fact.tiers, state.settlement.scale)
    state.put(state.instruments, fact.instrument, known._replace(tiers=tiers))
    _touch_holders(state, fact.instrument)
    return None


def account(state: State, fact: events.Account) -> None:
    """Admit a participant, or replace its tags."""
    state.put(state.participants, state.journal.name(fact.account), fact.tags)


def tiers_refusal(state: State, tiers: tuple[events.Tier, ...]) -> Rejection | None:
    """Why a margin schedule cannot stand, or None.

    Caps must ascend and the last tier be open-ended; rates must not fall; and at every border the
    maintenance margin of both tiers must agree within one smallest unit of the settlement asset.
    """
    scale = state.settlement.scale
    for tier in tiers:
        rates = {"initial_rate": tier.initial_rate, "maintenance_rate": tier.maintenance_rate}
        refusal = rate_too_fine(**rates)
        if refusal is not None:
            return refusal
        for name, rate in rates.items():
            if _exact(rate) > 1:
                return rejected(Code.INVALID_TIERS, f"{name} of a tier is over 1")
        for name in ("notional_cap", "maintenance_amount"):
            number: Fixed | None = getattr(tier, name)
            if number is not None and number.scale > scale:
                return too_many_decimals(number, scale, name)
    if not tiers or tiers[-1].notional_cap is not None:
        return rejected(Code.INVALID_TIERS, "the last tier must have notional_cap null")
    floor = Fraction(0)
    for index, (low, high) in enumerate(pairwise(tiers), start=1):
        if low.notional_cap is None:
            return rejected(Code.INVALID_TIERS, f"tier {index} is open-ended, but not the last")
        cap = _exact(low.notional_cap)
        if cap <= floor:
            return rejected(Code.INVALID_TIERS, f"notional_cap of tier {index} does not ascend")
        low_rate, high_rate = _exact(low.maintenance_rate), _exact(high.maintenance_rate)
        if high_rate < low_rate or _exact(high.initial_rate) < _exact(low.initial_rate):
            return rejected(Code.INVALID_TIERS, f"a rate falls from tier {index} to {index + 1}")
        step = _exact(high.maintenance_amount) - _exact(low.maintenance_amount)
        if abs(step - cap * (high_rate - low_rate)) * 10**scale > 1:
            return rejected(
                Code.INVALID_TIERS,
                f"maintenance margin jumps at the border of tiers {index} and {index + 1}: "
                "maintenance_amount must grow by notional_cap times the step in maintenance_rate",
            )
        floor = cap
    return None


def margin_tiers(tiers: tuple[events.Tier, ...], scale: int) -> tuple[MarginTier, ...]:
    """A schedule in smallest units of an asset of `scale`; it was found sound before."""

    def whole(number: Fixed, scale: int) -> int:
        one: int = 10 ** (scale - number.scale)
        return number.coefficient * one

    return tuple(
        MarginTier(
            None if tier.notional_cap is None else whole(tier.notional_cap, scale),
            whole(tier.initial_rate, RATE_SCALE),
            whole(tier.maintenance_rate, RATE_SCALE),
            whole(tier.maintenance_amount, scale),
        )
        for tier in tiers
    )


def _touch_holders(state: State, instrument: str) -> None:
    """Whoever has a position in it is to be examined."""
    state.watch.touch(
        margin_account(state, owner, instrument)
        for owner in state.journal.holders.get(instrument, {})
        if owner[0] != "@"
    )


def _terms(state: State, fact: events.Instrument, tiers: tuple[MarginTier, ...]) -> Terms:
    is_inverse = fact.type == "inverse"
    numerator, denominator = value_constants(
        is_inverse=is_inverse,
        multiplier=fact.multiplier,
        price_scale=fact.price_scale,
        quantity_scale=fact.quantity_scale,
        asset_scale=state.settlement.scale,
    )
    return Terms(
        instrument=fact.instrument,
        is_inverse=is_inverse,
        multiplier=fact.multiplier,
        price_scale=fact.price_scale,
        quantity_scale=fact.quantity_scale,
        value_numerator=numerator,
        value_denominator=denominator,
        expiry=fact.expiry,
        tiers=tiers,
        price_band=fact.price_band,
        price_max_age=fact.price_max_age,
        price_confirmations=fact.price_confirmations,
        is_expired=False,
    )


def _immutable(what: str, fields: str, known: object, found: object) -> Rejection:
    return rejected(
        Code.IMMUTABLE_FIELD, f"{what}: {fields} cannot change, known {known}, found {found}"
    )


def _exact(number: Fixed) -> Fraction:
    return Fraction(number.coefficient, 10**number.scale)
