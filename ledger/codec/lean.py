"""The short way to decode a trade or a price, which nearly all messages are.

Pydantic looks at the message without calling back into Python; decimals and the time are made of
its strings afterwards. What this way takes, the models of `ledger.codec.wire` take as well and read
alike; what it does not take is theirs to read, or to refuse with a reason. So the models stay the
one definition, and a property test holds this file to them.

Cost: 5 us a trade, canonical content included; 14 us by the models.
"""

from typing import NamedTuple

from ledger.codec import lean_messages
from ledger.codec.fields import microseconds
from ledger.core.events import Event, Price, Trade
from ledger.core.units import Fixed


class Lean(NamedTuple):
    """An event and its canonical content, as `ledger.codec.decoding.content` has it."""

    event: Event
    content: bytes


def read(raw: bytes) -> Lean | None:
    """The event of a message, or None where the models must look at it."""
    try:
        values = lean_messages.validate(raw)
        if values["kind"] == "trade":
            return _trade(values)
        return _price(values)
    except ValueError:  # pydantic's is one
        return None


def _trade(values: lean_messages.Trade) -> Lean:
    event_id = values["event_id"]
    pool = values.get("pool", "main")
    occurred_at = microseconds(values["occurred_at"])
    instrument = values["instrument"]
    price = _positive(values["price"])
    quantity = _positive(values["quantity"])
    buyer = values["buyer"]
    seller = values["seller"]
    buyer_fee = _fixed(values["buyer_fee"])
    seller_fee = _fixed(values["seller_fee"])
    trade_id = values.get("trade_id")
    liquidation_id = values.get("liquidation_id")
    fact = Trade(
        instrument,
        price,
        quantity,
        buyer,
        seller,
        buyer_fee,
        seller_fee,
        trade_id,
        liquidation_id,
    )
    content = (
        f'["trade","{event_id}","{pool}",{occurred_at},["{instrument}",'
        f"[{price.coefficient},{price.scale}],[{quantity.coefficient},{quantity.scale}],"
        f'"{buyer}","{seller}",'
        f"[{buyer_fee.coefficient},{buyer_fee.scale}],[{seller_fee.coefficient},{seller_fee.scale}],"
        f"{_text(trade_id)},{_text(liquidation_id)}],1]"
    )
    return Lean(Event("trade", event_id, pool, occurred_at, fact), content.encode())


def _price(values: lean_messages.Price) -> Lean:
    event_id = values["event_id"]
    pool = values.get("pool", "main")
    occurred_at = microseconds(values["occurred_at"])
    instrument = values["instrument"]
    mark = _positive(values["mark_price"])
    index_text = values.get("index_price")
    index = None if index_text is None else _positive(index_text)
    index_words = "null" if index is None else f"[{index.coefficient},{index.scale}]"
    content = (
        f'["price","{event_id}","{pool}",{occurred_at},["{instrument}",'
        f"[{mark.coefficient},{mark.scale}],{index_words}],1]"
    )
    fact = Price(instrument, mark, index)
    return Lean(Event("price", event_id, pool, occurred_at, fact), content.encode())


def _fixed(digits: str) -> Fixed:
    """Of a string that has the pattern of a decimal."""
    whole, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    return Fixed(int(whole + fraction), len(fraction))


def _positive(digits: str) -> Fixed:
    number = _fixed(digits)
    if number.coefficient <= 0:
        raise ValueError(digits)
    return number


def _text(words: str | None) -> str:
    """As JSON; an id has no character that JSON escapes."""
    return "null" if words is None else f'"{words}"'
