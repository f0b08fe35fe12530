"""The messages on the wire, one pydantic model a kind; JSON Schemas are generated from here.

Each model names the fact of the core that it becomes; their fields have the same names. What only
says how a message is built stands here (types, signs, lengths); what depends on the books (scales,
known accounts) is the rules' affair.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from ledger.codec.fields import (
    Count,
    Decimal,
    Fraction,
    Identifier,
    Leverage,
    NotNegative,
    NotZero,
    Owner,
    Positive,
    Scale,
    Seconds,
    Side,
    Text,
    Time,
    Version,
)
from ledger.core import events


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Envelope(_Strict):
    """What every message carries."""

    fact: ClassVar[type[events.Fact]]

    event_id: Identifier
    occurred_at: Time
    pool: Identifier = "main"
    version: Version = 1


class Tier(_Strict):
    """One step of a margin schedule."""

    notional_cap: Positive | None
    initial_rate: NotNegative
    maintenance_rate: NotNegative
    maintenance_amount: NotNegative


class Pool(Envelope):
    """Declare a pool, or change its risk fields."""

    fact = events.Pool
    kind: Literal["pool"]
    settlement_asset: Identifier
    scale: Scale
    liquidation: Literal["full", "partial", "off"]
    penalty_rate: Fraction
    partial_buffer: NotNegative
    insurance_floor: Decimal
    adl_policy: Literal["bitmex", "binance", "hyperliquid", "pro_rata", "capped_pro_rata"]
    loss_policy: Literal["open", "socialize"]


class Asset(Envelope):
    """List a collateral asset, or change its haircut."""

    fact = events.Asset
    kind: Literal["asset"]
    asset: Identifier
    scale: Scale
    haircut: Fraction


class Instrument(Envelope):
    """List an instrument, or change its tiers and price guard."""

    fact = events.Instrument
    kind: Literal["instrument"]
    instrument: Identifier
    type: Literal["linear", "inverse"]
    multiplier: Positive
    price_scale: Scale
    quantity_scale: Scale
    expiry: Time | None
    tiers: Annotated[
        tuple[Tier, ...], Field(min_length=1, max_length=100, strict=False), FailFast()
    ]
    price_band: Positive | None = None
    price_max_age: Seconds | None = None
    price_confirmations: Count = 3


class RiskTiers(Envelope):
    """Replace an instrument's margin schedule."""

    fact = events.RiskTiers
    kind: Literal["risk_tiers"]
    instrument: Identifier
    tiers: Annotated[
        tuple[Tier, ...], Field(min_length=1, max_length=100, strict=False), FailFast()
    ]


class Account(Envelope):
    """Admit a participant, or replace its tags."""

    fact = events.Account
    kind: Literal["account"]
    account: Identifier
    margin_mode: Literal["cross"] = "cross"
    tags: Annotated[tuple[Identifier, ...], Field(max_length=100, strict=False), FailFast()] = ()


class PositionMode(Envelope):
    """Choose how a position is margined."""

    fact = events.PositionMode
    kind: Literal["position_mode"]
    account: Identifier
    instrument: Identifier
    mode: Literal["cross", "isolated"]
    leverage: Leverage | None = None


class _Transfer(Envelope):
    account: Identifier
    asset: Identifier
    amount: Positive


class Deposit(_Transfer):
    """Money arrived at the custodian for a participant."""

    fact = events.Deposit
    kind: Literal["deposit"]


class Withdrawal(_Transfer):
    """Money was paid out to a participant."""

    fact = events.Withdrawal
    kind: Literal["withdrawal"]


class _Request(Envelope):
    request_id: Identifier
    account: Identifier
    asset: Identifier
    amount: Positive


class WithdrawalRequest(_Request):
    """A participant asks for a withdrawal; the money is held."""

    fact = events.WithdrawalRequest
    kind: Literal["withdrawal_request"]


class WithdrawalSettled(_Request):
    """A requested withdrawal was paid out."""

    fact = events.WithdrawalSettled
    kind: Literal["withdrawal_settled"]


class WithdrawalCancelled(_Request):
    """A requested withdrawal will not happen."""

    fact = events.WithdrawalCancelled
    kind: Literal["withdrawal_cancelled"]


class InternalTransfer(Envelope):
    """Money moves between two participants."""

    fact = events.InternalTransfer
    kind: Literal["internal_transfer"]
    from_account: Identifier
    to_account: Identifier
    asset: Identifier
    amount: Positive


class IsolatedTransfer(Envelope):
    """Margin moves into (positive) or out of an isolated position."""

    fact = events.IsolatedTransfer
    kind: Literal["isolated_transfer"]
    account: Identifier
    instrument: Identifier
    amount: NotZero


class InsuranceDeposit(Envelope):
    """Money is paid into the insurance fund."""

    fact = events.InsuranceDeposit
    kind: Literal["insurance_deposit"]
    asset: Identifier
    amount: Positive


class OpeningBalance(Envelope):
    """A wallet is taken over from another system."""

    fact = events.OpeningBalance
    kind: Literal["opening_balance"]
    account: Identifier
    asset: Identifier
    amount: NotZero


class OpeningPosition(Envelope):
    """A position is taken over from another system."""

    fact = events.OpeningPosition
    kind: Literal["opening_position"]
    account: Identifier
    instrument: Identifier
    quantity: NotZero
    entry_price: Positive


class AdjustmentLine(_Strict):
    """One posting by hand."""

    owner: Owner
    kind: Literal[
        "wallet",
        "isolated",
        "hold",
        "position",
        "variation",
        "custody",
        "fees",
        "insurance",
        "rounding",
        "suspense",
        "deficit",
    ]
    instrument: Identifier | None
    asset: Identifier | None
    amount: NotZero


class Adjustment(Envelope):
    """Postings by hand, by a maker and a checker."""

    fact = events.Adjustment
    kind: Literal["adjustment"]
    lines: Annotated[
        tuple[AdjustmentLine, ...],
        Field(min_length=2, max_length=1000, strict=False),
        FailFast(),
    ]
    reason: Text
    made_by: Identifier
    checked_by: Identifier


class Trade(Envelope):
    """Two participants traded."""

    fact = events.Trade
    kind: Literal["trade"]
    instrument: Identifier
    price: Positive
    quantity: Positive
    buyer: Side
    seller: Side
    buyer_fee: Decimal
    seller_fee: Decimal
    trade_id: Identifier | None = None
    liquidation_id: Identifier | None = None


class TradeBust(Envelope):
    """A trade is undone."""

    fact = events.TradeBust
    kind: Literal["trade_bust"]
    trade_event_id: Identifier
    reason: Text


class FundingRate(Envelope):
    """Funding falls due."""

    fact = events.FundingRate
    kind: Literal["funding_rate"]
    instrument: Identifier
    rate: Decimal
    mark_price: Positive


class Price(Envelope):
    """A new mark price."""

    fact = events.Price
    kind: Literal["price"]
    instrument: Identifier
    mark_price: Positive
    index_price: Positive | None = None


class AssetPrice(Envelope):
    """A new price of a collateral asset, in the settlement asset."""

    fact = events.AssetPrice
    kind: Literal["asset_price"]
    asset: Identifier
    price: Positive


class PriceAccept(Envelope):
    """Two people accept a suspect mark."""

    fact = events.PriceAccept
    kind: Literal["price_accept"]
    instrument: Identifier
    mark_price: Positive
    made_by: Identifier
    checked_by: Identifier


class Settlement(Envelope):
    """Variation is paid out at this price."""

    fact = events.Settlement
    kind: Literal["settlement"]
    instrument: Identifier
    price: Positive


class Expiry(Envelope):
    """The instrument ends at this price."""

    fact = events.Expiry
    kind: Literal["expiry"]
    instrument: Identifier
    price: Positive


REFERENCE = (Pool, Asset, Instrument, RiskTiers, Account, PositionMode)
TRANSFERS = (
    Deposit,
    Withdrawal,
    WithdrawalRequest,
    WithdrawalSettled,
    WithdrawalCancelled,
    InternalTransfer,
    IsolatedTransfer,
    InsuranceDeposit,
    OpeningBalance,
    OpeningPosition,
    Adjustment,
)
TRADES = (Trade, TradeBust)
FUNDING = (FundingRate,)
PRICES = (Price, AssetPrice, PriceAccept, Settlement, Expiry)

MODELS: dict[str, tuple[type[Envelope], ...]] = {
    "reference": REFERENCE,
    "transfers": TRANSFERS,
    "trades": TRADES,
    "funding": FUNDING,
    "prices": PRICES,
}
"""The models of each topic, by the topic's role."""


def kind_of(model: type[Envelope]) -> str:
    """The wire name of a model's kind."""
    (kind,) = model.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    return str(kind)


ROLE_OF_KIND = {kind_of(model): role for role, models in MODELS.items() for model in models}
"""The role of the topic on which each kind belongs."""
