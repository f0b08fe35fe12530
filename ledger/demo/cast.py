"""The concentrated funds of a day with a crash: large longs that the crash ruins.

They are sized after the market makers' capital, so that they matter to any crowd. In the hours
before the crash each builds its position at the mark, in equal parts.

* `icarus-capital` holds SOL, which falls so fast that its book is empty: the ledger deleverages.
* `midas-mining` holds ETH on the collateral of its coins, which are seized.
* `daedalus-partners` is liquidated part by part, and sold into a thin book: the fund pays.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ledger.demo.listings import BTCUSD_PERP, ETH_PERP, SOL_PERP
from ledger.demo.opening import makers_capital
from ledger.demo.participants import Participant, Style
from ledger.demo.venue import Venue
from ledger.demo.wire import WireMessage

PARTS = 10
_FIRST_MINUTE = 180
_EVERY = 5


class Role(NamedTuple):
    """A fund, what it holds, and how far it goes.

    Attributes:
        leverage: Of its position, when it is built.
        capital_part: Its capital, as this part of the market makers'.
        coins_percent: Of its capital.
    """

    name: str
    pool: str
    instrument: str
    leverage: int
    capital_part: int
    coins_percent: int = 0


ROLES = (
    Role("icarus-capital", "usdt", SOL_PERP.instrument, 8, 60),
    Role("midas-mining", "usdt", ETH_PERP.instrument, 6, 100, 90),
    Role("daedalus-partners", "btc", BTCUSD_PERP.instrument, 14, 80),
)


def funds(venue: Venue, others: Sequence[Participant]) -> list[Participant]:
    """The funds as participants of this day; `others` join with them."""
    joining = []
    for role in ROLES:
        capital = makers_capital(venue, role.pool) if venue.seats else 0
        capital += sum(
            each.capital for each in others if each.style is Style.MAKER and role.pool in each.pools
        )
        joining.append(
            Participant(
                _account(role, venue.day),
                Style.CONCENTRATED,
                capital // role.capital_part,
                (role.pool,),
                coins_percent=role.coins_percent,
            )
        )
    return joining


def build(venue: Venue, minute: int) -> Iterator[WireMessage]:
    """The parts that the funds buy in this minute of a day with a crash."""
    step, rest = divmod(minute - _FIRST_MINUTE, _EVERY)
    if rest or not 0 <= step < PARTS:
        return
    for role in ROLES:
        market = venue.markets[role.instrument]
        seat = venue.seats[role.pool][_account(role, venue.day)]
        quantity = market.contract.units(seat.capital * role.leverage // PARTS, market.mark)
        venue.tally.applied["trade"] += 1
        raw = market.build(venue.next_id("t"), venue.clock.stamp(), seat, quantity)
        yield venue.wrap("trades", role.pool, raw)


def _account(role: Role, day: int) -> str:
    return role.name if day == 0 else f"{role.name}-{day + 1}"
