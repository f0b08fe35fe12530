"""Windows grow with what earlier ones cost, and sums go on being made while callers come again."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import cast

import httpx
import psycopg
import pytest

from ledger.store.web.connections import Readers
from ledger.store.web.pace import FIRST_EVENTS, GROWS, Pace
from ledger.store.web.sums import Sum
from ledger.web.api.catalogue import LISTINGS
from ledger.web.api.sums import KEPT_TIMES, KeptSums
from ledger.web.app import create_app
from ledger.web.makers import CALLER_RUNS_MAX, CALLER_WAITS_MAX, MAKERS, Makers
from ledger.web.problems import PREFIX
from ledger.web.server import STOP_S
from tests.integration.web.servers import patient, serving, serving_app

BALANCE = cast("Sum", LISTINGS["trial_balance"].source)


def test_the_first_window_of_a_kind_is_narrow_and_the_next_ones_grow() -> None:
    pace = Pace()
    assert pace.width("kind", 100, 0.1) == FIRST_EVENTS
    pace.learn("kind", FIRST_EVENTS, 0.001, 0, FIRST_EVENTS)
    assert pace.width("kind", 100, 0.1) == GROWS * FIRST_EVENTS
    assert pace.width("other", 100, 0.1) == FIRST_EVENTS


def test_a_window_is_no_wider_than_the_time_that_is_left() -> None:
    pace = Pace()
    pace.learn("kind", 1_000, 0.1, 0, 1_000)
    assert pace.width("kind", 100, 0.05) == 500


def test_a_window_is_no_wider_than_the_rows_that_are_missing() -> None:
    pace = Pace()
    pace.learn("kind", 1_000, 0.001, 1_000, 500)
    assert pace.width("kind", 100, 10) == 75


def test_where_a_window_is_dear_to_begin_it_is_wide_enough_to_be_worth_it() -> None:
    pace = Pace()
    pace.learn("kind", 1_000, 0.101, 0, 1_000)
    pace.learn("kind", 3_000, 0.103, 0, 3_000)
    assert pace.width("kind", 100, 0.0) == GROWS * 3_000


def test_a_sum_goes_on_being_made_while_its_caller_comes_again(books_url: str) -> None:
    with (
        serving(patient(books_url, sum_wait_s=0)) as address,
        httpx.Client(base_url=address) as client,
    ):
        first = client.get("/api/v1/pools/main/adl_queue")
        assert first.json()["type"] == f"{PREFIX}being_made"
        assert first.headers["retry-after"] == "5"
        ends = time.monotonic() + 30
        while (answer := client.get("/api/v1/pools/main/adl_queue")).status_code == 503:
            assert time.monotonic() < ends, "it is never made"
            time.sleep(0.05)
    assert answer.json()["rows"]


def test_a_sum_is_kept_for_a_multiple_of_what_it_took(books_url: str) -> None:
    times = iter([0.0, 2.0, 2.0 + 2 * KEPT_TIMES - 1])  # begun, made, asked for once more

    async def ask(sums: KeptSums) -> None:
        made = await sums.made("one", BALANCE, "main", None)
        assert made.rows.rows
        assert await sums.made("one", BALANCE, "main", None) is made

    asked(books_url, ask, lambda: next(times))


def asked(
    url: str,
    ask: Callable[[KeptSums], Coroutine[None, None, None]],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Ask sums of their own."""
    readers = Readers(url, "clearing_reader", size=MAKERS, wait_s=2, statement_s=60)
    with closing(KeptSums(Makers(readers), 30, clock)) as sums:
        asyncio.run(ask(sums))


def test_sums_of_many_moments_wait_in_no_thread_and_without_a_crowd(books_url: str) -> None:
    app = create_app(patient(books_url, sum_wait_s=5))
    sums: KeptSums = app.state.sums
    count = CALLER_RUNS_MAX + CALLER_WAITS_MAX + 40
    with (
        serving_app(app) as address,
        httpx.Client(base_url=address, timeout=30) as client,
        locked(books_url),
        ThreadPoolExecutor(count) as threads,
    ):
        path = "/api/v1/pools/main/trial_balance?at="
        answers = [threads.submit(client.get, f"{path}{1 + at}") for at in range(count)]
        while sum(each.done() for each in answers) < 40:
            time.sleep(0.02)
        began = time.monotonic()
        assert client.get("/api/v1/health").status_code == 200
        assert client.get("/api/v1/pools").status_code == 200
        assert time.monotonic() - began < 3, "the others wait, and keep nobody waiting"
        assert len(sums._makers._waiting) <= CALLER_WAITS_MAX
    types = Counter(each.result().json()["type"].removeprefix(PREFIX) for each in answers)
    assert types == {"busy": 40, "being_made": count - 40}


def test_whoever_asks_for_a_sum_that_another_queued_does_not_wait_for_all_of_its_sums(
    books_url: str,
) -> None:
    async def ask(sums: KeptSums) -> None:
        running = sums._makers._running
        moments = range(1, CALLER_RUNS_MAX + 2)
        theirs = [asyncio.ensure_future(sums.made("one", BALANCE, "main", at)) for at in moments]
        await asyncio.sleep(0.2)
        assert len(running) == CALLER_RUNS_MAX
        joined = asyncio.ensure_future(sums.made("other", BALANCE, "main", moments[-1]))
        await asyncio.sleep(0.2)
        assert len(running) == CALLER_RUNS_MAX + 1
        lock.rollback()
        assert (await joined).sequence == moments[-1]
        assert len(await asyncio.gather(*theirs)) == len(moments)

    with psycopg.connect(books_url) as lock:
        lock.execute("LOCK TABLE ledger.account IN ACCESS EXCLUSIVE MODE")
        asked(books_url, ask)


def test_a_server_that_stops_tells_whoever_waits_for_a_sum_and_ends_its_statements(
    books_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(patient(books_url, sum_wait_s=60))
    makers: Makers = app.state.sums._makers
    with locked(books_url), ThreadPoolExecutor(5) as threads:
        with serving_app(app) as address:
            path = f"{address}/api/v1/pools/main/trial_balance?at="
            answers = [threads.submit(httpx.get, f"{path}{1 + at}", timeout=30) for at in range(5)]
            while len(makers._waiting) + len(makers._running) < len(answers):
                time.sleep(0.02)
            began = time.monotonic()
        assert time.monotonic() - began < STOP_S
        told = [each.result().json()["type"] for each in answers]
        while makers._running:
            assert time.monotonic() - began < 20, "statements run on"
            time.sleep(0.02)
    assert told == [f"{PREFIX}unavailable"] * len(answers)
    assert not [each for each in caplog.records if each.exc_info]


@contextmanager
def locked(url: str) -> Iterator[None]:
    """What sums read is locked, so that they take for ever."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE ledger.account IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_filter_makes_no_other_sum(books_url: str) -> None:
    app = create_app(patient(books_url))
    with serving_app(app) as address, httpx.Client(base_url=address) as client:
        whole = client.get("/api/v1/pools/main/open_interest").json()["rows"]
        assert len(whole) > 1
        for row in whole:
            query = {"instrument": row["instrument"]}
            found = client.get("/api/v1/pools/main/open_interest", params=query).json()["rows"]
            assert found == [row]
        none = client.get("/api/v1/pools/main/open_interest?instrument=x1").json()["rows"]
        assert none == []
        assert len(app.state.sums._kept) == 1


def test_sums_that_are_kept_have_so_many_rows_together(
    books_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.web.api.sums.KEPT_ROWS_MAX", 30)

    async def ask(sums: KeptSums) -> None:
        for at in range(100, 110):
            made = await sums.made("one", BALANCE, "main", at)
            assert len(made.rows.rows) > 5
            assert len(sums._kept) <= 30 / 5

    asked(books_url, ask)


@pytest.mark.parametrize("at", [None, 300])
def test_a_sum_of_an_unknown_pool_is_refused_each_time(books_url: str, at: int | None) -> None:
    with serving(patient(books_url)) as address, httpx.Client(base_url=address) as client:
        query = "" if at is None else f"?at={at}"
        for _ in range(2):
            answer = client.get(f"/api/v1/pools/nope/trial_balance{query}")
            assert answer.json()["type"] == f"{PREFIX}unknown_pool"
