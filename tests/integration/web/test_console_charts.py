"""A chart shows the lows and highs that decided things, and says what it leaves out."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from ledger.store.console import pools as console_pools
from ledger.store.console import records as console_records
from ledger.store.web.connections import Readers

INSTRUMENT = "LIN-A"


@pytest.fixture
def connection(books_url: str) -> Iterator[psycopg.Connection]:
    readers = Readers(books_url, "clearing_auditor", size=1, wait_s=1, statement_s=10)
    with readers.lent() as lent:
        yield lent
    readers.close()


def marks(connection: psycopg.Connection) -> console_records.Marks:
    pool = next(one for one in console_pools.heads(connection) if one.name == "main")
    return console_records.marks(connection, pool.shard, INSTRUMENT, 1, pool.head)


def test_the_lowest_and_the_highest_mark_of_many_are_shown(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = marks(connection)
    assert len(everything.shown) == everything.total
    prices = [price for _, _, price in everything.shown]
    for most in (4, 6, 10):
        monkeypatch.setattr(console_records, "MARKS_MAX", most)
        some = marks(connection)
        assert some.total == everything.total
        assert len(some.shown) <= most + 1
        shown = [price for _, _, price in some.shown]
        assert (min(shown), max(shown)) == (min(prices), max(prices))
        assert some.shown[-1] == everything.shown[-1]
        assert some.shown == sorted(some.shown)
        assert set(some.shown) <= set(everything.shown)


def said(client: httpx.Client, path: str) -> str:
    answer = client.get(f"/pools/main/{path}")
    assert answer.status_code == 200
    return str(answer.json()["said"])


def test_a_chart_says_what_it_leaves_out(
    console: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"instruments/{INSTRUMENT}/marks.json"
    assert said(console, path) == ""
    assert said(console, "fund.json") == ""
    monkeypatch.setattr(console_records, "MARKS_MAX", 4)
    assert "the lowest and the highest of each stretch" in said(console, path)
    monkeypatch.setattr(console_records, "MARKS_READ_MAX", 4)
    assert "marks at even distances; there are more" in said(console, path)
    monkeypatch.setattr("ledger.web.console.pages.fund.POINTS", 3)
    assert said(console, "fund.json").startswith("3 of ")


def test_a_queue_of_no_instrument_is_not_there(console: httpx.Client) -> None:
    assert console.get("/pools/main/adl?instrument=NOPE").status_code == 404
    assert console.get("/pools/main/adl?instrument=LIN-A").status_code == 200


def test_every_part_that_scrolls_is_reached_by_the_keyboard_and_named(
    console: httpx.Client,
) -> None:
    for path in ("", "/pools/main", "/pools/main/audit", "/pools/main/adl", "/pools/main/fund"):
        page = console.get(path or "/").text
        parts = page.split('<div class="scroll')[1:]
        assert parts
        for part in parts:
            tag = part.split(">", 1)[0]
            assert 'tabindex="0" role="region" aria-label' in tag, tag
