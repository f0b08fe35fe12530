"""What the console asks of the books, held against the reporting views; no browser is needed."""

import re
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest

from ledger.store.console import participants as console_participants
from ledger.store.console import pools as console_pools
from ledger.store.console import postings as console_postings
from ledger.store.console import records as console_records
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.web.connections import Readers
from ledger.web.console.figures import figure
from ledger.writer import Writer
from tests.integration.leveraged_books import Books
from tests.integration.test_margin_views import inventory

SEEDS = (3, 8, 21)


@pytest.fixture(scope="module", params=SEEDS)
def books(request: pytest.FixtureRequest, postgres: Embedded) -> Iterator[str]:
    """Leveraged books with defaults in them, which no test changes; the URL."""
    name = f"console_{request.param}"
    with psycopg.connect(postgres.url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template")
        url = postgres.url.replace("/postgres?", f"/{name}?")
        _write(url, request.param)
        yield url
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _write(url: str, seed: int) -> None:
    log = PostgresLog.connect(url, "test", leaf_events=90)
    made, writer = Books(seed), Writer(log)
    writer.take(made.beginning())
    for _ in range(5):
        made.inventory = inventory(writer.state("main"))
        writer.take(made.messages(40))
    log.close()


@pytest.fixture
def connection(books: str) -> Iterator[psycopg.Connection]:
    """As a page has it."""
    readers = Readers(books, "clearing_auditor", size=1, wait_s=1, statement_s=10)
    with readers.lent() as lent:
        yield lent
    readers.close()


def head(connection: psycopg.Connection) -> console_pools.PoolHead:
    return next(one for one in console_pools.heads(connection) if one.name == "main")


def test_the_queue_is_that_of_the_view(connection: psycopg.Connection) -> None:
    pool = head(connection)
    worked = {
        (row.instrument, row.side, row.account): (row.score, row.rank, row.eligible)
        for row in console_participants.queues(connection, "main", pool.head)
    }
    viewed = {
        (instrument, side, account): (score, rank, eligible)
        for instrument, side, account, score, rank, eligible in connection.execute(
            "SELECT instrument, side, account, score, rank, eligible FROM reporting.adl_queue"
            " WHERE pool = 'main'"
        )
    }
    assert worked == viewed
    assert worked


def test_the_queue_is_in_its_order_and_beside_the_equity_of_its_accounts(
    connection: psycopg.Connection,
) -> None:
    pool = head(connection)
    found = console_participants.queues(connection, "main", pool.head)
    ranks = [(row.instrument, row.side, not row.eligible, row.rank or 0) for row in found]
    assert ranks == sorted(ranks)
    margin = {
        (row["account"], row["instrument"]): row["equity"]
        for row in console_participants.margin(connection, "main", pool.head, None)
    }
    held = {
        (row["account"], row["instrument"]): row["unrealized_pnl"]
        for row in console_participants.positions(connection, "main", pool.head, None)
    }
    for row in found:
        only = row.instrument if row.margin_mode == "isolated" else None
        assert row.equity == margin[row.account, only]
        assert row.unrealized_pnl == held[row.account, row.instrument]


@pytest.mark.parametrize(
    "of", [console_records.CALLS, console_records.LIQUIDATIONS, console_records.MOVEMENTS]
)
def test_the_newest_number_is_found_at_every_event(
    connection: psycopg.Connection, of: console_records.Numbered
) -> None:
    pool = head(connection)
    found = connection.execute(
        "SELECT sequence FROM ledger.record WHERE shard = %s AND kind = %s ORDER BY sequence",
        (pool.shard, of.kind),
    ).fetchall()
    for at in range(1, pool.head + 1, 7):
        expected = sum(sequence <= at for (sequence,) in found)
        assert console_records.newest(connection, pool.shard, of, at) == expected


def test_sums_are_those_of_the_trial_balance(connection: psycopg.Connection) -> None:
    pool = head(connection)
    sums = console_pools.sums(connection, pool.shard, pool.head)
    viewed: dict[str, Decimal] = dict(
        connection.execute(
            "SELECT commodity, credit FROM reporting.trial_balance WHERE pool = 'main'"
        ).fetchall()
    )
    for commodity, credit in viewed.items():
        of = [one for one in sums if one.commodity == commodity]
        assert sum(one.total for one in of) == 0
        assert sum(one.positive for one in of) == credit


@pytest.mark.parametrize(
    "wanted",
    [
        console_postings.Filter(),
        console_postings.Filter(owner="ada"),
        console_postings.Filter(owner="@house", kind="fees"),
        console_postings.Filter(kind="position", instrument="LIN-A"),
        console_postings.Filter(asset="USD", first=50, last=150),
        console_postings.Filter(owner="nobody"),
    ],
)
@pytest.mark.parametrize("walked", [20_000, 37])
def test_pages_of_postings_are_all_of_them_once(
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    wanted: console_postings.Filter,
    walked: int,
) -> None:
    monkeypatch.setattr(console_postings, "WALKED_MAX", walked)
    monkeypatch.setattr(console_postings, "_PROBED_MAX", 3)
    pool = head(connection)
    found: list[tuple[int, int]] = []
    after: tuple[int, int] | None = None
    while True:
        page = console_postings.page(connection, pool.shard, wanted, after, 20)
        assert len(page.legs) <= 20
        found += [(leg.sequence, leg.line) for leg in page.legs]
        if page.after is None:
            break
        assert after is None or page.after < after
        after = page.after
    viewed = connection.execute(
        "SELECT sequence, line FROM reporting.postings WHERE pool = 'main'"
        " AND (%(owner)s::text IS NULL OR account = %(owner)s)"
        " AND (%(kind)s::text IS NULL OR account_kind = %(kind)s)"
        " AND (%(instrument)s::text IS NULL OR instrument = %(instrument)s)"
        " AND (%(asset)s::text IS NULL OR commodity = %(asset)s AND account_kind <> 'position')"
        " AND sequence BETWEEN %(first)s AND %(last)s ORDER BY sequence DESC, line DESC",
        {**wanted.accounts, "first": wanted.first, "last": wanted.last},
    ).fetchall()
    assert found == viewed


def test_owners_come_by_pages_without_the_house(connection: psycopg.Connection) -> None:
    pool = head(connection)
    everybody = console_participants.owners(connection, pool.shard, "", "", 100)
    assert everybody == ["ada", "ben", "cho", "dee", "eli", "fay", "gus"]
    assert console_participants.owners(connection, pool.shard, "cho", "", 2) == ["dee", "eli"]
    assert console_participants.owners(connection, pool.shard, "", "f", 9) == ["fay"]


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        ("1234567.5", 6, "1234567.500000"),
        ("-0.00000001", 8, "-0.00000001"),
        ("1E+3", 2, "1000.00"),
        ("12", 0, "12"),
        ("1.23456789", 2, "1.23456789"),
    ],
)
def test_a_figure_keeps_every_digit(value: str, scale: int, text: str) -> None:
    assert re.sub("<[^>]+>", "", figure(value, scale)) == text
