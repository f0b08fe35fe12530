"""What the figures of a record are counted in: money, contracts, prices, rates, ids and counts."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from ledger.codec.fields import (
    DECIMAL_PATTERN,
    ID_PATTERN,
    Decimal,
    Identifier,
    NotNegative,
    NotZero,
    Positive,
)
from ledger.core.units import Fixed


class Figures(BaseModel):
    """A part of a record: exactly these fields, in this order."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Body(Figures):
    """The body of one kind of record.

    Attributes:
        kind: Its name in `ledger.record`.
        subject: Pattern that the subject of such a record keeps.
    """

    kind: ClassVar[str]
    subject: ClassVar[str]


NAME = r"[A-Za-z0-9._:-]{1,64}"
"""Pattern of the id of an account, an asset, an instrument, a pool or an event."""

LIQUIDATION_ID = r"L-[1-9][0-9]*"
DELEVERAGING_ID = r"D-[1-9][0-9]*"
MARGIN_CALL_ID = r"C-[1-9][0-9]*"
MOVEMENT_ID = r"F-[1-9][0-9]*"


def _figure(counted_in: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": DECIMAL_PATTERN, "description": counted_in})


def _not_above_0(value: Fixed) -> Fixed:
    if value.coefficient > 0:
        message = f"must not be above 0, found {value.coefficient}e-{value.scale}"
        raise ValueError(message)
    return value


Name = Identifier
MovementId = Annotated[str, Field(pattern=f"^{MOVEMENT_ID}$")]
AnyLiquidation = Annotated[
    Name,
    WithJsonSchema(
        {"type": "string", "pattern": ID_PATTERN, "description": "an L-n, or as a trade named it"}
    ),
]

Money = Annotated[Decimal, _figure("settlement asset, any sign")]
MoneyNotNegative = Annotated[NotNegative, _figure("settlement asset, 0 or above")]
MoneyAbove0 = Annotated[Positive, _figure("settlement asset, above 0")]
MoneyNotAbove0 = Annotated[
    Decimal, AfterValidator(_not_above_0), _figure("settlement asset, 0 or below")
]
MoneyNot0 = Annotated[NotZero, _figure("settlement asset, not 0")]

Units = Annotated[Decimal, _figure("units of the asset, any sign")]
UnitsAbove0 = Annotated[Positive, _figure("units of the asset, above 0")]

Position = Annotated[NotZero, _figure("contracts, long positive, short negative")]
Inventory = Annotated[Decimal, _figure("contracts, long positive, short negative, or 0")]
Contracts = Annotated[NotNegative, _figure("contracts, 0 or above")]
ContractsAbove0 = Annotated[Positive, _figure("contracts, above 0")]

Price = Annotated[Positive, _figure("price, above 0")]
Multiplier = Annotated[Positive, _figure("of one whole contract, above 0")]
Rate = Annotated[NotNegative, _figure("fraction, 0 or above")]
Leverage = Annotated[Positive, _figure("times, above 0")]
Score = Annotated[Decimal, _figure("half-even to 18 places, any sign")]

Number = Annotated[int, Field(ge=1)]
