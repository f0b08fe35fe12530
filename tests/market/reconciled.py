"""Books in PostgreSQL made of a venue's file, to hold the same file against them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg

from ledger.importers import WireEvent
from ledger.ports import Message, Source
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.conftest import url_of

_BATCH = 1_000


@contextmanager
def books_of(server: Embedded, name: str, events: Iterable[WireEvent]) -> Iterator[str]:
    """The URL of a database with books of these events, all of which must be accepted."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template")
        url = url_of(server, name)
        add(url, name, events)
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def add(url: str, name: str, events: Iterable[WireEvent]) -> None:
    """Take these events into the books."""
    source = Source("file", name, name)
    messages = [
        Message(source, 0, at, 0, None, json.dumps(event).encode())
        for at, event in enumerate(events)
    ]
    log = PostgresLog.connect(url, name)
    try:
        writer = Writer(log)
        for start in range(0, len(messages), _BATCH):
            taken = writer.take(messages[start : start + _BATCH])
            assert taken.rejected == 0, taken.refused
    finally:
        log.close()
