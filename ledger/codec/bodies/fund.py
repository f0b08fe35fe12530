"""Records on the insurance fund: its movements, its floor, and losses shared out."""

from typing import ClassVar, Literal

from ledger.codec.bodies.figures import (
    MOVEMENT_ID,
    NAME,
    AnyLiquidation,
    Body,
    Figures,
    Money,
    MoneyAbove0,
    MoneyNot0,
    MoneyNotAbove0,
    MoneyNotNegative,
    MovementId,
    Name,
)


class DeficitLine(Figures):
    """A deficit that a movement opened, deepened or repaid.

    `left` is what nobody covered yet, as a balance; `change` is the change of it, negative where
    the movement opened the deficit.
    """

    opened_by: MovementId
    liquidation_id: AnyLiquidation | None
    change: MoneyNot0
    left: MoneyNotAbove0


class FundBody(Body):
    """The insurance fund or the deficit has moved. Subject: the movement, F-n.

    `amount` is the change of `insurance + deficit`; both are balances, deficit 0 or below.
    """

    kind: ClassVar[str] = "fund"
    subject: ClassVar[str] = MOVEMENT_ID

    cause: Literal[
        "close_out",
        "fee",
        "funding",
        "settlement",
        "expiry",
        "netting",
        "made_whole",
        "socialized",
        "insurance_deposit",
        "adjustment",
    ]
    liquidation_id: AnyLiquidation | None
    instrument: Name | None
    account: Name | None
    amount: Money
    insurance_before: MoneyNotNegative
    insurance_after: MoneyNotNegative
    deficit_before: MoneyNotAbove0
    deficit_after: MoneyNotAbove0
    deficits: tuple[DeficitLine, ...]


class FundFloorBody(Body):
    """The projected fund has fallen under the floor, or risen to it again. Subject: the pool."""

    kind: ClassVar[str] = "fund_floor"
    subject: ClassVar[str] = NAME

    state: Literal["under", "restored"]
    insurance: MoneyNotNegative
    projected: Money
    floor: MoneyNotNegative


class SocializedLossBody(Body):
    """A winner's part of a deficit. Subject: the movement that opened the deficit, F-n."""

    kind: ClassVar[str] = "socialized_loss"
    subject: ClassVar[str] = MOVEMENT_ID

    account: Name
    margin_instrument: Name | None
    instrument: Name
    deficit: MoneyAbove0
    gains: MoneyAbove0
    unrealized_pnl: MoneyAbove0
    borne: MoneyNotNegative
    share: MoneyAbove0
