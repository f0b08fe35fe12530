"""What views tell of now alone is told of the past as they told it then; pages do not shift."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from ledger.recon.casework import working
from ledger.recon.casework.keeping import keep
from ledger.store.log.postgres import PostgresLog
from ledger.store.web.connections import Readers
from ledger.store.web.rows import Rows
from ledger.store.web.sums import Sum, whole
from ledger.web.api import sums
from ledger.web.api.catalogue import LISTINGS
from ledger.writer import Writer
from tests.integration.back_office.found import difference, result, rules
from tests.integration.leveraged_books import Books
from tests.integration.test_margin_views import inventory
from tests.integration.web.servers import patient, serving
from tests.integration.web.test_listings import listed, pages

QUEUE = LISTINGS["adl_queue"].source
BATCHES, BATCH = 6, 30
SEEDS = {"capped_pro_rata": 5, "pro_rata": 3, "binance": 8, "bitmex": 7, "hyperliquid": 12}
"""By the policy that they draw."""


def queue(url: str, at: int | None) -> Rows:
    """The queue as a reader is told it."""
    readers = Readers(url, "clearing_reader", size=1, wait_s=1, statement_s=10)
    assert isinstance(QUEUE, Sum)
    try:
        with readers.lent() as connection:
            return whole(connection, QUEUE, "main", at, {})
    finally:
        readers.close()


def _head(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sequence FROM reporting.pools WHERE pool = 'main'"
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("policy", SEEDS)
def test_the_queue_of_then_is_what_the_view_said_then(database_url: str, policy: str) -> None:
    log = PostgresLog.connect(database_url, "test")
    made, writer = Books(SEEDS[policy]), Writer(log)
    writer.take(made.beginning())
    said: dict[int, Rows] = {}
    for _ in range(BATCHES):
        made.inventory = inventory(writer.state("main"))
        writer.take(made.messages(BATCH))
        said[_head(database_url)] = queue(database_url, None)
    log.close()
    assert any(row[-1] for found in said.values() for row in found.rows), "somebody is eligible"
    for at, found in said.items():
        assert queue(database_url, at) == found, at


def test_a_reader_stays_one_after_it_was_told_the_past(books_url: str) -> None:
    readers = Readers(books_url, "clearing_reader", size=1, wait_s=1, statement_s=10)
    assert isinstance(QUEUE, Sum)
    with readers.lent() as connection:
        whole(connection, QUEUE, "main", 300, {})
    with readers.lent() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT FROM ledger.shard")
    readers.close()


def test_the_queue_is_listed_as_of_an_event(client: httpx.Client) -> None:
    then, now = listed(client, "adl_queue", at=333), listed(client, "adl_queue")
    assert then
    assert then != now
    (page,) = pages(client, "pools/main/adl_queue", at=333, limit=1000)
    assert page["sequence"] == 333
    of_account = listed(client, "adl_queue", at=333, account=then[0]["account"])
    assert of_account == [row for row in then if row["account"] == then[0]["account"]]


@pytest.fixture
def shifting(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Writer, Books, httpx.Client]]:
    """Books that are written to, a writer of them, and a client of a server that keeps no sums."""
    monkeypatch.setattr(sums, "KEPT_TIMES", 0)
    log = PostgresLog.connect(database_url, "test")
    made, writer = Books(3), Writer(log)
    writer.take(made.beginning())
    for _ in range(3):
        made.inventory = inventory(writer.state("main"))
        writer.take(made.messages(BATCH))
    with serving(patient(database_url)) as address, httpx.Client(base_url=address) as opened:
        yield writer, made, opened
    log.close()


@pytest.mark.parametrize("name", ["adl_queue", "trial_balance", "open_interest"])
def test_pages_of_a_sum_are_of_one_event_while_others_come(
    shifting: tuple[Writer, Books, httpx.Client], name: str
) -> None:
    writer, made, client = shifting
    expected = listed(client, name)
    found = []
    for page in pages(client, f"pools/main/{name}", limit=1):
        found.append(page)
        if len(found) < 4:
            made.inventory = inventory(writer.state("main"))
            writer.take(made.messages(BATCH))
    assert [row for page in found for row in page["rows"]] == expected
    assert len({page["sequence"] for page in found}) == 1


SUBJECTS = ("B-1", "B-2", "B-3", "B-4")


@pytest.fixture
def kept(database_url: str) -> Iterator[tuple[str, httpx.Client]]:
    """A database with breaks of one run, and a client of a server over it."""
    log = PostgresLog.connect(database_url, "test")
    Writer(log).take(Books(3).beginning())
    log.close()
    found = result(*(difference(subject) for subject in SUBJECTS))
    keep(database_url, found, rules(), "rosa")
    with serving(patient(database_url)) as address, httpx.Client(base_url=address) as opened:
        yield database_url, opened


def close(url: str, key: str) -> None:
    working.do(url, key, "explained", "anna", "a fee of theirs")
    working.do(url, key, "approved", "bob", "seen")
    working.do(url, key, "closed", "bob", "done")


def test_a_break_is_told_though_another_was_closed_between_two_pages(
    kept: tuple[str, httpx.Client],
) -> None:
    url, client = kept
    keys = sorted(row["break_key"] for row in listed(client, "breaks"))
    assert len(keys) == len(SUBJECTS)
    told: list[str] = []
    for page in pages(client, "pools/main/breaks", limit=1):
        told += [row["break_key"] for row in page["rows"]]
        if len(told) == 1:
            close(url, told[0])
            renewed(client, "breaks", _now(url))
    assert told == keys


def renewed(client: httpx.Client, name: str, since: str) -> Mapping[str, Any]:
    """The listing as it is read after a moment: sums are kept ten times as long as they took."""
    ends = time.monotonic() + 60
    while True:
        (page,) = pages(client, f"pools/main/{name}", limit=1000)
        if page["as_of"] > since:
            return page
        assert time.monotonic() < ends, "it is not read anew"
        time.sleep(0.02)


def steady(rows: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """Without the age, which grows."""
    return [{name: value for name, value in row.items() if name != "age"} for row in rows]


def test_breaks_are_told_as_they_stood_at_a_moment(kept: tuple[str, httpx.Client]) -> None:
    url, client = kept
    (before,) = pages(client, "pools/main/breaks")
    assert before["run"] == 1
    close(url, before["rows"][0]["break_key"])
    working.assign(url, before["rows"][1]["break_key"], "anna", "carl", "")
    changed = difference("B-2", theirs=6)
    keep(url, result(changed, *map(difference, ("B-3", "B-4", "B-5"))), rules(), "rosa")
    (then,) = pages(client, "pools/main/breaks", at=before["as_of"])
    assert then["as_of"] == before["as_of"]
    assert then["run"] == 1
    assert steady(then["rows"]) == steady(before["rows"])
    (after,) = pages(client, "pools/main/breaks", at=_now(url))
    now = renewed(client, "breaks", _now(url))
    assert steady(after["rows"]) == steady(now["rows"])
    assert steady(now["rows"]) != steady(before["rows"])
    assert now["run"] == after["run"] == 2


def _now(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_reconciliations_are_told_as_of_a_moment(kept: tuple[str, httpx.Client]) -> None:
    url, client = kept
    first = _now(url)
    keep(url, result(difference("B-1")), rules(), "rosa")
    now = renewed(client, "reconciliations", _now(url))
    assert [row["run"] for row in now["rows"]] == [1, 2]
    assert [row["run"] for row in listed(client, "reconciliations", at=first)] == [1]


@pytest.mark.parametrize("name", ["breaks", "reconciliations"])
def test_work_on_breaks_has_moments_and_no_events(
    kept: tuple[str, httpx.Client], name: str
) -> None:
    _, client = kept
    path = f"/api/v1/pools/main/{name}"
    answer = client.get(f"{path}?at=3")
    assert answer.status_code == 422
    assert "moment of the clock" in answer.json()["errors"][0]["says"]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = client.get(f"{path}?at={tomorrow}")
    assert answer.json()["type"] == "urn:clearing:problem:not_there"
    assert listed(client, name, at="2026-01-05T12:00:00Z") == []
