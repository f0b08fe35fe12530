"""Records on auto-deleveraging: the inventory, all who were looked at, and each position closed."""

from typing import ClassVar, Literal

from ledger.codec.bodies.figures import (
    DELEVERAGING_ID,
    NAME,
    AnyLiquidation,
    Body,
    Contracts,
    ContractsAbove0,
    Figures,
    Money,
    MoneyAbove0,
    MoneyNotNegative,
    Multiplier,
    Name,
    Number,
    Position,
    Price,
    Score,
)

Policy = Literal["bitmex", "binance", "hyperliquid", "pro_rata", "capped_pro_rata"]
PassedOver = Literal["no_equity", "negative_after"]


class Candidate(Figures):
    """A position on the opposite side, with what its score is made of.

    `equity`, `maintenance_margin` and `balance` (settlement asset) are those of its margin account;
    `rank` is its place in the policy's order. An account without equity has neither score nor rank;
    `reason` tells why one was passed over.
    """

    account: Name
    margin_instrument: Name | None
    quantity: Position
    cost: Money
    equity: Money
    maintenance_margin: MoneyNotNegative
    balance: Money
    score: Score | None
    rank: Number | None
    taken: Contracts
    reason: PassedOver | None


class DeleveragingBody(Body):
    """An inventory is closed against opposite positions at its cost. Subject: D-n.

    `quantity` and `cost` are the inventory's; `loss` is its loss at mark, `loss_absorbed` the part
    that the positions closed here have taken.
    """

    kind: ClassVar[str] = "deleveraging"
    subject: ClassVar[str] = DELEVERAGING_ID

    instrument: Name
    type: Literal["linear", "inverse"]
    multiplier: Multiplier
    liquidation_id: AnyLiquidation | None
    policy: Policy
    rules: Number
    quantity: Position
    cost: Money
    mark_price: Price
    loss: MoneyAbove0
    insurance: MoneyNotNegative
    projected: Money
    floor: MoneyNotNegative
    candidates: tuple[Candidate, ...]
    deleveraged: Contracts
    left: Contracts
    loss_absorbed: Money


class DeleveragedBody(Body):
    """One position closed by a deleveraging. Subject: the deleveraging, D-n.

    `amount` is what the variation of the closed position receives; `equity_after` that of its
    margin account.
    """

    kind: ClassVar[str] = "deleveraged"
    subject: ClassVar[str] = DELEVERAGING_ID

    account: Name
    margin_instrument: Name | None
    instrument: Name
    liquidation_id: AnyLiquidation | None
    quantity: ContractsAbove0
    price: Price | None
    amount: Money
    rank: Number
    score: Score
    realized_pnl: Money
    in_profit: bool
    equity_after: MoneyNotNegative


class UntakenLine(Figures):
    """A position that was looked at and passed over."""

    account: Name
    reason: PassedOver


class DeleveragingUntakenBody(Body):
    """An inventory found no taker, or not for all of it. Subject: the instrument.

    Recorded once until quantity or cost of the inventory changes.
    """

    kind: ClassVar[str] = "deleveraging_untaken"
    subject: ClassVar[str] = NAME

    quantity: Position
    cost: Money
    mark_price: Price
    loss: MoneyAbove0
    projected: Money
    floor: MoneyNotNegative
    passed_over: tuple[UntakenLine, ...]
