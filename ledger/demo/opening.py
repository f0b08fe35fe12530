"""How a simulated day opens: what is listed, who joins, the first money, the first prices.

On day 0 everything is declared; on later days the day's future and a few newcomers.
"""

from collections.abc import Iterator, Sequence

from ledger.demo.listings import (
    BTC_PERP,
    BTCUSD_PERP,
    BTCUSD_QUARTER,
    ETH_PERP,
    POOLS,
    Contract,
    PoolTerms,
    daily_future,
    tier_objects,
)
from ledger.demo.market import Market
from ledger.demo.participants import Participant, Seat, Style
from ledger.demo.venue import Venue
from ledger.demo.wire import WireMessage, decimal_text

QUARTER_ENDS = "2025-06-27T08:00:00Z"
LATER_INSURANCE_PART = 100
"""From day 1 on the exchange adds this part of its first insurance deposit."""


def opening(
    venue: Venue, newcomers: Sequence[Participant], day_event_id: str
) -> Iterator[WireMessage]:
    """The messages that open the day. `day_event_id` marks its first insurance deposit."""
    if venue.day == 0:
        yield from _pools(venue)
    for participant in newcomers:
        yield from join(venue, participant)
    for contract in _new_contracts(venue):
        yield from _list(venue, contract)
    yield from _insurance(venue, day_event_id)
    for market in venue.markets.values():
        yield price_message(venue, market)
    yield collateral_price(venue)


def join(venue: Venue, participant: Participant) -> Iterator[WireMessage]:
    """Opens the accounts of a participant and brings in its first money."""
    for terms in POOLS:
        if terms.pool not in participant.pools:
            continue
        seat = Seat(participant)
        venue.seats[terms.pool][seat.account] = seat
        for market in venue.markets.values():
            if market.contract.pool == terms.pool:
                market.admit(seat)
        fields = {"account": seat.account, "margin_mode": "cross", "tags": [str(seat.style)]}
        yield venue.good("reference", "account", terms.pool, fields)
        seat.cash = _capital_units(venue, terms, seat.capital)
        yield _deposit(venue, terms, seat.account, terms.settlement_asset, seat.cash, terms.scale)
        if terms.pool == "usdt" and seat.style is Style.HEDGER:
            bitcoin = seat.capital * 10**14 // venue.paths["BTC"].price
            yield _deposit(venue, terms, seat.account, "BTC", bitcoin, 8)


def price_message(venue: Venue, market: Market) -> WireMessage:
    """The market's mark and index."""
    text = market.text.price
    contract = market.contract
    venue.tally.applied["price"] += 1
    event_id = venue.next_id("p")
    raw = (
        f'{{"kind":"price","event_id":"{event_id}","pool":"{contract.pool}",'
        f'"occurred_at":"{venue.clock.stamp()}","instrument":"{contract.instrument}",'
        f'"mark_price":"{text(market.mark)}","index_price":"{text(market.index())}"}}'
    )
    return venue.wrap("prices", contract.pool, raw.encode())


def collateral_price(venue: Venue) -> WireMessage:
    """What bitcoin counts as collateral in the `usdt` pool."""
    price = decimal_text(2)(venue.paths["BTC"].price // 10_000)
    return venue.good("prices", "asset_price", "usdt", {"asset": "BTC", "price": price})


def _pools(venue: Venue) -> Iterator[WireMessage]:
    for terms in POOLS:
        venue.seats[terms.pool] = {}
        fields = {
            "settlement_asset": terms.settlement_asset,
            "scale": terms.scale,
            "liquidation": "off",
            "penalty_rate": "0.005",
            "partial_buffer": "0.1",
            "insurance_floor": terms.insurance_floor,
            "adl_policy": "binance",
            "loss_policy": "open",
        }
        yield venue.good("reference", "pool", terms.pool, fields)
    bitcoin = {"asset": "BTC", "scale": 8, "haircut": "0.05"}
    yield venue.good("reference", "asset", "usdt", bitcoin)


def _new_contracts(venue: Venue) -> list[Contract]:
    future = daily_future(venue.clock.midnight.strftime("%d%b%y").upper())
    if venue.day == 0:
        return [BTC_PERP, ETH_PERP, future, BTCUSD_PERP, BTCUSD_QUARTER]
    return [future]


def _list(venue: Venue, contract: Contract) -> Iterator[WireMessage]:
    expiry = None if contract.expiry_ms is None else venue.clock.at(contract.expiry_ms)
    fields = {
        "instrument": contract.instrument,
        "type": "inverse" if contract.is_inverse else "linear",
        "multiplier": str(contract.multiplier),
        "price_scale": contract.price_scale,
        "quantity_scale": contract.quantity_scale,
        "expiry": QUARTER_ENDS if contract is BTCUSD_QUARTER else expiry,
        "tiers": tier_objects(contract.tiers),
    }
    yield venue.good("reference", "instrument", contract.pool, fields)
    seats = list(venue.seats[contract.pool].values())
    path = venue.paths[contract.follows]
    venue.markets[contract.instrument] = Market(contract, seats, path, venue.random)


def _insurance(venue: Venue, day_event_id: str) -> Iterator[WireMessage]:
    for terms in POOLS:
        amount = terms.insurance_deposit // (LATER_INSURANCE_PART if venue.day else 1)
        fields = {"asset": terms.settlement_asset, "amount": decimal_text(terms.scale)(amount)}
        venue.tally.applied["insurance_deposit"] += 1
        event_id = day_event_id if terms is POOLS[0] else None
        yield venue.message("transfers", "insurance_deposit", terms.pool, fields, event_id)


def _deposit(
    venue: Venue, terms: PoolTerms, account: str, asset: str, amount: int, scale: int
) -> WireMessage:
    fields = {"account": account, "asset": asset, "amount": decimal_text(scale)(amount)}
    return venue.good("transfers", "deposit", terms.pool, fields)


def _capital_units(venue: Venue, terms: PoolTerms, capital: int) -> int:
    """Whole US dollars in smallest units of the settlement asset."""
    if terms.settlement_asset == "USDT":
        return int(capital * 10**terms.scale)
    return int(capital * 10 ** (terms.scale + 6) // venue.paths["BTC"].price)
