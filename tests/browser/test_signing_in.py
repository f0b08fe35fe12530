"""The console with tokens: who is let in and what a scope opens, asked over HTTP."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ledger.store.web import tokens as web_tokens
from ledger.web.console.people import own_path
from ledger.web.settings import WebSettings
from ledger.web.tokens import new_token, token_hash
from tests.integration.web.servers import serving


@pytest.fixture
def console(database_url: str) -> Iterator[httpx.Client]:
    """Over empty books with tokens."""
    with (
        serving(WebSettings(database_url)) as address,
        httpx.Client(base_url=address) as client,
    ):
        yield client


def token_of(url: str, *scopes: web_tokens.Scope) -> str:
    """A live token with these scopes."""
    token = new_token()
    expires = datetime.now(UTC) + timedelta(days=1)
    web_tokens.create(url, "maria", list(scopes), token_hash(token), "test", expires)
    return token


def sign_in(console: httpx.Client, token: str, back: str = "/") -> httpx.Response:
    """As the page does it."""
    page = console.get("/sign-in", params={"back": back})
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found is not None
    form = {"token": found[1], "given": token, "back": back}
    return console.post("/sign-in", data=form)


def test_nobody_is_let_in_without_a_token(console: httpx.Client) -> None:
    answer = console.get("/pools/usdt/fund")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?back=%2Fpools%2Fusdt%2Ffund"


def test_a_token_is_kept_where_no_script_reads_it(console: httpx.Client, database_url: str) -> None:
    answer = sign_in(console, token_of(database_url, "reporting"), back="/?at=")
    assert answer.headers["location"] == "/?at="
    kept = next(
        line for line in answer.headers.get_list("set-cookie") if line.startswith("clearing_token=")
    )
    assert "HttpOnly" in kept
    assert "SameSite=strict" in kept
    assert console.get("/").status_code == 200


def test_a_token_that_opens_nothing_is_refused(console: httpx.Client) -> None:
    answer = sign_in(console, new_token())
    assert answer.status_code == 403
    assert "opens nothing" in answer.text
    assert console.get("/").status_code == 303


def test_a_scope_opens_its_pages_alone(console: httpx.Client, database_url: str) -> None:
    sign_in(console, token_of(database_url, "reporting"))
    refused = [
        console.get("/pools/main/breaks"),
        console.get("/pools/main/explain/L-1"),
        console.get("/pools/main/events/1/proof"),
        console.get("/verification/report"),
    ]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert "auditor" in refused[-1].text


def test_who_signs_out_is_out(console: httpx.Client, database_url: str) -> None:
    sign_in(console, token_of(database_url, "reporting"))
    page = console.get("/")
    found = re.search(
        r'action="/sign-out"><input type="hidden" name="token" value="([^"]+)"', page.text
    )
    assert found is not None
    console.post("/sign-out", data={"token": found[1]})
    assert console.get("/").status_code == 303


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example", "x"]
)
def test_signing_in_leads_nowhere_else(back: str) -> None:
    assert own_path(back) == "/"
