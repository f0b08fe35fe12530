"""What a trade and a price look like to the short way (`ledger.codec.lean`): strings, checked.

A file of its own: `TypedDict` classes must not be compiled, or pydantic does not know them.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, with_config
from typing_extensions import TypedDict

from ledger.codec.fields import ID_PATTERN, TIME_PATTERN

_Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
_Side = Annotated[str, StringConstraints(pattern=rf"{ID_PATTERN}|^@liquidation$")]
_Time = Annotated[str, StringConstraints(pattern=TIME_PATTERN)]
_Decimal = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$")]
_Version = Annotated[int, Field(ge=1, le=1)]
_STRICT = ConfigDict(extra="forbid", strict=True)


class _Envelope(TypedDict):
    event_id: _Id
    occurred_at: _Time
    pool: NotRequired[_Id]
    version: NotRequired[_Version]


@with_config(_STRICT)
class Trade(_Envelope):
    """A message of kind `trade`."""

    kind: Literal["trade"]
    instrument: _Id
    price: _Decimal
    quantity: _Decimal
    buyer: _Side
    seller: _Side
    buyer_fee: _Decimal
    seller_fee: _Decimal
    trade_id: NotRequired[_Id | None]
    liquidation_id: NotRequired[_Id | None]


@with_config(_STRICT)
class Price(_Envelope):
    """A message of kind `price`."""

    kind: Literal["price"]
    instrument: _Id
    mark_price: _Decimal
    index_price: NotRequired[_Decimal | None]


Message = Trade | Price
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])
validate = _ADAPTER.validator.validate_json
