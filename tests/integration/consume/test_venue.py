"""A venue's own trades through the whole house: file, topics, loop, PostgreSQL, reporting views.

Every perpetual trade of 620 Hyperliquid blocks with both accounts; what the books must show is read
from the venue's file by `tests.importers.venue`, not by the importer.
"""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from consumers import admin
from consumers.produce import produce
from consumers.run import run
from ledger.importers import import_events
from ledger.store.log.postgres import PostgresLog
from tests.importers.venue import NODE_TRADES, Expectations, node_expectations, venue_file
from tests.integration.consume.desk import Desk

Books = tuple[psycopg.Connection, Expectations]


@pytest.fixture
def books(desk: Desk, database_url: str, tmp_path: Path) -> Iterator[Books]:
    """The node's trades produced, consumed until drained, and committed."""
    path = tmp_path / "events.jsonl.gz"
    events = import_events("hyperliquid", venue_file(NODE_TRADES))
    with gzip.open(path, "wt", compresslevel=1) as lines:
        for event in events:
            lines.write(json.dumps(event) + "\n")
    settings = desk.settings._replace(drain=True)
    admin.create_topics(settings, 1)
    sent = produce(settings, path)
    done = run(settings, lambda: PostgresLog.connect(database_url, "test"))
    assert (done.applied, done.rejected, done.duplicates) == (sent, 0, 0)
    with psycopg.connect(database_url) as connection:
        yield connection, node_expectations()


def test_the_venues_positions_pnl_and_fees_arrive_through_kafka(books: Books) -> None:
    connection, expected = books
    rows = connection.execute(
        "SELECT account, instrument, quantity FROM reporting.positions WHERE account NOT LIKE '@%'"
    )
    assert {(account, coin): size for account, coin, size in rows} == expected.positions

    rows = connection.execute("SELECT account, sum(fee) FROM reporting.fees GROUP BY account")
    fees: dict[str, Decimal] = dict(rows.fetchall())
    assert {who: fees.get(who, Decimal(0)) for who in expected.fees} == expected.fees

    rows = connection.execute("SELECT event_id, account, realized_pnl FROM reporting.realized_pnl")
    realized = {(event_id, account): pnl for event_id, account, pnl in rows}
    far = [
        closing
        for closing in expected.closings
        if abs(realized.get((closing.event_id, closing.account), Decimal(0)) - closing.pnl)
        > closing.tolerance
    ]
    assert len(expected.closings) == 2142
    assert far == []

    rows = connection.execute("SELECT commodity, debit, credit FROM reporting.trial_balance")
    assert [row for row in rows if row[1] != row[2]] == []
