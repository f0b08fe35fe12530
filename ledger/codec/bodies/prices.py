"""Records on prices: marks, suspects, acceptances, prices of assets, and busted trades."""

from typing import ClassVar, Literal

from ledger.codec.bodies.figures import NAME, Body, Name, Number, Price, Rate
from ledger.codec.fields import Text


class MarkBody(Body):
    """The price that stands for an instrument's value has been set. Subject: the instrument."""

    kind: ClassVar[str] = "mark"
    subject: ClassVar[str] = NAME

    mark_price: Price
    source: Literal["price", "settlement", "expiry", "trade", "opening", "confirmed", "accepted"]


class AssetPriceBody(Body):
    """The price of a collateral asset has been set. Subject: the asset."""

    kind: ClassVar[str] = "asset_price"
    subject: ClassVar[str] = NAME

    price: Price


class SuspectMarkBody(Body):
    """A mark stands too far from the last accepted one, or from its index; it moves nothing.

    Subject: the instrument. `confirmations` counts the marks so far that confirm `first_suspect`.
    """

    kind: ClassVar[str] = "suspect_mark"
    subject: ClassVar[str] = NAME

    mark_price: Price
    index_price: Price | None
    accepted_price: Price | None
    band: Rate
    reason: Literal["moved", "off_index"]
    first_suspect: Price
    confirmations: int
    needed: Number


class PriceAcceptanceBody(Body):
    """Two people have accepted a mark by hand. Subject: the instrument."""

    kind: ClassVar[str] = "price_acceptance"
    subject: ClassVar[str] = NAME

    mark_price: Price
    accepted_price: Price | None
    made_by: Name
    checked_by: Name


class TradeBustBody(Body):
    """A trade was undone. Subject: the event id of the trade."""

    kind: ClassVar[str] = "trade_bust"
    subject: ClassVar[str] = NAME

    busted_by: Name
    reason: Text
