"""Who trades on the simulated exchange: believable firms, their style, their money.

Rules of this file:

* A participant has a style that decides on which side it trades, and capital and reach that bound
  its size.
* `Seat` is a participant's account in one pool. It keeps what the participant would know of its own
  books: position and cost by instrument, cash, margin of isolated positions. It serves to trade
  within limits and to ask for no more than is surely there; the ledger's figures come from the
  ledger. What the ledger did by itself (a takeover, a deleveraging) is told by its records.
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
    """Sells against what it owns elsewhere; most of its collateral is coins."""
    PRIVATE = "private"
    """Trades as the mood takes it."""
    CONCENTRATED = "concentrated"
    """Builds one large position and holds it."""


_SHARES = ((Style.MAKER, 10), (Style.TREND, 25), (Style.HEDGER, 15), (Style.PRIVATE, 50))
_SUFFIX = {
    Style.MAKER: ("markets", "trading", "liquidity"),
    Style.TREND: ("capital", "systematic", "partners"),
    Style.HEDGER: ("mining", "treasury", "custody"),
}
_CAPITAL = {Style.MAKER: 8_000_000, Style.TREND: 1_500_000, Style.HEDGER: 3_000_000}
_PRIVATE_CAPITAL = 60_000
_REACH_PERCENT = {Style.MAKER: 150, Style.TREND: 150, Style.HEDGER: 80}
_PRIVATE_REACH_PERCENT = (200, 300, 500, 500, 1000, 1000, 2000, 4500)


class Participant(NamedTuple):
    """A firm or a person.

    Attributes:
        account: Its id, the same in every pool.
        style: How it trades.
        capital: What it brings at first, in whole US dollars.
        pools: Where it has an account.
        reach_percent: Its largest position in one instrument, in parts of its capital.
        coins_percent: The part of its capital that it brings in coins, where they count.
    """

    account: str
    style: Style
    capital: int
    pools: tuple[str, ...]
    reach_percent: int = 100
    coins_percent: int = 0


class Holding:
    """A position as its holder sees it.

    Attributes:
        quantity: Signed, smallest units of contracts; long positive.
        variation: Minus the signed value at which it was entered, smallest units.
        is_isolated: Whether it has a margin of its own.
        margin: That margin, smallest units of the settlement asset.
        leverage: As chosen; None: the tier's.
    """

    __slots__ = ("is_isolated", "leverage", "margin", "quantity", "variation")

    def __init__(self) -> None:
        self.quantity = 0
        self.variation = 0
        self.is_isolated = False
        self.margin = 0
        self.leverage: int | None = None

    def take(self, quantity: int, value: int) -> int:
        """Takes `quantity` (signed) worth `value` (signed alike); returns the realized profit."""
        held = self.quantity
        self.quantity = held + quantity
        cash = -value
        if held == 0 or (held > 0) == (quantity > 0):
            self.variation += cash
            return 0
        if abs(quantity) <= abs(held):
            released = self.variation * -quantity // held
            self.variation -= released
            return released + cash
        closing = cash * -held // quantity
        realized = self.variation + closing
        self.variation = cash - closing
        return realized


class Seat:
    """A participant's account in one pool.

    Attributes:
        account, style, capital, reach_percent: As of the participant.
        cash: Settlement asset in its wallet, smallest units; exact but for roundings of one unit.
        coins: Other assets in its wallet, smallest units.
        holdings: By instrument.
        is_touched: The ledger has changed its books by itself: they are close, not exact.
        is_called: It has a margin call.
    """

    __slots__ = (
        "account", "capital", "cash", "coins", "holdings", "is_called", "is_touched",
        "reach_percent", "style",
    )  # fmt: skip

    def __init__(self, participant: Participant) -> None:
        self.account = participant.account
        self.style = participant.style
        self.capital = participant.capital
        self.reach_percent = participant.reach_percent
        self.cash = 0
        self.coins: dict[str, int] = {}
        self.holdings: dict[str, Holding] = {}
        self.is_touched = False
        self.is_called = False

    def list_instrument(self, instrument: str) -> None:
        self.holdings[instrument] = Holding()

    def opened(self, instrument: str, quantity: int) -> int:
        """How much of a trade of `quantity` (signed) would be new position, not negative."""
        held = self.holdings[instrument].quantity
        if held == 0 or (held > 0) == (quantity > 0):
            return abs(quantity)
        return max(0, abs(quantity) - abs(held))

    def trade(self, instrument: str, quantity: int, value: int, fee: int, margin: int = 0) -> None:
        """Takes `quantity` (signed) worth `value` (signed alike), and pays `fee`.

        Args:
            instrument: Of the position.
            quantity: Smallest units, not zero.
            value: Smallest units.
            fee: Negative for a rebate; always from the wallet.
            margin: What an isolated position takes from the wallet for its new part.
        """
        holding = self.holdings[instrument]
        held = holding.quantity
        realized = holding.take(quantity, value)
        self.cash -= fee
        if not holding.is_isolated:
            self.cash += realized
            return
        holding.margin += realized
        if holding.quantity == 0 or (held and (held > 0) != (holding.quantity > 0)):
            back = max(0, holding.margin)
            holding.margin -= back
            self.cash += back
        holding.margin += margin
        self.cash -= margin

    def credit(self, instrument: str, amount: int) -> None:
        """Books `amount` (signed) to where the money of this position is."""
        holding = self.holdings[instrument]
        if holding.is_isolated:
            holding.margin += amount
        else:
            self.cash += amount

    def settle(self, instrument: str, value: int) -> None:
        """Is paid out its gain at `value` (signed, all of the position), which becomes its cost."""
        holding = self.holdings[instrument]
        self.credit(instrument, holding.variation + value)
        holding.variation = -value

    def leave(self, instrument: str) -> None:
        """Forgets an expired instrument, already settled."""
        self.cash += max(0, self.holdings.pop(instrument).margin)


def roster(random: Random, count: int, first: int = 0) -> Sequence[Participant]:
    """`count` participants, numbered on from `first`; ids never repeat."""
    return [_participant(random, number) for number in range(first, first + count)]


def _participant(random: Random, number: int) -> Participant:
    style = _style_of(number)
    if style is Style.PRIVATE:
        account = f"p-{100_000 + number * 137 % 900_000}"
        capital = _PRIVATE_CAPITAL * (20 + int(random.random() * 180)) // 100
        reach = _PRIVATE_REACH_PERCENT[number // 2 % len(_PRIVATE_REACH_PERCENT)]
    else:
        suffixes = _SUFFIX[style]
        generation, place = divmod(number, len(_NAMES))
        account = f"{_NAMES[place]}-{suffixes[int(random.random() * len(suffixes))]}"
        account += f"-{generation + 1}" if generation else ""
        capital = _CAPITAL[style] * (50 + int(random.random() * 150)) // 100
        reach = _REACH_PERCENT[style]
    chance = random.random()
    coins = 66 if style is Style.HEDGER else 0
    if style is Style.MAKER or chance < 0.15:  # noqa: PLR2004 - the share with both accounts
        return Participant(account, style, capital, ("usdt", "btc"), reach, coins)
    pools = ("btc",) if chance > 0.75 else ("usdt",)  # noqa: PLR2004
    return Participant(account, style, capital, pools, reach, coins)


def _style_of(number: int) -> Style:
    """Styles in fixed shares of every hundred; 37 has no factor in common with 100."""
    place = number * 37 % 100
    for style, share in _SHARES:
        if place < share:
            return style
        place -= share
    raise AssertionError(f"the shares of the styles do not sum to 100; {place} is left")
