"""The seeded exchange: one simulated day after another, as wire messages in order of time.

Same seed, same participants, same sizes: same bytes. A day is 1,440 minutes. Each begins with new
prices; trades follow, spread over the markets by weight; money moves, mistakes are made, funding
falls due, the daily future is settled twice and ends at 20:00. What should become of every message
is counted in `tally` as it is made.
"""

from collections.abc import Iterator

from ledger.demo.listings import EXPIRY_MS, daily_future
from ledger.demo.market import Market
from ledger.demo.mistakes import bust, mistake, stranger_joins, too_late
from ledger.demo.opening import collateral_price, opening, price_message
from ledger.demo.participants import roster
from ledger.demo.prices import Spell, weather
from ledger.demo.tally import Tally
from ledger.demo.transfers import adjustment, transfer
from ledger.demo.venue import Venue
from ledger.demo.wire import WireMessage, decimal_text

MINUTE_MS = 60_000
MINUTES = 1_440
PRICES_A_MINUTE = 6
"""Messages that a minute has beside its trades."""

_NEWCOMERS = 5
_FUNDING_MINUTES = (480, 960, MINUTES - 1)
"""Every eight hours; the last minute of the day stands for its midnight."""
_SETTLEMENT_MINUTES = (480, 960)
_EXPIRY_MINUTE = EXPIRY_MS // MINUTE_MS
_BUST_MINUTE = 840
_ADJUSTMENT_MINUTE = 900
_TRANSFER_EVERY = 4
_MISTAKE_EVERY = 20


class Exchange:
    """A simulated exchange.

    Args:
        seed: Of all chance in it.
        participants: On the first day.
    """

    def __init__(self, seed: int, participants: int) -> None:
        self._venue = Venue(seed)
        self._participants = participants
        self._joined = 0
        self._days = 0
        self._mistakes = 0

    @property
    def tally(self) -> Tally:
        """Of the day under way."""
        return self._venue.tally

    def day(self, events: int) -> Iterator[WireMessage]:
        """The messages of the next day, about `events` of them."""
        venue = self._venue
        venue.begin_day(self._days)
        count = _NEWCOMERS if self._days else self._participants
        newcomers = roster(venue.random, count, self._joined)
        self._joined += count
        self._days += 1
        yield from opening(venue, newcomers, f"s{venue.seed}d{venue.day}-insurance")
        spells = weather(venue.random, venue.day)
        trades = max(1, events // MINUTES - PRICES_A_MINUTE)
        for minute in range(1, MINUTES):
            yield from self._minute(minute, spells, trades)
        yield from stranger_joins(venue)

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
            yield collateral_price(venue)
        yield from self._scheduled(minute)
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
