"""Messages that should not be applied, each with the fate that it should meet.

They are made one after the other in the order of `_MISTAKES`, so that a day of any size has all.
"""

import json
from collections.abc import Callable, Iterator

from ledger.demo.listings import BTC_PERP, ETH_PERP, POOLS
from ledger.demo.market import Market, Struck
from ledger.demo.opening import join, price_message
from ledger.demo.participants import Participant, Style
from ledger.demo.standing import surely_refused
from ledger.demo.transfers import adjustment_fields
from ledger.demo.venue import Venue
from ledger.demo.wire import Role, WireMessage, decimal_text

_STRANGER_CAPITAL = 400_000


def mistake(venue: Venue, number: int) -> Iterator[WireMessage]:
    """The `number`-th mistake of the day."""
    market = venue.markets[BTC_PERP.instrument]
    struck = market.struck
    if struck is not None:
        yield from _MISTAKES[number % len(_MISTAKES)](venue, market, struck)


def bust(venue: Venue) -> Iterator[WireMessage]:
    """Strikes a trade and takes it back at once; then asks for that once more, which is refused.

    At once, because a side that is liquidated in between would make it too late.
    """
    market = venue.markets[BTC_PERP.instrument]
    venue.tally.applied["trade"] += 1
    raw = market.trade(venue.next_id("t"), venue.clock.stamp())
    yield venue.wrap("trades", "usdt", raw)
    struck = market.struck
    assert struck is not None
    market.bust(struck)
    fields: dict[str, object] = {
        "trade_event_id": struck.event_id,
        "reason": "Struck far off the book",
    }
    yield venue.good("trades", "trade_bust", "usdt", fields)
    yield _refused(venue, "already_busted", "trades", "trade_bust", fields)


def too_late(venue: Venue, instrument: str) -> WireMessage:
    """A trade in a contract that has expired."""
    struck = venue.markets[BTC_PERP.instrument].struck
    assert struck is not None, "a day trades before its future expires"
    fields = _fields(struck) | {"instrument": instrument}
    return _refused(venue, "instrument_expired", "trades", "trade", fields)


def stranger_joins(venue: Venue) -> Iterator[WireMessage]:
    """Opens the account that has sent money too early; now `clearing redrive` can bring that in."""
    account = _stranger_account(venue)
    yield from join(venue, Participant(account, Style.TREND, _STRANGER_CAPITAL, ("usdt",)))


def _stranger_account(venue: Venue) -> str:
    """Another one each day."""
    return f"sandpiper-capital-{venue.day + 1}"


def _refused(
    venue: Venue, code: str, role: Role, kind: str, fields: dict[str, object], pool: str = "usdt"
) -> WireMessage:
    venue.tally.rejected[code] += 1
    return venue.message(role, kind, pool, fields)


def _refused_bytes(venue: Venue, code: str, raw: bytes, role: Role = "trades") -> WireMessage:
    venue.tally.rejected[code] += 1
    venue.clock.stamp()
    return venue.wrap(role, "usdt", raw)


def _fields(struck: Struck) -> dict[str, object]:
    """The trade's own fields, without the envelope."""
    fields: dict[str, object] = json.loads(struck.raw)
    for name in ("kind", "event_id", "pool", "occurred_at", "trade_id"):
        del fields[name]
    return fields


Mistake = Callable[[Venue, Market, Struck], Iterator[WireMessage]]


def _sent_twice(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    venue.tally.duplicates += 1
    venue.clock.stamp()
    yield venue.wrap("trades", "usdt", struck.raw)


def _sent_twice_reformatted(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    """The same content with other bytes is the same trade."""
    venue.tally.duplicates += 1
    venue.clock.stamp()
    fields = json.loads(struck.raw)
    yield venue.wrap("trades", "usdt", json.dumps(fields, sort_keys=True).encode())


def _conflict(venue: Venue, market: Market, struck: Struck) -> Iterator[WireMessage]:
    venue.tally.rejected["event_id_conflict"] += 1
    fields = _fields(struck) | {"quantity": market.text.quantity(struck.quantity + 1)}
    yield venue.message("trades", "trade", "usdt", fields, struck.event_id)


def _float(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields = _fields(struck)
    fields["price"] = float(str(fields["price"]))
    yield _refused(venue, "invalid_field", "trades", "trade", fields)


def _truncated(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    yield _refused_bytes(venue, "malformed_json", struck.raw[: len(struck.raw) // 2])


def _latin(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    raw = struck.raw.replace(b'"trade_id":"', '"trade_id":"\N{POUND SIGN}'.encode("latin-1"))
    yield _refused_bytes(venue, "invalid_utf8", raw)


def _unlisted(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields = _fields(struck) | {"instrument": "DOGE-PERP"}
    yield _refused(venue, "unknown_instrument", "trades", "trade", fields)


def _with_itself(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields = _fields(struck) | {"seller": struck.buyer.account}
    yield _refused(venue, "same_account", "trades", "trade", fields)


def _too_fine(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields = _fields(struck)
    fields["quantity"] = f"{fields['quantity']}5"
    yield _refused(venue, "too_many_decimals", "trades", "trade", fields)


def _without_fee(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields = _fields(struck)
    del fields["seller_fee"]
    yield _refused(venue, "missing_field", "trades", "trade", fields)


def _with_venue(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields = _fields(struck) | {"venue": "north"}
    yield _refused(venue, "unknown_field", "trades", "trade", fields)


def _undeclared_pool(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    yield _refused(venue, "unknown_pool", "trades", "trade", _fields(struck), "usdc")


def _other_key(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    message = _refused(venue, "key_mismatch", "trades", "trade", _fields(struck))
    yield message._replace(key=b"btc")


def _strange_kind(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields: dict[str, object] = {"account": struck.buyer.account}
    yield _refused(venue, "unknown_kind", "transfers", "airdrop", fields)


def _other_topic(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    yield _refused(venue, "wrong_topic", "prices", "trade", _fields(struck))


def _overdrawn(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields: dict[str, object] = {
        "account": struck.seller.account,
        "asset": "USDT",
        "amount": "2500000000",
    }
    yield _refused(venue, "insufficient_balance", "transfers", "withdrawal", fields)


def _stranger(venue: Venue, _: Market, __: Struck) -> Iterator[WireMessage]:
    fields: dict[str, object] = {
        "account": _stranger_account(venue),
        "asset": "USDT",
        "amount": "250000",
    }
    yield _refused(venue, "unknown_account", "transfers", "deposit", fields)


def _strange_request(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields: dict[str, object] = {
        "request_id": venue.next_id("r"),
        "account": struck.buyer.account,
        "asset": "USDT",
        "amount": "100",
    }
    yield _refused(venue, "unknown_request", "transfers", "withdrawal_settled", fields)


def _strange_bust(venue: Venue, _: Market, __: Struck) -> Iterator[WireMessage]:
    fields: dict[str, object] = {"trade_event_id": venue.next_id("x"), "reason": "Typing error"}
    yield _refused(venue, "unknown_trade", "trades", "trade_bust", fields)


def _unchecked(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields = adjustment_fields(POOLS[0], struck.buyer, 5_000_000, "m.okafor")
    yield _refused(venue, "same_person", "transfers", "adjustment", fields)


def _beyond_margin(venue: Venue, _: Market, __: Struck) -> Iterator[WireMessage]:
    """Money that is there, but stands for positions: of all that could be asked for, the most."""
    seats = venue.seats["usdt"].values()
    amounts = [(surely_refused(venue, "usdt", seat), seat.account) for seat in seats]
    amount, account = max(amounts)
    if amount:
        text = decimal_text(POOLS[0].scale)(amount)
        fields: dict[str, object] = {"account": account, "asset": "USDT", "amount": text}
        yield _refused(venue, "insufficient_margin", "transfers", "withdrawal", fields)


def _wild_price(venue: Venue, _: Market, __: Struck) -> Iterator[WireMessage]:
    """A price twice as high: booked as suspect, it moves nothing, and the next one clears it."""
    market = venue.markets[ETH_PERP.instrument]
    fields = {"instrument": ETH_PERP.instrument, "mark_price": market.text.price(2 * market.mark)}
    yield venue.good("prices", "price", "usdt", fields)
    market.reprice()
    yield price_message(venue, market)


def _wild_funding(venue: Venue, _: Market, __: Struck) -> Iterator[WireMessage]:
    market = venue.markets[ETH_PERP.instrument]
    fields: dict[str, object] = {
        "instrument": ETH_PERP.instrument,
        "rate": "0.0001",
        "mark_price": market.text.price(2 * market.mark),
    }
    yield _refused(venue, "price_out_of_band", "funding", "funding_rate", fields)


def _not_isolated(venue: Venue, _: Market, struck: Struck) -> Iterator[WireMessage]:
    fields: dict[str, object] = {
        "account": struck.buyer.account,
        "instrument": BTC_PERP.instrument,
        "amount": "100",
    }
    yield _refused(venue, "not_isolated", "transfers", "isolated_transfer", fields)


_MISTAKES: tuple[Mistake, ...] = (
    _sent_twice,
    _conflict,
    _overdrawn,
    _beyond_margin,
    _wild_price,
    _unlisted,
    _float,
    _truncated,
    _sent_twice_reformatted,
    _stranger,
    _wild_funding,
    _not_isolated,
    _with_itself,
    _too_fine,
    _without_fee,
    _with_venue,
    _undeclared_pool,
    _unchecked,
    _other_key,
    _strange_kind,
    _other_topic,
    _strange_request,
    _strange_bust,
    _latin,
)
MISTAKE_KINDS = len(_MISTAKES)
