"""Records on liquidation: rounds, takeovers, seizures, what was made whole, close-outs."""

from typing import ClassVar, Literal

from ledger.codec.bodies.figures import (
    LIQUIDATION_ID,
    NAME,
    Body,
    Contracts,
    Figures,
    Inventory,
    Money,
    MoneyAbove0,
    MoneyNotNegative,
    Multiplier,
    Name,
    Number,
    Position,
    Price,
    Rate,
    UnitsAbove0,
)
from ledger.codec.bodies.margin import Statement


class Listed(Figures):
    """An account under maintenance, in its place of the round."""

    account: Name
    margin_instrument: Name | None
    equity: Money
    maintenance_margin: MoneyNotNegative


class LiquidationRoundBody(Body):
    """The accounts under maintenance, the worst first. Subject: the pool."""

    kind: ClassVar[str] = "liquidation_round"
    subject: ClassVar[str] = NAME

    round: Number
    listed: tuple[Listed, ...]


class LiquidationBody(Body):
    """The liquidation of one margin account begins. Subject: the liquidation, L-n.

    `rank` is the account's place, from 1, in the list of its round.
    """

    kind: ClassVar[str] = "liquidation"
    subject: ClassVar[str] = LIQUIDATION_ID

    account: Name
    margin_instrument: Name | None
    rules: Number
    mode: Literal["full", "partial"]
    round: Number
    rank: Number
    penalty_rate: Rate
    partial_buffer: Rate
    statement: Statement


class TakeoverBody(Body):
    """A position, or a part, goes to `@liquidation`. Subject: the liquidation, L-n.

    `equity` and `maintenance_margin` are the account's totals before; `share` is the equity that
    goes with the part, `quantity_maintenance` the requirement of the part alone, `last` that all
    equity goes with it.
    """

    kind: ClassVar[str] = "takeover"
    subject: ClassVar[str] = LIQUIDATION_ID

    account: Name
    margin_instrument: Name | None
    instrument: Name
    type: Literal["linear", "inverse"]
    multiplier: Multiplier
    position: Position
    quantity: Position
    mark_price: Price
    value_at_mark: Money
    quantity_maintenance: MoneyNotNegative
    last: bool
    equity: Money
    maintenance_margin: MoneyNotNegative
    share: Money
    penalty: Money
    takeover_value: Money
    takeover_price: Price | None
    bankruptcy_price: Price | None
    realized_pnl: Money
    inventory_quantity: Inventory
    inventory_cost: Money


class SeizureBody(Body):
    """An asset pays for a debt in the settlement asset. Subject: the liquidation, L-n.

    `balance_before` and `balance_after` are those of the settlement wallet.
    """

    kind: ClassVar[str] = "seizure"
    subject: ClassVar[str] = LIQUIDATION_ID

    account: Name
    asset: Name
    quantity: UnitsAbove0
    price: Price
    haircut: Rate
    value: MoneyAbove0
    balance_before: Money
    balance_after: Money


class MadeWholeBody(Body):
    """The fund covers what an account without positions owes. Subject: the liquidation, L-n."""

    kind: ClassVar[str] = "made_whole"
    subject: ClassVar[str] = LIQUIDATION_ID

    account: Name
    margin_instrument: Name | None
    amount: MoneyAbove0
    from_insurance: MoneyNotNegative
    from_deficit: MoneyNotNegative


class LiquidationEndBody(Body):
    """The account after its liquidation. Subject: the liquidation, L-n."""

    kind: ClassVar[str] = "liquidation_end"
    subject: ClassVar[str] = LIQUIDATION_ID

    account: Name
    margin_instrument: Name | None
    equity: Money
    maintenance_margin: MoneyNotNegative


class CloseOutBody(Body):
    """A market trade moved the inventory of `@liquidation`. Subject: the liquidation, or `-`.

    `quantity` is the signed change of the inventory.
    """

    kind: ClassVar[str] = "close_out"
    subject: ClassVar[str] = NAME

    instrument: Name
    quantity: Position
    price: Price
    realized_pnl: Money
    fee: Money
    inventory_quantity: Inventory
    inventory_cost: Money


class UnclosedBody(Body):
    """What market trades never closed of an inventory. Subject: the liquidation, or `-`."""

    kind: ClassVar[str] = "unclosed"
    subject: ClassVar[str] = NAME

    instrument: Name
    quantity: Position
    cost: Money
    taken_over: Contracts
    closed_out: Contracts
    ended_by: Literal["deleveraging", "expiry"]
