"""The seeded exchange: simulated days, slot by slot, and its answers to what the ledger decided.

Same seed, same participants, same sizes, same records: same bytes. A day is 1,440 minutes, cut into
slots. A slot's messages are sent; when the ledger has booked them, its records come back; what the
exchange answers to them goes out before the next slot:

    exchange.begin_day(60_000)
    answers = ()
    while slot := exchange.slot():
        answers = exchange.answer(records_of([*answers, *slot]))

Each minute begins with new prices; trades follow, spread over the markets by weight; money moves,
mistakes are made, funding falls due, the daily future is settled twice and ends at 20:00. A slot
ends with a price in each pool, whose record tells that all before it has been published. What
should become of every message is counted in a tally as it is made.

Slots are twenty minutes long in quiet hours, one minute while prices fall, five while they recover:
so often does the liquidation desk look at its inventories.
"""

from collections.abc import Iterator, Sequence

from ledger.demo import cast
from ledger.demo.chronicle import Chronicle
from ledger.demo.desk import Desk
from ledger.demo.listings import EXPIRY_MS, LEAD, POOLS, daily_future
from ledger.demo.market import Market
from ledger.demo.mistakes import bust, mistake, stranger_joins, too_late
from ledger.demo.notices import note
from ledger.demo.opening import (
    collateral_prices,
    first_insurance,
    insurance_message,
    opening,
    price_message,
)
from ledger.demo.participants import roster
from ledger.demo.prices import Spell, crashes, weather
from ledger.demo.records import Published
from ledger.demo.tally import Tally
from ledger.demo.transfers import adjustment, transfer
from ledger.demo.venue import Venue
from ledger.demo.wire import WireMessage, decimal_text

MINUTE_MS = 60_000
MINUTES = 1_440
PRICES_A_MINUTE = 7
"""Messages that a minute has beside its trades."""

_NEWCOMERS = 5
_FUNDING_MINUTES = (480, 960, MINUTES - 1)
"""Every eight hours; the last minute of the day stands for its midnight."""
_SETTLEMENT_MINUTES = (480, 960)
_EXPIRY_MINUTE = EXPIRY_MS // MINUTE_MS
_BUST_MINUTE = 840
_ADJUSTMENT_MINUTE = 900
_REFILL_MINUTE = 1_020
"""When the exchange pays into the funds that a crash has drained."""
_TRANSFER_EVERY = 4
_MISTAKE_EVERY = 20

_QUIET_SLOT = 20
_RECOVERY_SLOT = 5
_RECOVERY_MINUTES = 30
_FALL_MINUTES = 20
"""From the beginning of a fall: a slot is one minute so long."""
_LAST_ROUNDS = 3
"""After the day's last minute the desk has so many turns more."""


class Exchange:
    """A simulated exchange.

    Args:
        seed: Of all chance in it.
        participants: On the first day.

    Attributes:
        chronicle: Of all records answered so far, of all days.
    """

    def __init__(self, seed: int, participants: int) -> None:
        self._venue = Venue(seed)
        self._desk = Desk()
        self._participants = participants
        self._joined = 0
        self._days = 0
        self._mistakes = 0
        self._slots: Iterator[list[WireMessage]] = iter(())
        self._is_answering = False
        self.chronicle = Chronicle()

    def begin_day(self, events: int) -> None:
        """The next day, of about `events` messages."""
        self._venue.begin_day(self._days)
        self._slots = self._day(max(1, events // MINUTES - PRICES_A_MINUTE))
        self._days += 1

    def slot(self) -> Sequence[WireMessage]:
        """The messages of the next slot; none when the day is over."""
        return next(self._slots, [])

    def answer(self, records: Sequence[Published]) -> Sequence[WireMessage]:
        """Reads what the ledger decided, and closes what it took over as far as the market lets it.

        Args:
            records: All of the slot at hand: pool by pool, in order of their sequence.

        Returns:
            Close-out trades, to be sent before the next slot.
        """
        for record in records:
            self.chronicle.note(record)
            self._desk.note(record, self._venue.contracts)
            note(self._venue, record)
        answers = list(self._desk.orders(self._venue))
        self._is_answering = bool(answers)
        return answers

    def take_tally(self) -> Tally:
        """What was made since this was asked before, by expected fate."""
        taken, self._venue.tally = self._venue.tally, Tally()
        return taken

    @property
    def empty_books(self) -> int:
        """How many times the desk met an empty book."""
        return self._desk.empty_books

    def _day(self, trades: int) -> Iterator[list[WireMessage]]:
        venue = self._venue
        newcomers = roster(
            venue.random, _NEWCOMERS if venue.day else self._participants, self._joined
        )
        self._joined += len(newcomers)
        if crashes(venue.day):
            newcomers = [*newcomers, *cast.funds(venue, newcomers)]
        first_id = f"s{venue.seed}d{venue.day}-insurance"
        yield [*opening(venue, newcomers, first_id), *self._marks()]
        spells = weather(venue.random, venue.day)
        made: list[WireMessage] = []
        for minute in range(1, MINUTES):
            made += self._minute(minute, spells, trades)
            if _ends_slot(minute, spells[0].begin_ms // MINUTE_MS) or minute == MINUTES - 1:
                yield made + self._marks()
                made = []
        yield [*stranger_joins(venue), *self._marks()]
        for _ in range(_LAST_ROUNDS):
            if not self._is_answering:
                return
            yield self._marks()

    def _marks(self) -> list[WireMessage]:
        venue = self._venue
        return [price_message(venue, venue.markets[LEAD[terms.pool]]) for terms in POOLS]

    def _minute(self, minute: int, spells: tuple[Spell, ...], trades: int) -> Iterator[WireMessage]:
        venue = self._venue
        begin, end = (minute - 1) * MINUTE_MS, minute * MINUTE_MS
        venue.clock.reach(end)
        pull = sum(spell.move(begin, end) for spell in spells)
        for path in venue.paths.values():
            path.step(begin, end, pull)
        for market in venue.markets.values():
            market.reprice()
            yield price_message(venue, market)
        if minute % 60 == 0:
            yield from collateral_prices(venue)
        yield from self._scheduled(minute)
        if crashes(venue.day):
            yield from cast.build(venue, minute)
        yield from self._trades(trades)
        if minute % _TRANSFER_EVERY == 0:
            yield from transfer(venue)
        if minute % _MISTAKE_EVERY == 0:
            yield from mistake(venue, self._mistakes)
            self._mistakes += 1

    def _trades(self, count: int) -> Iterator[WireMessage]:
        venue = self._venue
        markets = list(venue.markets.values())
        weights = [market.contract.weight for market in markets]
        for market in venue.random.choices(markets, weights, k=count):
            venue.tally.applied["trade"] += 1
            raw = market.trade(venue.next_id("t"), venue.clock.stamp())
            yield venue.wrap("trades", market.contract.pool, raw)

    def _scheduled(self, minute: int) -> Iterator[WireMessage]:
        venue = self._venue
        if minute in _FUNDING_MINUTES:
            for market in venue.markets.values():
                if market.contract.is_perpetual:
                    yield self._funding(market)
        future = venue.markets.get(_future_of(venue))
        if future is not None and minute in _SETTLEMENT_MINUTES:
            future.settle()
            yield self._at_price("settlement", future)
        if future is not None and minute == _EXPIRY_MINUTE:
            future.end()
            yield self._at_price("expiry", future)
            del venue.markets[future.contract.instrument]
            yield too_late(venue, future.contract.instrument)
        if minute == _BUST_MINUTE:
            yield from bust(venue)
        if minute == _ADJUSTMENT_MINUTE:
            yield adjustment(venue)
        if minute == _REFILL_MINUTE and crashes(venue.day):
            for terms in POOLS:
                yield insurance_message(venue, terms, first_insurance(venue, terms))

    def _funding(self, market: Market) -> WireMessage:
        """The rate leans with the last move: longs pay after a rise."""
        venue = self._venue
        path = venue.paths[market.contract.follows]
        rate_ppm = 100 if path.price >= path.before else -50
        market.pay_funding(rate_ppm)
        fields = {
            "instrument": market.contract.instrument,
            "rate": decimal_text(6)(rate_ppm),
            "mark_price": market.text.price(market.mark),
        }
        return venue.good("funding", "funding_rate", market.contract.pool, fields)

    def _at_price(self, kind: str, market: Market) -> WireMessage:
        contract = market.contract
        fields = {"instrument": contract.instrument, "price": market.text.price(market.mark)}
        return self._venue.good("prices", kind, contract.pool, fields)


def _future_of(venue: Venue) -> str:
    return daily_future(venue.clock.midnight.strftime("%d%b%y").upper()).instrument


def _ends_slot(minute: int, fall: int) -> bool:
    """Whether a slot ends with this minute of a day whose prices begin to move at minute `fall`."""
    since = minute - fall
    if 0 <= since < _FALL_MINUTES:
        return True
    length = _RECOVERY_SLOT if 0 <= since < _FALL_MINUTES + _RECOVERY_MINUTES else _QUIET_SLOT
    return minute % length == 0
