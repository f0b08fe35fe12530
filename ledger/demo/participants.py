"""Who trades on the simulated exchange: believable firms, their style, their money.

Rules of this file:

* A participant has a style that decides on which side it trades, and capital that bounds its size.
* `Seat` is a participant's account in one pool. It keeps what the participant would know of its own
  books: position and cost by instrument, free cash. It serves to trade within limits and to
  withdraw no more than is there; the ledger's figures come from the ledger.
"""

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import NamedTuple

_NAMES = (
    "alder", "amber-gate", "anchorage", "bayside", "bellweather", "birchwood", "blackfriars",
    "bluewater", "brightline", "cedar-point", "cobalt", "copperfield", "corvus", "dovetail",
    "eastgate", "fairhaven", "falcon-ridge", "fenwick", "foxglove", "glasshouse", "granite-bay",
    "greyfriars", "harrow-lane", "hawthorn", "highgate", "ironbridge", "juniper", "kestrel",
    "kingfisher", "lantern", "larkspur", "lighthouse", "longacre", "marlowe", "meridian",
    "millrace", "northstar", "oakmoor", "orchard-street", "osprey", "paragon", "pinecrest",
    "quayside", "redwood", "rookery", "saltmarsh", "silverbirch", "southbank", "stonebridge",
    "summerfield", "tamarisk", "thornbury", "tidewater", "vantage", "wayfarer", "westerly",
    "whitehall", "willow-run", "windward", "wren-court",
)  # fmt: skip


class Style(StrEnum):
    """How a participant trades."""

    MAKER = "market_maker"
    """Quotes both sides and leans against its own inventory."""
    TREND = "trend_follower"
    """Buys what has risen, sells what has fallen."""
    HEDGER = "hedger"
    """Sells against what it owns elsewhere."""
    PRIVATE = "private"
    """Trades as the mood takes it."""


_SHARES = ((Style.MAKER, 10), (Style.TREND, 25), (Style.HEDGER, 15), (Style.PRIVATE, 50))
_SUFFIX = {
    Style.MAKER: ("markets", "trading", "liquidity"),
    Style.TREND: ("capital", "systematic", "partners"),
    Style.HEDGER: ("mining", "treasury", "custody"),
}
_CAPITAL = {Style.MAKER: 8_000_000, Style.TREND: 1_500_000, Style.HEDGER: 3_000_000}
_PRIVATE_CAPITAL = 60_000


class Participant(NamedTuple):
    """A firm or a person.

    Attributes:
        account: Its id, the same in every pool.
        style: How it trades.
        capital: What it brings at first, in whole US dollars.
        pools: Where it has an account.
    """

    account: str
    style: Style
    capital: int
    pools: tuple[str, ...]


class Holding:
    """A position as its holder sees it.

    Attributes:
        quantity: Signed, smallest units of contracts; long positive.
        variation: Minus the signed value at which it was entered, smallest units.
    """

    __slots__ = ("quantity", "variation")

    def __init__(self) -> None:
        self.quantity = 0
        self.variation = 0


class Seat:
    """A participant's account in one pool.

    Attributes:
        account, style, capital: As of the participant.
        cash: Settlement asset in its wallet, smallest units; exact but for roundings of one unit.
        holdings: By instrument.
    """

    __slots__ = ("account", "capital", "cash", "holdings", "style")

    def __init__(self, participant: Participant) -> None:
        self.account = participant.account
        self.style = participant.style
        self.capital = participant.capital
        self.cash = 0
        self.holdings: dict[str, Holding] = {}

    def list_instrument(self, instrument: str) -> None:
        self.holdings[instrument] = Holding()

    def trade(self, instrument: str, quantity: int, value: int, fee: int) -> None:
        """Takes `quantity` (signed) worth `value` (signed alike), and pays `fee`."""
        holding = self.holdings[instrument]
        held = holding.quantity
        holding.quantity = held + quantity
        cash = -value
        if held == 0 or (held > 0) == (quantity > 0):
            holding.variation += cash
            self.cash -= fee
        elif abs(quantity) <= abs(held):
            released = holding.variation * -quantity // held
            holding.variation -= released
            self.cash += released + cash - fee
        else:
            closing = cash * -held // quantity
            self.cash += holding.variation + closing - fee
            holding.variation = cash - closing

    def settle(self, instrument: str, value: int) -> None:
        """Is paid out its gain at `value` (signed, all of the position), which becomes its cost."""
        holding = self.holdings[instrument]
        self.cash += holding.variation + value
        holding.variation = -value

    def leave(self, instrument: str) -> None:
        """Forgets an expired instrument, already settled."""
        del self.holdings[instrument]


def roster(random: Random, count: int, first: int = 0) -> Sequence[Participant]:
    """`count` participants, numbered on from `first`; ids never repeat."""
    return [_participant(random, number) for number in range(first, first + count)]


def _participant(random: Random, number: int) -> Participant:
    style = _style_of(number)
    if style is Style.PRIVATE:
        account = f"p-{100_000 + number * 137 % 900_000}"
        capital = _PRIVATE_CAPITAL * (20 + int(random.random() * 180)) // 100
    else:
        suffixes = _SUFFIX[style]
        generation, place = divmod(number, len(_NAMES))
        account = f"{_NAMES[place]}-{suffixes[int(random.random() * len(suffixes))]}"
        account += f"-{generation + 1}" if generation else ""
        capital = _CAPITAL[style] * (50 + int(random.random() * 150)) // 100
    chance = random.random()
    if style is Style.MAKER or chance < 0.15:  # noqa: PLR2004 - the share with both accounts
        return Participant(account, style, capital, ("usdt", "btc"))
    return Participant(account, style, capital, ("btc",) if chance > 0.75 else ("usdt",))  # noqa: PLR2004


def _style_of(number: int) -> Style:
    """Styles in fixed shares of every hundred; 37 has no factor in common with 100."""
    place = number * 37 % 100
    for style, share in _SHARES:
        if place < share:
            return style
        place -= share
    raise AssertionError(f"the shares of the styles do not sum to 100; {place} is left")
