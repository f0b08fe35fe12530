"""One instrument's market on the simulated exchange: marks, trades near them, fees.

Who trades: a taker, drawn evenly, decides on side and size after its style; a market maker takes
the other side six times in seven, another taker else. Of two makers drawn, the one whose inventory
wants the trade gets it. A taker at its limit turns around. A trade costs 6 us, bytes included.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from ledger.demo.listings import MAKER_FEE_PPM, MILLION, TAKER_FEE_PPM, Contract, texts
from ledger.demo.participants import Seat, Style
from ledger.demo.prices import Path

_LEVERAGE = {Style.MAKER: 4, Style.TREND: 5, Style.HEDGER: 2, Style.PRIVATE: 8}
"""Largest position, as a multiple of capital."""
_SPREAD_PPM = 120
_SMALLEST_SHARE = 12
"""A taker trades up to this part of its limit at once."""


class Struck(NamedTuple):
    """A trade as it was sent: enough to bust it or to send it again.

    Attributes:
        quantity: Smallest units, positive.
        value: Signed value of `quantity`, smallest units.
    """

    event_id: str
    value: int
    quantity: int
    buyer: Seat
    seller: Seat
    buyer_fee: int
    seller_fee: int
    raw: bytes


class Market:
    """The market of one contract.

    Args:
        contract: Its terms.
        seats: The pool's accounts, at least one market maker and two others among them.
        path: The price that it follows.
        random: The one source of chance of the exchange.
    """

    def __init__(
        self, contract: Contract, seats: Sequence[Seat], path: Path, random: Random
    ) -> None:
        self.contract = contract
        self.text = texts(contract)
        self.mark = 0
        self.struck: Struck | None = None
        self.traded = 0
        self._path = path
        self._random = random
        self._makers: list[Seat] = []
        self._takers: list[Seat] = []
        for seat in seats:
            self.admit(seat)
        self.reprice()

    def admit(self, seat: Seat) -> None:
        """Gives an account access."""
        (self._makers if seat.style is Style.MAKER else self._takers).append(seat)
        seat.list_instrument(self.contract.instrument)

    @property
    def seats(self) -> Sequence[Seat]:
        return [*self._makers, *self._takers]

    def reprice(self) -> None:
        """The mark follows the path: its price, the premium, down to a whole tick."""
        contract = self.contract
        dollars_ppm = self._path.price * (MILLION + contract.premium_ppm)
        price = dollars_ppm * 10**contract.price_scale // MILLION**2
        self.mark = max(price - price % contract.tick, contract.tick)

    def index(self) -> int:
        """The index price, smallest units of the price: the path without the premium."""
        return int(self._path.price * 10**self.contract.price_scale // MILLION)

    def limit(self, seat: Seat) -> int:
        """Largest position of an account at this mark, smallest units."""
        contract = self.contract
        dollars = seat.capital * _LEVERAGE[seat.style]
        units = dollars * 10**contract.quantity_scale // contract.multiplier
        return int(units if contract.is_inverse else units * 10**contract.price_scale // self.mark)

    def trade(self, event_id: str, occurred_at: str) -> bytes:
        """Strikes a trade and returns its message."""
        draw = self._random.random
        contract = self.contract
        name = contract.instrument
        takers = self._takers
        taker = takers[int(draw() * len(takers))]
        held = taker.holdings[name].quantity
        limit = self.limit(taker)
        size = draw()
        quantity = int(limit * size * size / _SMALLEST_SHARE) + 1
        side = self._side(taker, held, limit)
        spread = self.mark * _SPREAD_PPM // MILLION
        price = self.mark + int((draw() * 3 - 1) * spread / 2) * side
        price -= price % contract.tick
        maker = self._maker(taker, side)
        value = contract.value(quantity, price)
        notional = abs(value)
        maker_fee = notional * MAKER_FEE_PPM // MILLION
        taker_fee = notional * TAKER_FEE_PPM // MILLION
        taker.trade(name, side * quantity, side * value, taker_fee)
        maker.trade(name, -side * quantity, -side * value, maker_fee)
        if side > 0:
            buyer, seller, buyer_fee, seller_fee = taker, maker, taker_fee, maker_fee
        else:
            buyer, seller, buyer_fee, seller_fee = maker, taker, maker_fee, taker_fee
        self.traded += 1
        amount = self.text.amount
        raw = (
            f'{{"kind":"trade","event_id":"{event_id}","pool":"{contract.pool}",'
            f'"occurred_at":"{occurred_at}","trade_id":"{self.traded}","instrument":"{name}",'
            f'"price":"{self.text.price(price)}","quantity":"{self.text.quantity(quantity)}",'
            f'"buyer":"{buyer.account}","seller":"{seller.account}",'
            f'"buyer_fee":"{amount(buyer_fee)}","seller_fee":"{amount(seller_fee)}"}}'
        ).encode()
        self.struck = Struck(event_id, value, quantity, buyer, seller, buyer_fee, seller_fee, raw)
        return raw

    def bust(self, struck: Struck) -> None:
        """Takes a trade back: the opposite trade at its price, fees returned."""
        name = self.contract.instrument
        struck.buyer.trade(name, -struck.quantity, -struck.value, -struck.buyer_fee)
        struck.seller.trade(name, struck.quantity, struck.value, -struck.seller_fee)

    def pay_funding(self, rate_ppm: int) -> None:
        """Longs pay `rate_ppm` of their value at the mark, shorts receive; negative turns it."""
        name = self.contract.instrument
        for seat in self.seats:
            quantity = seat.holdings[name].quantity
            worth = abs(self.contract.value(abs(quantity), self.mark))
            seat.cash -= (worth if quantity > 0 else -worth) * rate_ppm // MILLION

    def settle(self) -> None:
        """Pays every gain out at the mark."""
        name = self.contract.instrument
        for seat in self.seats:
            seat.settle(name, self.contract.value(seat.holdings[name].quantity, self.mark))

    def end(self) -> None:
        """Settles for good; nobody holds the contract any more."""
        self.settle()
        for seat in self.seats:
            seat.leave(self.contract.instrument)

    def _side(self, taker: Seat, held: int, limit: int) -> int:
        """1 to buy, -1 to sell."""
        mood = self._random.random()
        if held >= limit:
            return -1
        if held <= -limit:
            return 1
        if taker.style is Style.TREND:
            rising = self._path.price > self._path.before
            return 1 if (mood < 0.8) == rising else -1  # noqa: PLR2004 - four of five follow
        if taker.style is Style.HEDGER:
            return 1 if mood < 0.35 else -1  # noqa: PLR2004 - hedgers sell two of three times
        return 1 if mood < 0.53 else -1  # noqa: PLR2004 - private people like to buy

    def _maker(self, taker: Seat, side: int) -> Seat:
        """Who takes the other side."""
        draw = self._random.random
        if draw() < 0.15:  # noqa: PLR2004 - one in seven trades has no market maker
            takers = self._takers
            place = int(draw() * len(takers))
            other = takers[place]
            return takers[place - 1] if other is taker else other
        makers = self._makers
        one = makers[int(draw() * len(makers))]
        two = makers[int(draw() * len(makers))]
        name = self.contract.instrument
        lean = one.holdings[name].quantity - two.holdings[name].quantity
        return one if lean * side > 0 else two
