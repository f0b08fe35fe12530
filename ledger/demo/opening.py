"""How a simulated day opens: what is listed, who joins, the first money, the first prices.

On day 0 everything is declared; on later days the day's future and a few newcomers. On a day with a
crash a concentrated fund joins each pool (`ledger.demo.cast`).
"""

from collections.abc import Iterator, Sequence

from ledger.demo.listings import (
    BTC_PERP,
    BTCUSD_PERP,
    BTCUSD_QUARTER,
    COLLATERAL,
    ETH_PERP,
    MILLION,
    POOLS,
    PRICE_AGE_MAX_S,
    SOL_PERP,
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
LATER_INSURANCE_PART = 4
"""From day 1 on the exchange adds this part of its first insurance deposit."""
_ISOLATED_LEVERAGE = 10
_CROSS_LEVERAGE = 25


def opening(
    venue: Venue, newcomers: Sequence[Participant], day_event_id: str
) -> Iterator[WireMessage]:
    """The messages that open the day. `day_event_id` marks its first insurance deposit."""
    if venue.day == 0:
        yield from _pools(venue)
        yield from collateral_prices(venue)
    for participant in newcomers:
        yield from join(venue, participant)
    for contract in _new_contracts(venue):
        yield from _list(venue, contract)
    for participant in newcomers:
        yield from choose_modes(venue, participant)
    yield from _insurance(venue, day_event_id)
    for market in venue.markets.values():
        yield price_message(venue, market)
    yield from collateral_prices(venue)


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
        in_coins = seat.capital * participant.coins_percent // 100 if terms.pool == "usdt" else 0
        seat.cash = capital_units(venue, terms, seat.capital - in_coins)
        yield _deposit(venue, terms, seat.account, terms.settlement_asset, seat.cash, terms.scale)
        if in_coins:
            for coin in COLLATERAL:
                price = venue.paths[coin.asset].price * len(COLLATERAL)
                units = in_coins * 10 ** (coin.scale + 6) // price
                seat.coins[coin.asset] = units
                yield _deposit(venue, terms, seat.account, coin.asset, units, coin.scale)


def choose_modes(venue: Venue, participant: Participant) -> Iterator[WireMessage]:
    """Every sixth private trader isolates SOL; another sixth chooses a leverage for ETH."""
    seat = venue.seats["usdt"].get(participant.account)
    if seat is None or participant.style is not Style.PRIVATE:
        return
    match int(participant.account[2:]) % 6:
        case 0:
            holding = seat.holdings[SOL_PERP.instrument]
            holding.is_isolated = True
            holding.leverage = _ISOLATED_LEVERAGE
            yield mode_message(venue, seat, SOL_PERP.instrument)
        case 1:
            seat.holdings[ETH_PERP.instrument].leverage = _CROSS_LEVERAGE
            yield mode_message(venue, seat, ETH_PERP.instrument)
        case _:
            pass


def mode_message(venue: Venue, seat: Seat, instrument: str) -> WireMessage:
    """The mode and leverage of a pair, as its seat has them now."""
    holding = seat.holdings[instrument]
    fields: dict[str, object] = {
        "account": seat.account,
        "instrument": instrument,
        "mode": "isolated" if holding.is_isolated else "cross",
        "leverage": str(holding.leverage),
    }
    return venue.good("reference", "position_mode", venue.contracts[instrument].pool, fields)


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


def collateral_prices(venue: Venue) -> Iterator[WireMessage]:
    """What coins count as collateral in the `usdt` pool."""
    for coin in COLLATERAL:
        price = decimal_text(2)(venue.paths[coin.asset].price // 10_000)
        yield venue.good("prices", "asset_price", "usdt", {"asset": coin.asset, "price": price})


def insurance_message(
    venue: Venue, terms: PoolTerms, amount: int, event_id: str | None = None
) -> WireMessage:
    """The exchange pays into the fund."""
    fields = {"asset": terms.settlement_asset, "amount": decimal_text(terms.scale)(amount)}
    venue.tally.applied["insurance_deposit"] += 1
    return venue.message("transfers", "insurance_deposit", terms.pool, fields, event_id)


def first_insurance(venue: Venue, terms: PoolTerms) -> int:
    """Of a pool: a part of what its market makers bring, so that it fits any number of people."""
    return capital_units(venue, terms, makers_capital(venue, terms.pool) * terms.insurance_ppm) // (
        MILLION
    )


def makers_capital(venue: Venue, pool: str) -> int:
    """Of all market makers of a pool, whole US dollars."""
    seats = venue.seats[pool].values()
    return sum(seat.capital for seat in seats if seat.style is Style.MAKER)


def capital_units(venue: Venue, terms: PoolTerms, capital: int) -> int:
    """Whole US dollars in smallest units of the settlement asset, at today's price."""
    if terms.settlement_asset == "USDT":
        return int(capital * 10**terms.scale)
    return int(capital * 10 ** (terms.scale + 6) // venue.paths["BTC"].price)


def _pools(venue: Venue) -> Iterator[WireMessage]:
    for terms in POOLS:
        venue.seats[terms.pool] = {}
        fields = {
            "settlement_asset": terms.settlement_asset,
            "scale": terms.scale,
            "liquidation": terms.liquidation,
            "penalty_rate": terms.penalty_rate,
            "partial_buffer": terms.partial_buffer,
            "insurance_floor": terms.insurance_floor,
            "adl_policy": terms.adl_policy,
            "loss_policy": terms.loss_policy,
        }
        yield venue.good("reference", "pool", terms.pool, fields)
    for coin in COLLATERAL:
        yield venue.good("reference", "asset", "usdt", coin._asdict())


def _new_contracts(venue: Venue) -> list[Contract]:
    future = daily_future(venue.clock.midnight.strftime("%d%b%y").upper())
    if venue.day == 0:
        return [BTC_PERP, ETH_PERP, SOL_PERP, future, BTCUSD_PERP, BTCUSD_QUARTER]
    return [future]


def _list(venue: Venue, contract: Contract) -> Iterator[WireMessage]:
    expiry = None if contract.expiry_ms is None else venue.clock.at(contract.expiry_ms)
    fields: dict[str, object] = {
        "instrument": contract.instrument,
        "type": "inverse" if contract.is_inverse else "linear",
        "multiplier": str(contract.multiplier),
        "price_scale": contract.price_scale,
        "quantity_scale": contract.quantity_scale,
        "expiry": QUARTER_ENDS if contract is BTCUSD_QUARTER else expiry,
        "tiers": tier_objects(contract.tiers),
    }
    if contract.band_ppm is not None:
        fields["price_band"] = decimal_text(6)(contract.band_ppm)
        fields["price_max_age"] = PRICE_AGE_MAX_S
    yield venue.good("reference", "instrument", contract.pool, fields)
    seats = list(venue.seats[contract.pool].values())
    path = venue.paths[contract.follows]
    venue.contracts[contract.instrument] = contract
    venue.markets[contract.instrument] = Market(contract, seats, path, venue.random)


def _insurance(venue: Venue, day_event_id: str) -> Iterator[WireMessage]:
    for terms in POOLS:
        amount = first_insurance(venue, terms) // (LATER_INSURANCE_PART if venue.day else 1)
        event_id = day_event_id if terms is POOLS[0] else None
        yield insurance_message(venue, terms, amount, event_id)


def _deposit(
    venue: Venue, terms: PoolTerms, account: str, asset: str, amount: int, scale: int
) -> WireMessage:
    fields = {"account": account, "asset": asset, "amount": decimal_text(scale)(amount)}
    return venue.good("transfers", "deposit", terms.pool, fields)
