"""What the exchange reckons of an account before money leaves it: enough to be sure of the answer.

Rules of this file:

* The ledger decides on margin; the exchange only asks for what is surely granted or surely refused,
  and leaves the ground between alone. So it need not know the margin to the last unit.
* Coins count nothing, gains count nothing where an answer must be yes: `sure` is what would be left
  in the wallet if every loss were realized now.
* A twentieth of all positions (`gross // 20`) is kept as a distance for what the exchange may not
  know yet: prices have moved less than that since it last heard of liquidations, for it asks in
  calm hours alone.
* An account that the ledger has touched by itself (a takeover, a deleveraging), or that has a
  margin call, asks for nothing.
"""

from typing import NamedTuple

from ledger.demo.participants import Seat
from ledger.demo.venue import Venue

_DISTANCE = 20


class Standing(NamedTuple):
    """The cross account of a seat at the latest marks, smallest units of the settlement asset.

    Attributes:
        sure: Cash less all losses of cross positions.
        equity: Cash with all gains and losses of cross positions.
        initial: Margin of the cross positions.
        gross: What they are worth, signs apart.
    """

    sure: int
    equity: int
    initial: int
    gross: int


def standing(venue: Venue, pool: str, seat: Seat) -> Standing:
    """Reckons an account; 3 us a position."""
    sure = equity = seat.cash
    initial = gross = 0
    for name, holding in seat.holdings.items():
        if holding.is_isolated or not holding.quantity:
            continue
        market = venue.markets[name]
        assert market.contract.pool == pool
        value = market.contract.value(holding.quantity, market.mark)
        profit = holding.variation + value
        equity += profit
        sure += min(profit, 0)
        gross += abs(value)
        initial += market.contract.initial(abs(value), holding.leverage)
    return Standing(sure, equity, initial, gross)


def surely_free(venue: Venue, pool: str, seat: Seat) -> int:
    """So much can leave the wallet without any doubt; 0 when in doubt."""
    if seat.is_touched or seat.is_called or not venue.is_calm:
        return 0
    found = standing(venue, pool, seat)
    return max(0, found.sure - found.initial - found.gross // _DISTANCE)


def surely_refused(venue: Venue, pool: str, seat: Seat) -> int:
    """An amount that is in the wallet, and must stay there for margin; 0 when there is none.

    The account is far from liquidation (equity twice the initial margin), holds no coins, and its
    losses are small against its cash, so that its balance is known well enough.
    """
    if seat.is_touched or seat.is_called or seat.coins or not venue.is_calm:
        return 0
    found = standing(venue, pool, seat)
    amount = found.sure * 98 // 100
    distance = found.initial // 4 + found.gross // 1000
    stays = found.equity >= 2 * found.initial
    refused = amount > found.equity - found.initial + distance
    return amount if stays and refused and amount > 0 else 0
