"""Records on margin: the statement of a margin account, calls, and breaches of initial margin."""

from typing import ClassVar, Literal

from ledger.codec.bodies.figures import (
    MARGIN_CALL_ID,
    NAME,
    Body,
    Figures,
    Leverage,
    Money,
    MoneyAbove0,
    MoneyNotNegative,
    Multiplier,
    Name,
    Position,
    Price,
    Rate,
    Units,
)
from ledger.codec.fields import Scale


class AssetLine(Figures):
    """One asset of a statement: the settlement asset at par, others less their haircut."""

    asset: Name
    balance: Units
    price: Price | None
    haircut: Rate
    value: Money


class PositionLine(Figures):
    """One position of a statement; rates and amount are those of the tier that it is in.

    `mark_price` is None, and all figures 0, where the instrument never had a mark.
    """

    instrument: Name
    type: Literal["linear", "inverse"]
    multiplier: Multiplier
    quantity: Position
    cost: Money
    mark_price: Price | None
    value: Money
    leverage: Leverage | None
    initial_rate: Rate
    maintenance_rate: Rate
    maintenance_amount: MoneyNotNegative
    maintenance_margin: MoneyNotNegative
    initial_margin: MoneyNotNegative
    stale: bool


class Statement(Figures):
    """A margin account, its equity and its requirements, with all that they are made of.

    `margin_instrument` is None for the cross account, else the isolated position's instrument;
    `asset` and `scale` are those of the settlement asset, which is the first of `assets`.
    """

    account: Name
    margin_instrument: Name | None
    asset: Name
    scale: Scale
    assets: tuple[AssetLine, ...]
    collateral: Money
    positions: tuple[PositionLine, ...]
    unrealized_pnl: Money
    equity: Money
    maintenance_margin: MoneyNotNegative
    initial_margin: MoneyNotNegative


class MarginCallBody(Body):
    """Equity is under initial margin, and no call was open. Subject: the call, C-n."""

    kind: ClassVar[str] = "margin_call"
    subject: ClassVar[str] = MARGIN_CALL_ID

    account: Name
    margin_instrument: Name | None
    equity: Money
    initial_margin: MoneyNotNegative
    maintenance_margin: MoneyNotNegative
    statement: Statement


class MarginCallEndBody(Body):
    """Initial margin is kept again, or no position is left. Subject: the call, C-n."""

    kind: ClassVar[str] = "margin_call_end"
    subject: ClassVar[str] = MARGIN_CALL_ID

    account: Name
    margin_instrument: Name | None
    equity: Money
    initial_margin: MoneyNotNegative
    reason: Literal["restored", "no_position"]


class MarginBreachBody(Body):
    """A trade left its account under initial margin; a fact, so not refused. Subject: the account.

    `instrument` is the traded one, `missing` is `initial_margin - equity`.
    """

    kind: ClassVar[str] = "margin_breach"
    subject: ClassVar[str] = NAME

    margin_instrument: Name | None
    instrument: Name
    equity: Money
    initial_margin: MoneyNotNegative
    missing: MoneyAbove0


class IsolatedShortfallBody(Body):
    """Free collateral did not cover the margin of an isolated increase. Subject: the account."""

    kind: ClassVar[str] = "isolated_shortfall"
    subject: ClassVar[str] = NAME

    instrument: Name
    required: MoneyAbove0
    moved: MoneyNotNegative
    missing: MoneyAbove0
