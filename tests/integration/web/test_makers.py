"""Work over whole pools is bounded, leaves room to others, and ends when nobody asks for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from ledger.errors import StoreUnavailable
from ledger.store.web.connections import Busy, Connection, Readers
from ledger.web.console.worked.patience import Patience
from ledger.web.makers import (
    CALLER_RUNS_MAX,
    CALLER_WAITS_MAX,
    GIVEN_UP_S,
    LOOK_S,
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
    assert makers.ask(asked_for, "one")
    clock.now = GIVEN_UP_S + 1
    assert makers.begin("other", one).future.result(WAIT_S) == 1
    assert isinstance(forgotten[0].future.exception(WAIT_S), StoreUnavailable)
    assert forgotten[1].future.cancelled()
    assert not asked_for.is_given_up
    assert makers.begin("one", one).future.result(WAIT_S) == 1, "its place is free again"


def test_what_nobody_asks_for_is_given_up_though_nobody_else_comes(
    makers: Makers, clock: Clock
) -> None:
    jobs = [makers.begin("one", asleep) for _ in range(CALLER_RUNS_MAX + 1)]
    until(lambda: sum(map(is_running, jobs)) == CALLER_RUNS_MAX)
    clock.now = GIVEN_UP_S + 1
    until(lambda: all(job.future.done() for job in jobs))
    assert jobs[-1].future.cancelled()
    assert not makers.ask(jobs[0], "one"), "whoever asks again begins anew"


def test_a_cancellation_that_comes_between_two_statements_is_sent_again(
    makers: Makers, clock: Clock
) -> None:
    is_between, goes_on = threading.Event(), threading.Event()
    job = makers.begin("one", between(is_between, goes_on))
    assert is_between.wait(WAIT_S)
    clock.now = GIVEN_UP_S + 1
    until(lambda: job.is_given_up)
    time.sleep(LOOK_S / 2)
    goes_on.set()
    assert isinstance(job.future.exception(WAIT_S), StoreUnavailable)


def between(is_between: threading.Event, goes_on: threading.Event) -> Callable[[Connection], None]:
    """Work of two statements, which stays between them for a while."""

    def work(connection: Connection) -> None:
        one(connection)
        is_between.set()
        assert goes_on.wait(WAIT_S)
        asleep(connection)

    return work


def test_a_connection_that_was_cancelled_is_not_lent_again(books_url: str, clock: Clock) -> None:
    readers = Readers(books_url, "clearing_reader", size=1, wait_s=2, statement_s=60)
    with closing(Makers(readers, clock)) as makers:
        first = makers.begin("one", backend).future.result(WAIT_S)
        assert makers.begin("one", backend).future.result(WAIT_S) == first
        job = makers.begin("one", asleep)
        until(lambda: is_running(job))
        clock.now = GIVEN_UP_S + 1
        job.future.exception(WAIT_S)
        assert makers.begin("one", backend).future.result(WAIT_S) != first


def backend(connection: Connection) -> int:
    return connection.info.backend_pid


def test_what_waits_for_one_caller_is_begun_for_another_who_asks_for_it(makers: Makers) -> None:
    *_, third = [makers.begin("one", asleep) for _ in range(CALLER_RUNS_MAX + 1)]
    assert not third.future.running()
    assert makers.ask(third, "other")
    assert third.future.running()


def test_work_goes_on_for_who_still_asks_when_the_first_has_gone(
    makers: Makers, clock: Clock
) -> None:
    job = makers.begin("one", asleep)
    until(lambda: is_running(job))
    clock.now = GIVEN_UP_S - 1
    makers.ask(job, "other")
    clock.now = GIVEN_UP_S + 1
    time.sleep(2 * LOOK_S)
    assert not job.is_given_up
    assert list(job.asked_at) == ["other"]


@pytest.mark.parametrize("is_between_statements", [False, True])
def test_the_end_of_the_server_leaves_nothing_without_an_end(
    books_url: str, *, is_between_statements: bool
) -> None:
    readers = Readers(books_url, "clearing_reader", size=MAKERS, wait_s=2, statement_s=60)
    makers = Makers(readers)
    is_between, goes_on = threading.Event(), threading.Event()
    works = between(is_between, goes_on) if is_between_statements else asleep
    jobs = [makers.begin(str(number), works) for number in range(MAKERS + 2)]
    until(lambda: sum(map(is_running, jobs)) == MAKERS)
    assert not is_between_statements or is_between.wait(WAIT_S)
    makers.close()
    if is_between_statements:
        time.sleep(LOOK_S / 2)
        goes_on.set()
    until(lambda: all(job.future.done() for job in jobs))
    with pytest.raises(StoreUnavailable):
        makers.begin("one", one)


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


def test_a_page_is_not_behind_all_that_another_caller_asked_for(makers: Makers) -> None:
    patience = Patience(makers)
    goes_on = threading.Event()

    def work(connection: Connection) -> int:
        assert goes_on.wait(WAIT_S)
        return one(connection)

    for number in range(CALLER_RUNS_MAX):
        assert patience.ask("one", number, 1, asleep, follows=False, wait_s=0) is None
    assert patience.ask("one", "both", 1, work, follows=False, wait_s=0) is None
    goes_on.set()
    found = patience.ask("other", "both", 1, work, follows=False, wait_s=WAIT_S)
    assert found == (1, 1, None)


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
