"""Work over whole pools is bounded, leaves room to others, and ends when nobody asks for it."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ledger.errors import StoreUnavailable
from ledger.store.web.connections import Busy, Connection, Readers
from ledger.web.console.worked.patience import Patience
from ledger.web.makers import (
    CALLER_RUNS_MAX,
    CALLER_WAITS_MAX,
    GIVEN_UP_S,
    MAKERS,
    WAITING_MAX,
    Job,
    Makers,
)

WAIT_S = 20


class Clock:
    """Seconds that go forward when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def makers(books_url: str, clock: Clock) -> Iterator[Makers]:
    readers = Readers(books_url, "clearing_reader", size=MAKERS, wait_s=2, statement_s=60)
    made = Makers(readers, clock)
    yield made
    made.close()


def asleep(connection: Connection) -> None:
    """A statement that takes longer than any test."""
    connection.execute("SELECT pg_sleep(60)")


def one(connection: Connection) -> int:
    row = connection.execute("SELECT 1").fetchone()
    assert row is not None
    return int(row[0])


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < ends, "it never came to hold"
        time.sleep(0.01)


def is_running(job: Job[None]) -> bool:
    return job.connection is not None


def test_what_one_caller_asks_for_leaves_a_place_to_another(makers: Makers) -> None:
    slow = [makers.begin("one", asleep) for _ in range(CALLER_RUNS_MAX + 3)]
    until(lambda: sum(map(is_running, slow)) == CALLER_RUNS_MAX)
    assert makers.begin("other", one).future.result(WAIT_S) == 1
    assert sum(map(is_running, slow)) == CALLER_RUNS_MAX


def test_no_more_waits_than_may(makers: Makers) -> None:
    for _ in range(CALLER_RUNS_MAX + CALLER_WAITS_MAX):
        makers.begin("one", asleep)
    with pytest.raises(Busy):
        makers.begin("one", asleep)
    others = MAKERS - CALLER_RUNS_MAX + WAITING_MAX - CALLER_WAITS_MAX
    for number in range(others):
        makers.begin(f"other {number}", asleep)
    with pytest.raises(Busy):
        makers.begin("the last", one)


def test_what_nobody_asks_for_any_more_is_given_up(makers: Makers, clock: Clock) -> None:
    asked_for, *forgotten = [makers.begin("one", asleep) for _ in range(CALLER_RUNS_MAX + 1)]
    until(lambda: is_running(asked_for) and is_running(forgotten[0]))
    clock.now = GIVEN_UP_S / 2
    makers.ask(asked_for)
    clock.now = GIVEN_UP_S + 1
    assert makers.begin("other", one).future.result(WAIT_S) == 1
    assert isinstance(forgotten[0].future.exception(WAIT_S), StoreUnavailable)
    assert forgotten[1].future.cancelled()
    assert not asked_for.is_given_up
    assert makers.begin("one", one).future.result(WAIT_S) == 1, "its place is free again"


def test_the_end_of_the_server_ends_the_statements(books_url: str) -> None:
    readers = Readers(books_url, "clearing_reader", size=MAKERS, wait_s=2, statement_s=60)
    makers = Makers(readers)
    job = makers.begin("one", asleep)
    until(lambda: is_running(job))
    makers.close()
    assert isinstance(job.future.exception(WAIT_S), StoreUnavailable)


def test_a_page_whose_figures_find_no_place_is_told_that_they_are_not_there_yet(
    makers: Makers,
) -> None:
    patience = Patience(makers)
    for number in range(CALLER_RUNS_MAX + CALLER_WAITS_MAX + 1):
        found = patience.ask("one", ("slow", number), 1, asleep, follows=False, wait_s=0)
        assert found is None
    other = patience.ask("other", "fast", 1, one, follows=False, wait_s=WAIT_S)
    assert other == (1, 1, None)


def test_figures_that_were_given_up_are_begun_anew(makers: Makers, clock: Clock) -> None:
    patience = Patience(makers)
    released = threading.Event()

    def work(connection: Connection) -> int:
        if not released.is_set():
            asleep(connection)
        return one(connection)

    assert patience.ask("one", "sums", 1, work, follows=True, wait_s=0) is None
    clock.now = GIVEN_UP_S + 1
    assert makers.begin("other", one).future.result(WAIT_S) == 1
    released.set()
    assert patience.ask("one", "sums", 1, work, follows=True, wait_s=WAIT_S) == (1, 1, None)
