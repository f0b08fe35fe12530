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

LIQUIDATION = "@liquidation"
_SPREAD_PPM = 120
_SMALLEST_SHARE = {Style.PRIVATE: 5}
_SMALLEST_SHARE_ELSE = 12
"""A taker trades up to this part of its limit at once."""
_TAKERS_MIN = 3
_MAKERS_MIN = 2


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
        seats: The pool's accounts, at least two market makers and three others among them.
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
        self.path = path
        self._random = random
        self._seats: list[Seat] = []
        self._makers: list[Seat] = []
        self._takers: list[Seat] = []
        for seat in seats:
            self.admit(seat)
        self.reprice()

    def admit(self, seat: Seat) -> None:
        """Gives an account access."""
        self._seats.append(seat)
        if seat.style is Style.MAKER:
            self._makers.append(seat)
        elif seat.style is not Style.CONCENTRATED:
            self._takers.append(seat)
        seat.list_instrument(self.contract.instrument)

    def dismiss(self, seat: Seat) -> None:
        """Takes its orders off the book for good; the last few stay, for a market needs them."""
        for side, least in ((self._makers, _MAKERS_MIN), (self._takers, _TAKERS_MIN)):
            if seat in side and len(side) > least:
                side.remove(seat)

    @property
    def seats(self) -> Sequence[Seat]:
        return self._seats

    @property
    def makers(self) -> Sequence[Seat]:
        return self._makers

    def reprice(self) -> None:
        """The mark follows the path: its price, the premium, down to a whole tick."""
        contract = self.contract
        dollars_ppm = self.path.price * (MILLION + contract.premium_ppm)
        price = dollars_ppm * 10**contract.price_scale // MILLION**2
        self.mark = max(price - price % contract.tick, contract.tick)

    def index(self) -> int:
        """The index price, smallest units of the price: the path without the premium."""
        return int(self.path.price * 10**self.contract.price_scale // MILLION)

    def limit(self, seat: Seat) -> int:
        """Largest position of an account at this mark, smallest units."""
        contract = self.contract
        dollars = seat.capital * seat.reach_percent * contract.reach_percent // 10_000
        return contract.units(dollars, self.mark)

    def trade(self, event_id: str, occurred_at: str) -> bytes:
        """Strikes a trade and returns its message."""
        draw = self._random.random
        takers = self._takers
        taker = takers[int(draw() * len(takers))]
        held = taker.holdings[self.contract.instrument].quantity
        limit = self.limit(taker)
        size = draw()
        share = _SMALLEST_SHARE.get(taker.style, _SMALLEST_SHARE_ELSE)
        quantity = int(limit * size * size / share) + 1
        side = self._side(taker, held, limit)
        spread = self.mark * _SPREAD_PPM // MILLION
        price = self.mark + int((draw() * 3 - 1) * spread / 2) * side
        price -= price % self.contract.tick
        return self._strike(event_id, occurred_at, side * quantity, price, taker)

    def build(self, event_id: str, occurred_at: str, seat: Seat, quantity: int) -> bytes:
        """A trade of `quantity` (signed) at the mark, for an account that says what it wants."""
        return self._strike(event_id, occurred_at, quantity, self.mark, seat)

    def close_out(
        self, event_id: str, occurred_at: str, quantity: int, price: int, liquidation_id: str
    ) -> bytes:
        """`@liquidation` takes `quantity` (signed) at `price`, as a taker, from a market maker."""
        side = 1 if quantity > 0 else -1
        maker = self._maker(side)
        value = self.contract.value(abs(quantity), price)
        maker_fee, taker_fee = _fees(abs(value))
        self._take(maker, -quantity, -side * value, maker_fee, price)
        names = (LIQUIDATION, maker.account), (taker_fee, maker_fee)
        return self._message(
            event_id, occurred_at, price, abs(quantity), *(_turned(names, side)), liquidation_id
        )

    def _strike(
        self, event_id: str, occurred_at: str, quantity: int, price: int, taker: Seat
    ) -> bytes:
        """`quantity` is signed: what the taker takes."""
        side = 1 if quantity > 0 else -1
        maker = self._counterparty(taker, side)
        size = abs(quantity)
        value = self.contract.value(size, price)
        maker_fee, taker_fee = _fees(abs(value))
        self._take(taker, quantity, side * value, taker_fee, price)
        self._take(maker, -quantity, -side * value, maker_fee, price)
        if side > 0:
            buyer, seller, buyer_fee, seller_fee = taker, maker, taker_fee, maker_fee
        else:
            buyer, seller, buyer_fee, seller_fee = maker, taker, maker_fee, taker_fee
        raw = self._message(
            event_id,
            occurred_at,
            price,
            size,
            (buyer.account, seller.account),
            (buyer_fee, seller_fee),
        )
        self.struck = Struck(event_id, value, size, buyer, seller, buyer_fee, seller_fee, raw)
        return raw

    def _take(self, seat: Seat, quantity: int, value: int, fee: int, price: int) -> None:
        name = self.contract.instrument
        holding = seat.holdings[name]
        margin = 0
        if holding.is_isolated:
            opened = self.contract.value(seat.opened(name, quantity), price)
            margin = self.contract.initial(abs(opened), holding.leverage)
        seat.trade(name, quantity, value, fee, margin)

    def _message(
        self,
        event_id: str,
        occurred_at: str,
        price: int,
        quantity: int,
        accounts: tuple[str, str],
        fees: tuple[int, int],
        liquidation_id: str | None = None,
    ) -> bytes:
        """`accounts` and `fees`: buyer's, seller's."""
        self.traded += 1
        contract, text = self.contract, self.text
        named = "" if liquidation_id is None else f',"liquidation_id":"{liquidation_id}"'
        return (
            f'{{"kind":"trade","event_id":"{event_id}","pool":"{contract.pool}",'
            f'"occurred_at":"{occurred_at}","trade_id":"{self.traded}",'
            f'"instrument":"{contract.instrument}",'
            f'"price":"{text.price(price)}","quantity":"{text.quantity(quantity)}",'
            f'"buyer":"{accounts[0]}","seller":"{accounts[1]}",'
            f'"buyer_fee":"{text.amount(fees[0])}","seller_fee":"{text.amount(fees[1])}"{named}}}'
        ).encode()

    def bust(self, struck: Struck) -> None:
        """Takes a trade back: the opposite trade at its price, fees returned."""
        name = self.contract.instrument
        struck.buyer.trade(name, -struck.quantity, -struck.value, -struck.buyer_fee)
        struck.seller.trade(name, struck.quantity, struck.value, -struck.seller_fee)

    def pay_funding(self, rate_ppm: int) -> None:
        """Longs pay `rate_ppm` of their value at the mark, shorts receive; negative turns it."""
        name = self.contract.instrument
        for seat in self._seats:
            quantity = seat.holdings[name].quantity
            worth = abs(self.contract.value(abs(quantity), self.mark))
            seat.credit(name, -((worth if quantity > 0 else -worth) * rate_ppm // MILLION))

    def settle(self) -> None:
        """Pays every gain out at the mark."""
        name = self.contract.instrument
        for seat in self._seats:
            seat.settle(name, self.contract.value(seat.holdings[name].quantity, self.mark))

    def end(self) -> None:
        """Settles for good; nobody holds the contract any more."""
        self.settle()
        for seat in self._seats:
            seat.leave(self.contract.instrument)

    def _side(self, taker: Seat, held: int, limit: int) -> int:
        """1 to buy, -1 to sell."""
        mood = self._random.random()
        if held >= limit:
            return -1
        if held <= -limit:
            return 1
        if taker.style is Style.TREND:
            rising = self.path.price > self.path.before
            return 1 if (mood < 0.8) == rising else -1  # noqa: PLR2004 - four of five follow
        if taker.style is Style.HEDGER:
            return 1 if mood < 0.35 else -1  # noqa: PLR2004 - hedgers sell two of three times
        return 1 if mood < 0.53 else -1  # noqa: PLR2004 - private people like to buy

    def _counterparty(self, taker: Seat, side: int) -> Seat:
        """Who takes the other side."""
        draw = self._random.random
        if draw() < 0.15:  # noqa: PLR2004 - one in seven trades has no market maker
            takers = self._takers
            place = int(draw() * len(takers))
            other = takers[place]
            return takers[place - 1] if other is taker else other
        return self._maker(side)

    def _maker(self, side: int) -> Seat:
        """For a taker's side: of two market makers drawn, the one whose inventory wants it."""
        draw = self._random.random
        makers = self._makers
        one = makers[int(draw() * len(makers))]
        two = makers[int(draw() * len(makers))]
        name = self.contract.instrument
        lean = one.holdings[name].quantity - two.holdings[name].quantity
        return one if lean * side > 0 else two


def _fees(notional: int) -> tuple[int, int]:
    """Of maker (a rebate) and taker."""
    return notional * MAKER_FEE_PPM // MILLION, notional * TAKER_FEE_PPM // MILLION


def _turned(
    sides: tuple[tuple[str, str], tuple[int, int]], side: int
) -> tuple[tuple[str, str], tuple[int, int]]:
    """Taker and maker as buyer and seller."""
    (taker, maker), (taker_fee, maker_fee) = sides
    if side > 0:
        return sides
    return (maker, taker), (maker_fee, taker_fee)
