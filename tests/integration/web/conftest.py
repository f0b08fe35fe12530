"""Leveraged books that all tests of the web read, and a client of a real server over them."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from ledger.store.embedded import Embedded
from ledger.web.settings import WebSettings
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


@pytest.fixture(scope="session")
def console(books_url: str) -> Iterator[httpx.Client]:
    """Of an open server with the console, whose limits nobody meets."""
    settings = WebSettings(books_url, is_open=True, requests_per_minute=10**9, requests_burst=10**9)
    with serving(settings) as address, httpx.Client(base_url=address) as opened:
        yield opened
