"""Records are streamed once each and in order; streams that are idle hold nothing."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from ledger.store.log.postgres import PostgresLog
from ledger.store.web import tokens as web_tokens
from ledger.web.api.streams import Following
from ledger.web.app import create_app
from ledger.web.problems import PREFIX
from ledger.writer import Writer
from tests.integration import leveraged_books
from tests.integration.web.servers import patient, serving_app
from tests.integration.web.test_tokens import bearer, made

STREAM = "/api/v1/pools/main/records/stream"
WAIT_S = 30

Place = tuple[int, int]


class Event:
    """One server-sent event, or a comment."""

    def __init__(self, text: str) -> None:
        lines = [line.partition(": ") for line in text.splitlines()]
        self.fields = {name: value for name, _, value in lines}

    @property
    def place(self) -> Place:
        sequence, _, line = self.fields["id"].partition(".")
        return int(sequence), int(line)

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.fields["data"])
        return found


@contextmanager
def listening(client: httpx.Client, path: str, **headers: str) -> Iterator[Iterator[Event]]:
    """Events as they come."""
    with client.stream("GET", path, headers=headers, timeout=WAIT_S) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


def _events(answer: httpx.Response) -> Iterator[Event]:
    text = ""
    for part in answer.iter_text():
        text += part
        while "\n\n" in text:
            one, _, text = text.partition("\n\n")
            yield Event(one)


def places(url: str) -> list[Place]:
    """Where all records are, in order."""
    with psycopg.connect(url) as connection:
        query = "SELECT sequence, line FROM ledger.record ORDER BY sequence, line"
        return connection.execute(query).fetchall()


def taken(events: Iterator[Event], count: int) -> list[Event]:
    """The next records."""
    found: list[Event] = []
    while len(found) < count:
        event = next(events)
        if "id" in event.fields:
            found.append(event)
    return found


def test_a_stream_has_every_record_once_and_in_order(client: httpx.Client, books_url: str) -> None:
    expected = places(books_url)
    with listening(client, f"{STREAM}?from=1") as events:
        found = taken(events, len(expected))
    assert [event.place for event in found] == expected
    first = found[0]
    assert first.fields["event"] == first.record["kind"]
    assert (first.record["sequence"], first.record["line"]) == first.place


def test_a_stream_begins_at_a_sequence_or_behind_what_was_seen(
    client: httpx.Client, books_url: str
) -> None:
    expected = places(books_url)
    middle = next(number for number, place in enumerate(expected) if place[1] > 1)
    sequence, line = expected[middle]
    with listening(client, f"{STREAM}?from={sequence}") as events:
        assert taken(events, 1)[0].place == (sequence, 1)
    with listening(client, f"{STREAM}?from=1", **{"Last-Event-ID": f"{sequence}.{line}"}) as events:
        assert taken(events, 1)[0].place == expected[middle + 1]


def test_new_records_come_while_one_listens_and_the_end_of_the_client_ends_the_stream(
    database_url: str,
) -> None:
    log = PostgresLog.connect(database_url, "test")
    writer, books = Writer(log), leveraged_books.Books(2)
    writer.take(books.beginning())
    app = create_app(patient(database_url, poll_s=0.02, heartbeat_s=0.05))
    following: Following = app.state.following
    before = len(places(database_url))
    with serving_app(app) as address, httpx.Client(base_url=address) as client:
        with listening(client, STREAM) as events:
            heartbeat = [next(events) for _ in range(3)]
            assert not any("id" in event.fields for event in heartbeat)
            assert following.open.total() == 1
            assert _busy(database_url) == 0
            threading.Thread(target=writer.take, args=(books.messages(60),)).start()
            (event,) = taken(events, 1)
        _until(lambda: following.open.total() == 0)
        log.close()
    assert event.place == places(database_url)[before]


def _busy(url: str) -> int:
    """Connections of the server that are within a transaction, for longer than a look takes."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'clearing serve'"
            " AND datname = current_database()"
            " AND xact_start < clock_timestamp() - interval '2s'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _until(holds: Any) -> None:  # noqa: ANN401 - a condition
    ends = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < ends, "it never came to hold"
        time.sleep(0.01)


def test_streams_are_counted_and_one_too_many_is_refused(books_url: str) -> None:
    app = create_app(patient(books_url, streams_max=1))
    with serving_app(app) as address, httpx.Client(base_url=address) as client:
        with listening(client, STREAM):
            _until(lambda: app.state.following.open.total() == 1)
            refused = client.get(STREAM)
            assert refused.status_code == 429
            assert refused.json()["type"] == f"{PREFIX}too_many_streams"
        _until(lambda: app.state.following.open.total() == 0)


@pytest.mark.timeout(60)
def test_a_server_that_stops_ends_its_streams(books_url: str) -> None:
    app = create_app(patient(books_url, poll_s=0.02))
    ended = threading.Event()
    with serving_app(app) as address:

        def listen() -> None:
            with (
                httpx.Client(base_url=address) as client,
                listening(client, STREAM) as events,
            ):
                for _ in events:
                    pass
            ended.set()

        threading.Thread(target=listen).start()
        _until(lambda: app.state.following.open.total() == 1)
    assert ended.wait(WAIT_S)


def test_a_stream_ends_after_its_time(books_url: str) -> None:
    app = create_app(patient(books_url, stream_s=0.2, poll_s=0.02))
    with (
        serving_app(app) as address,
        httpx.Client(base_url=address) as client,
        listening(client, STREAM) as events,
    ):
        assert [event.fields for event in events] == [{"retry": "2000"}]


def test_a_stream_ends_soon_after_its_token_was_taken_back(database_url: str) -> None:
    leaked = made(database_url, "leaked", "reporting")
    app = create_app(patient(database_url, is_open=False, tokens_kept_s=0.1, poll_s=0.05))
    _write_a_pool(database_url)
    with (
        serving_app(app) as address,
        httpx.Client(base_url=address) as client,
        listening(client, STREAM, **bearer(leaked)) as events,
    ):
        assert next(events).fields == {"retry": "2000"}
        web_tokens.revoke(database_url, "leaked", "tester", "it leaked")
        began = time.monotonic()
        assert list(events) == []
        assert time.monotonic() - began < 10


def _write_a_pool(url: str) -> None:
    log = PostgresLog.connect(url, "test")
    Writer(log).take(leveraged_books.Books(2).beginning())
    log.close()


def test_one_caller_does_not_take_the_streams_of_another(database_url: str) -> None:
    _write_a_pool(database_url)
    one, other = (made(database_url, name, "reporting") for name in ("one", "other"))
    app = create_app(patient(database_url, is_open=False, caller_streams_max=1))
    with serving_app(app) as address, httpx.Client(base_url=address) as client:
        with listening(client, STREAM, **bearer(one)):
            refused = client.get(STREAM, headers=bearer(one))
            assert refused.status_code == 429
            assert "one has 1 streams open" in refused.json()["detail"]
            with listening(client, STREAM, **bearer(other)):
                assert app.state.following.open.total() == 2
        _until(lambda: not app.state.following.open)


def test_streams_that_catch_up_keep_nobody_else_waiting(books_url: str) -> None:
    app = create_app(patient(books_url, stream_connections_max=1, connection_wait_s=0.2))
    following: Following = app.state.following
    with (
        serving_app(app) as address,
        httpx.Client(base_url=address) as client,
        following._readers.lent(),
    ):
        refused = client.get(STREAM)
        assert refused.json()["type"] == f"{PREFIX}busy"
        assert client.get("/api/v1/pools/main/checkpoints").status_code == 200
