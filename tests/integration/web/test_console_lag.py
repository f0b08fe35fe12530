"""How far the books are behind Kafka, on the console: shown, kept, and never waited for."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import httpx
import psycopg
import pytest

from ledger.errors import BrokerUnavailable
from ledger.store.recon.sums import Taken
from ledger.store.web.connections import Readers
from ledger.web.console.worked import lag as console_lag
from ledger.web.console.worked.lag import GONE, NO_TOPIC, NOT_YET, Behind, KafkaLag
from ledger.web.settings import WebSettings
from tests.integration.test_detaching import live
from tests.integration.web.servers import serving
from tests.unit.desk import BEGINNING

Ends = Mapping[tuple[str, int], int]
T, P = "clearing.trades", "clearing.prices"


@pytest.fixture
def read(database_url: str) -> str:
    """Books of a pool that was read from two topics, of which one was made again since."""
    live(database_url, BEGINNING)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO ledger.source (source, cluster, topic_id, topic)"
            " OVERRIDING SYSTEM VALUE VALUES"
            " (11, 'k', 'old', %(t)s), (12, 'k', 'new', %(t)s), (13, 'k', 'p', %(p)s)",
            {"t": T, "p": P},
        )
        connection.execute(
            "INSERT INTO ledger.source_offset (shard, source, partition, next_offset)"
            " VALUES (1, 11, 0, 900), (1, 12, 0, 40), (1, 13, 0, 7)"
        )
    return database_url


@pytest.fixture
def readers(read: str) -> Iterator[Readers]:
    made = Readers(read, "clearing_auditor", size=2, wait_s=2, statement_s=10)
    yield made
    made.close()


def heard(lag: KafkaLag, pool: str = "main") -> Behind:
    """What is shown once the broker has answered."""
    ends = time.monotonic() + 10
    while (found := lag.of(pool)) == NOT_YET:
        assert time.monotonic() < ends, "nobody answers"
        time.sleep(0.01)
    return found


def test_messages_that_the_books_do_not_hold_are_counted_over_the_topics_of_a_pool(
    readers: Readers,
) -> None:
    asked: list[Sequence[Taken]] = []

    def ends(taken: Sequence[Taken]) -> Ends:
        asked.append(taken)
        return {(T, 0): 50, (P, 0): 7}

    lag = KafkaLag(ends, readers)
    assert lag.of("main") == NOT_YET
    assert heard(lag).messages == 10
    assert heard(lag, "other") == NO_TOPIC
    assert asked == [[Taken("k", "new", T, 0, 40), Taken("k", "p", P, 0, 7)]], "asked once"


def test_a_topic_that_is_not_there_is_unknown_and_one_that_lost_messages_is_not_behind(
    readers: Readers,
) -> None:
    assert heard(KafkaLag(lambda _: {}, readers)) == GONE
    assert heard(KafkaLag(lambda _: {(T, 0): 3}, readers)).messages == 0


def test_the_number_of_some_partitions_is_not_told_as_that_of_all(readers: Readers) -> None:
    found = heard(KafkaLag(lambda _: {(T, 0): 50}, readers))
    assert (found.messages, found.part) == (10, "on 1 of 2 partitions")
    assert "not there" in found.why
    assert heard(KafkaLag(lambda _: {(T, 0): 50, (P, 0): 7}, readers)).part == ""


def test_what_was_heard_long_ago_is_not_told_for_now(readers: Readers) -> None:
    now, answer = [0.0], threading.Event()
    answer.set()

    def ends(_: Sequence[Taken]) -> Ends:
        answer.wait(30)
        return {(T, 0): 50}

    lag = KafkaLag(ends, readers, clock=lambda: now[0])
    assert heard(lag).messages == 10
    answer.clear()
    now[0] = console_lag.OLD_S - 0.1
    assert lag.of("main").messages == 10
    now[0] = 36_000
    assert lag.of("main") == NOT_YET
    answer.set()
    assert heard(lag).messages == 10


def test_a_fault_that_nobody_foresaw_takes_the_number_away_until_the_next_answer(
    readers: Readers, caplog: pytest.LogCaptureFixture
) -> None:
    now, faults = [0.0], list[Exception]()

    def ends(_: Sequence[Taken]) -> Ends:
        if faults:
            raise faults.pop()
        return {(T, 0): 50}

    faults.append(RuntimeError("of a library"))
    lag = KafkaLag(ends, readers, clock=lambda: now[0])
    assert heard(lag) == Behind(None, "unknown", "a fault of ours: see the log")
    assert "of a library" in caplog.text
    now[0] = 60
    assert heard(lag).messages == 10


def test_the_broker_is_asked_again_when_what_it_said_is_old_and_by_one_at_a_time(
    readers: Readers,
) -> None:
    now, end, asked = [0.0], [41], threading.Semaphore(0)

    def ends(_: Sequence[Taken]) -> Ends:
        asked.release()
        return {(T, 0): end[0]}

    lag = KafkaLag(ends, readers, clock=lambda: now[0])
    assert heard(lag).messages == 1
    end[0] = 44
    for _ in range(20):
        assert lag.of("main").messages == 1
    now[0] = console_lag.KEPT_S
    assert lag.of("main").messages == 1, "it does not wait"
    until = time.monotonic() + 10
    while lag.of("main").messages == 1:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert lag.of("main").messages == 4
    assert asked.acquire(blocking=False)
    assert asked.acquire(blocking=False)
    assert not asked.acquire(blocking=False)


def test_a_broker_that_is_away_is_said_without_its_address_and_asked_again(
    readers: Readers,
) -> None:
    now, answers = [0.0], [True]

    def ends(_: Sequence[Taken]) -> Ends:
        if answers.pop():
            raise BrokerUnavailable("describing topics at secret.example:9092: refused")
        return {(T, 0): 40}

    answers[:] = [False, True]
    lag = KafkaLag(ends, readers, clock=lambda: now[0])
    found = heard(lag)
    assert (found.messages, found.words) == (None, "unknown")
    assert "secret" not in found.why
    now[0] = 60
    until = time.monotonic() + 10
    while lag.of("main").messages is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert lag.of("main").messages == 0


def lines(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def shown(address: str, path: str, wanted: Callable[[str], bool]) -> str:
    """The words of a page, once they are as wanted."""
    until = time.monotonic() + 10
    while True:
        found = lines(httpx.get(address + path))
        if wanted(found):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_pages_show_it_without_waiting_for_the_broker(read: str) -> None:
    answer = threading.Event()

    def ends(_: Sequence[Taken]) -> Ends:
        answer.wait(30)
        return dict(there)

    there = {(T, 0): 750, (P, 0): 7}
    settings = WebSettings(read, is_open=True, end_offsets=ends)
    with serving(settings) as address:
        assert "Behind Kafka …" in lines(httpx.get(f"{address}/pools/main", timeout=5))
        assert "Behind Kafka" in lines(httpx.get(f"{address}/", timeout=5))
        answer.set()
        shown(address, "/pools/main", lambda words: "Behind Kafka 710" in words)
        shown(address, "/", lambda words: "710" in words)
        there.pop((P, 0))
        shown(address, "/pools/main", lambda words: "Behind Kafka 710 on 1 of 2 part" in words)
        assert "Behind Kafka –" in lines(httpx.get(f"{address}/pools/main?at=2"))
        assert "710" not in lines(httpx.get(f"{address}/?at=2026-01-01T00:00:00Z"))


def test_pages_say_that_the_broker_is_not_asked(read: str) -> None:
    with serving(WebSettings(read, is_open=True)) as address:
        assert "Behind Kafka not asked" in lines(httpx.get(f"{address}/pools/main"))
        words = lines(httpx.get(f"{address}/"))
        assert "not asked" in words
        assert "clearing serve --kafka" in words
