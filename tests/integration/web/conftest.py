"""Leveraged books that all tests of the web read, and a client of a real server over them."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from ledger.store.embedded import Embedded
from tests.conftest import url_of
from tests.integration.web import books
from tests.integration.web.servers import patient, serving


@pytest.fixture(scope="session")
def books_url(postgres: Embedded) -> Iterator[str]:
    """Books with defaults that nobody writes to any more."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE web_books TEMPLATE template")
        url = url_of(postgres, "web_books")
        books.write(url)
        yield url
        connection.execute("DROP DATABASE web_books WITH (FORCE)")


@pytest.fixture(scope="session")
def client(books_url: str) -> Iterator[httpx.Client]:
    """Of an open server, whose limits nobody meets."""
    with serving(patient(books_url)) as address, httpx.Client(base_url=address) as opened:
        yield opened
