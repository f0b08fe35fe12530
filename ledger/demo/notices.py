"""What the records of the ledger tell the exchange of its participants' accounts.

A liquidated account is out of the market: its orders are taken off every book of the pool. Of an
isolated position that is liquidated, only the position is gone.
"""

from ledger.demo.listings import COIN_SCALES, SCALES
from ledger.demo.market import Market
from ledger.demo.participants import Seat
from ledger.demo.records import Published, whole
from ledger.demo.venue import Venue


def note(venue: Venue, record: Published) -> None:
    """Books a record to the seat that it is about; records about none are passed over."""
    body = record.body
    pool = venue.seats.get(record.pool, {})
    name = record.subject if record.kind == "isolated_shortfall" else body.get("account")
    seat = pool.get(name) if name is not None else None
    if seat is None:
        return
    scale = SCALES[record.pool]
    match record.kind:
        case "liquidation" if body["margin_instrument"] is None:
            seat.is_touched = True
            for market in venue.markets.values():
                if market.contract.pool == record.pool:
                    market.dismiss(seat)
        case "takeover":
            _take_over(venue, seat, record)
        case "deleveraged":
            _deleverage(venue, seat, record)
        case "seizure":
            asset = body["asset"]
            seat.coins[asset] -= whole(body["quantity"], COIN_SCALES[asset])
            _credit(seat, None, whole(body["value"], scale))
        case "made_whole":
            _credit(seat, body["margin_instrument"], whole(body["amount"], scale))
        case "socialized_loss":
            _credit(seat, body["margin_instrument"], -whole(body["share"], scale))
        case "isolated_shortfall":
            missing = whole(body["missing"], scale)
            _credit(seat, body["instrument"], -missing)
            _credit(seat, None, missing)
        case "margin_call" if body["margin_instrument"] is None:
            seat.is_called = True
        case "margin_call_end" if body["margin_instrument"] is None:
            seat.is_called = False
        case _:
            pass


def _market(venue: Venue, record: Published) -> Market | None:
    """None once the instrument has expired: its positions are gone for everybody."""
    return venue.markets.get(record.body["instrument"])


def _take_over(venue: Venue, seat: Seat, record: Published) -> None:
    """The account sells `quantity` (signed) at the takeover value."""
    seat.is_touched = True
    market = _market(venue, record)
    if market is not None:
        contract = market.contract
        quantity = whole(record.body["quantity"], contract.quantity_scale)
        value = whole(record.body["takeover_value"], contract.asset_scale)
        seat.trade(contract.instrument, -quantity, -value, 0)


def _deleverage(venue: Venue, seat: Seat, record: Published) -> None:
    """The account closes `quantity`; a buyer of linear contracts pays, of inverse ones receives."""
    seat.is_touched = True
    market = _market(venue, record)
    if market is not None:
        contract = market.contract
        amount = whole(record.body["amount"], contract.asset_scale)
        buys = (amount < 0) != contract.is_inverse
        quantity = whole(record.body["quantity"], contract.quantity_scale)
        seat.trade(contract.instrument, quantity if buys else -quantity, -amount, 0)


def _credit(seat: Seat, instrument: str | None, amount: int) -> None:
    """Books to the wallet, or to an isolated margin; that of an expired contract is gone."""
    seat.is_touched = True
    if instrument is None:
        seat.cash += amount
    elif instrument in seat.holdings:
        seat.holdings[instrument].margin += amount
