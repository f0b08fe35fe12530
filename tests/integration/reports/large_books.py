"""Books of many participants over two days, through the writer: for measuring reports.

    python -m tests.integration.reports.large_books FOLDER PARTICIPANTS

starts a server in FOLDER, fills its database `large`, prints the URL, and stops when a line (or the
end) of standard input comes. Everyone deposits on the first day and trades once; on the second day
everyone trades twice more, funding is paid on every position, and a fall of one contract takes over
one account in a hundred.
"""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg

from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer

_FILE = Source("file", "large", "large")
_BATCH = 1_000
_POOL = {
    "kind": "pool",
    "settlement_asset": "USDT",
    "scale": 6,
    "liquidation": "full",
    "penalty_rate": "0.01",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "bitmex",
    "loss_policy": "open",
}
_TIER = {
    "notional_cap": None,
    "initial_rate": "0.02",
    "maintenance_rate": "0.01",
    "maintenance_amount": "0",
}
_PERPETUAL = {
    "kind": "instrument",
    "type": "linear",
    "multiplier": "1",
    "price_scale": 1,
    "quantity_scale": 3,
    "expiry": None,
    "tiers": [_TIER],
}
_PRICES = {"BTC-PERP": "60000", "ETH-PERP": "3000"}

Content = dict[str, object]


def _first_day(count: int) -> Iterator[Content]:
    yield _POOL
    yield {"kind": "asset", "asset": "BTC", "scale": 8, "haircut": "0.1"}
    yield {"kind": "asset_price", "asset": "BTC", "price": "60000"}
    for name in _PRICES:
        yield {**_PERPETUAL, "instrument": name}
    yield {"kind": "insurance_deposit", "asset": "USDT", "amount": "1000000"}
    for number in range(count):
        yield {"kind": "account", "account": _name(number), "margin_mode": "cross"}
        amount = f"{1 + number % 999}.{number % 10**6:06}" if number % 100 else "0.7"
        yield {"kind": "deposit", "account": _name(number), "asset": "USDT", "amount": amount}
        if number % 10 == 0:
            yield {"kind": "deposit", "account": _name(number), "asset": "BTC", "amount": "0.00001"}
    for name, price in _PRICES.items():
        yield {"kind": "price", "instrument": name, "mark_price": price}
    yield from _trades(count, 1)


def _second_day(count: int) -> Iterator[Content]:
    for round_ in (2, 3):
        yield from _trades(count, round_)
    for name, price in _PRICES.items():
        yield {"kind": "funding_rate", "instrument": name, "rate": "0.0001", "mark_price": price}
    yield {"kind": "price", "instrument": "ETH-PERP", "mark_price": "2900"}
    yield {"kind": "price", "instrument": "BTC-PERP", "mark_price": "58500"}


def _trades(count: int, round_: int) -> Iterator[Content]:
    """Each participant once, with another neighbour in each round."""
    for number in range(0, count - 1, 2):
        name = ("BTC-PERP", "ETH-PERP")[number // 2 % 2]
        yield {
            "kind": "trade",
            "instrument": name,
            "price": _PRICES[name],
            "quantity": "0.001",
            "buyer": _name(number),
            "seller": _name((number + 2 * round_ - 1) % count),
            "buyer_fee": "0.000123",
            "seller_fee": "-0.000023",
        }


def _name(number: int) -> str:
    return f"participant-{number:07}"


def _messages(count: int) -> Iterator[Message]:
    offset = 0
    for day, contents in ((1, _first_day(count)), (2, _second_day(count))):
        for content in contents:
            common = {"event_id": f"e-{offset}", "occurred_at": f"2026-03-0{day}T12:00:00Z"}
            value = json.dumps({**common, **content}).encode()
            yield Message(_FILE, 0, offset, 0, None, value)
            offset += 1


def fill(url: str, participants: int) -> None:
    """Write the books into a migrated database."""
    log = PostgresLog.connect(url, "large")
    writer = Writer(log)
    messages = _messages(participants)
    while batch := list(islice(messages, _BATCH)):
        assert writer.take(batch).rejected == 0
    writer.close()
    log.close()


def main() -> None:
    """Keep such books for as long as standard input is open."""
    server = embedded.start(Path(sys.argv[1]))
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE large")
    url = server.url.replace("/postgres?", "/large?")
    migrate(url)
    fill(url, int(sys.argv[2]))
    sys.stdout.write(url + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    server.stop()


if __name__ == "__main__":
    main()
