"""Far too much of something, in small: what docs/operating/bounds.md measures in full."""

from itertools import islice

import psycopg

from benchmarks import bounds, endless, flood
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.unit.desk import BEGINNING, TRADES
from tests.unit.desk import Desk as Books


def test_buffers_stay_bounded_however_much_the_broker_has() -> None:
    messages = 400_000
    taken, longest = endless.read_through(messages)
    assert taken == messages
    topics, buffered_max, polled = 5, 20_000, endless.POLLED
    assert longest < topics * polled + 3 * buffered_max + topics * buffered_max


def test_a_funding_event_pays_every_holder_in_one_transaction(database_url: str) -> None:
    assert bounds.funding(database_url, 300)["postings"] == 300


def test_an_account_with_many_positions_is_liquidated_and_explained(database_url: str) -> None:
    figures = bounds.positions(database_url, 40)
    assert figures["explain_ms"] > 0
    with psycopg.connect(database_url) as connection:
        query = "SELECT count(DISTINCT sequence), count(*) FROM reporting.liquidations"
        assert connection.execute(query).fetchone() == (1, 40)


def test_a_flood_of_refused_messages_loses_nothing_and_stops_nothing(database_url: str) -> None:
    books = Books()
    log = PostgresLog.connect(database_url, "test")
    writer = Writer(log, roles={"clearing.trades": "trades"})
    writer.assign([0])
    writer.take([books.message(value) for value in BEGINNING])
    told = list(islice(flood.refused("main"), 4_000))
    told[::10] = [b'{"kind":"trade"}' + b" " * at for at in range(len(told[::10]))]
    for start in range(0, len(told), 1000):
        part = [books.message(raw, TRADES) for raw in told[start : start + 1000]]
        assert writer.take(part).rejected == 1000
    log.close()
    with psycopg.connect(database_url) as connection:
        stored = connection.execute(
            'SELECT "offset", raw FROM ledger.event WHERE rejection IS NOT NULL ORDER BY "offset"'
        ).fetchall()
    assert stored == list(enumerate(told))
