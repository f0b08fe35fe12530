"""Money that moves during a simulated day: in, out, in two steps, across, and by hand.

Money leaves an account only where `ledger.demo.standing` is sure of its margin, and at most a fifth
of that: so every movement made here is granted, whatever a rounding unit or a liquidation not yet
heard of did.
"""

from collections.abc import Callable, Iterator

from ledger.demo.listings import ETH_PERP, POOLS, SOL_PERP, PoolTerms
from ledger.demo.opening import mode_message
from ledger.demo.participants import Seat
from ledger.demo.standing import surely_free
from ledger.demo.venue import OpenRequest, Venue
from ledger.demo.wire import WireMessage, decimal_text

_DRAWS = 20
_ISOLATED_DISTANCE = 20
"""An isolated position is topped up while its equity is this part of its worth, or more."""


def transfer(venue: Venue) -> Iterator[WireMessage]:
    """One movement of money, of a kind and pool drawn by chance."""
    terms = POOLS[0] if venue.random.random() < 0.75 else POOLS[1]  # noqa: PLR2004 - the larger pool
    choice = _KINDS[int(venue.random.random() * len(_KINDS))]
    yield from choice(venue, terms)


def adjustment(venue: Venue) -> WireMessage:
    """A goodwill credit out of the fees, made by one person and checked by another."""
    terms = POOLS[0]
    seat = _drawn(venue, terms)
    amount = 100 * 10**terms.scale
    seat.cash += amount
    return venue.good(
        "transfers", "adjustment", terms.pool, adjustment_fields(terms, seat, amount, "o.brandt")
    )


def adjustment_fields(
    terms: PoolTerms, seat: Seat, amount: int, checked_by: str
) -> dict[str, object]:
    """`amount` from the fees to the account, made by `m.okafor`."""
    text = decimal_text(terms.scale)
    lines = [
        _line("@house", "fees", terms, text(-amount)),
        _line(seat.account, "wallet", terms, text(amount)),
    ]
    reason = "Goodwill: order entry was down for four minutes"
    return {"lines": lines, "reason": reason, "made_by": "m.okafor", "checked_by": checked_by}


def _line(owner: str, kind: str, terms: PoolTerms, amount: str) -> dict[str, str | None]:
    asset = terms.settlement_asset
    return {"owner": owner, "kind": kind, "instrument": None, "asset": asset, "amount": amount}


def _deposit(venue: Venue, terms: PoolTerms) -> Iterator[WireMessage]:
    seat = _drawn(venue, terms)
    amount = _part(venue, _funds(terms, seat))
    seat.cash += amount
    yield venue.good("transfers", "deposit", terms.pool, _fields(terms, seat, amount))


def _withdrawal(venue: Venue, terms: PoolTerms) -> Iterator[WireMessage]:
    payer = _payer(venue, terms)
    if payer is not None:
        seat, free = payer
        amount = _part(venue, free)
        seat.cash -= amount
        yield venue.good("transfers", "withdrawal", terms.pool, _fields(terms, seat, amount))


def _request(venue: Venue, terms: PoolTerms) -> Iterator[WireMessage]:
    payer = _payer(venue, terms)
    if payer is not None:
        seat, free = payer
        amount = _part(venue, free)
        seat.cash -= amount
        request = OpenRequest(venue.next_id("r"), terms.pool, seat, amount)
        venue.requests.append(request)
        yield _request_message(venue, terms, "withdrawal_request", request)


def _answer(venue: Venue, terms: PoolTerms) -> Iterator[WireMessage]:
    """Settles the oldest request of the pool, or cancels it one time in five."""
    request = next((each for each in venue.requests if each.pool == terms.pool), None)
    if request is None:
        yield from _request(venue, terms)
        return
    venue.requests.remove(request)
    if venue.random.random() < 0.2:  # noqa: PLR2004 - one in five
        request.seat.cash += request.amount
        yield _request_message(venue, terms, "withdrawal_cancelled", request)
    else:
        yield _request_message(venue, terms, "withdrawal_settled", request)


def _internal(venue: Venue, terms: PoolTerms) -> Iterator[WireMessage]:
    payer = _payer(venue, terms)
    taker = _drawn(venue, terms)
    if payer is None or payer[0] is taker:
        return
    giver, free = payer
    amount = _part(venue, free) // 4
    giver.cash -= amount
    taker.cash += amount
    fields = {
        "from_account": giver.account,
        "to_account": taker.account,
        "asset": terms.settlement_asset,
        "amount": decimal_text(terms.scale)(amount),
    }
    yield venue.good("transfers", "internal_transfer", terms.pool, fields)


def _top_up(venue: Venue, _terms: PoolTerms) -> Iterator[WireMessage]:
    """More margin for an isolated position that is far from liquidation."""
    terms, name = POOLS[0], SOL_PERP.instrument
    for _ in range(_DRAWS):
        seat = _drawn(venue, terms)
        holding = seat.holdings[name]
        if not holding.is_isolated or not holding.quantity:
            continue
        market = venue.markets[name]
        value = market.contract.value(holding.quantity, market.mark)
        if holding.margin + holding.variation + value < abs(value) // _ISOLATED_DISTANCE:
            continue
        amount = surely_free(venue, terms.pool, seat) // 50
        if amount:
            seat.cash -= amount
            holding.margin += amount
            text = decimal_text(terms.scale)(amount)
            fields = {"account": seat.account, "instrument": name, "amount": text}
            yield venue.good("transfers", "isolated_transfer", terms.pool, fields)
            return


def _leverage(venue: Venue, _terms: PoolTerms) -> Iterator[WireMessage]:
    """Another leverage, chosen while the position is flat."""
    name = ETH_PERP.instrument
    for _ in range(_DRAWS):
        seat = _drawn(venue, POOLS[0])
        holding = seat.holdings[name]
        if holding.leverage is not None and not holding.quantity and not seat.is_touched:
            holding.leverage = 50 if holding.leverage < 50 else 20  # noqa: PLR2004 - to and fro
            yield mode_message(venue, seat, name)
            return


_KINDS: tuple[Callable[[Venue, PoolTerms], Iterator[WireMessage]], ...] = (
    _deposit,
    _deposit,
    _deposit,
    _withdrawal,
    _request,
    _request,
    _answer,
    _answer,
    _internal,
    _top_up,
    _leverage,
)


def _request_message(
    venue: Venue, terms: PoolTerms, kind: str, request: OpenRequest
) -> WireMessage:
    fields = {"request_id": request.request_id, **_fields(terms, request.seat, request.amount)}
    return venue.good("transfers", kind, terms.pool, fields)


def _fields(terms: PoolTerms, seat: Seat, amount: int) -> dict[str, object]:
    text = decimal_text(terms.scale)(amount)
    return {"account": seat.account, "asset": terms.settlement_asset, "amount": text}


def _drawn(venue: Venue, terms: PoolTerms) -> Seat:
    seats = list(venue.seats[terms.pool].values())
    return seats[int(venue.random.random() * len(seats))]


def _payer(venue: Venue, terms: PoolTerms) -> tuple[Seat, int] | None:
    """An account that can surely spare a good part of its first money; None when none is drawn."""
    for _ in range(_DRAWS):
        seat = _drawn(venue, terms)
        free = surely_free(venue, terms.pool, seat)
        if free > _funds(terms, seat) // 5:
            return seat, free
    return None


def _funds(terms: PoolTerms, seat: Seat) -> int:
    """The account's capital in smallest units; bitcoin counted at 100,000 dollars."""
    scale = terms.scale if terms.settlement_asset == "USDT" else terms.scale - 5
    return int(seat.capital * 10**scale)


def _part(venue: Venue, amount: int) -> int:
    """Between a fiftieth and a fifth."""
    return max(amount * (20 + int(venue.random.random() * 180)) // 1000, 1)
