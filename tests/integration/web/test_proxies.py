"""Whose word is taken for where a request comes from: of the proxies that were named, alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from typer.testing import CliRunner

from ledger.cli import app as commands
from ledger.errors import ConfigurationError
from ledger.web.app import create_app
from ledger.web.settings import WebSettings
from tests.integration.web.servers import serving, serving_app
from tests.integration.web.test_tokens import made

PROXIED = {"Host": "console.example", "X-Forwarded-Proto": "https"}


@contextmanager
def console(url: str, behind_proxy: str) -> Iterator[httpx.Client]:
    """A server that answers each address twice."""
    settings = WebSettings(url, behind_proxy=behind_proxy, requests_per_minute=1, requests_burst=2)
    with serving(settings) as address, httpx.Client(base_url=address) as client:
        yield client


def statuses(client: httpx.Client) -> list[int]:
    """Of requests that say that they come from four addresses."""
    return [
        client.get("/api/v1/health", headers={"X-Forwarded-For": f"203.0.113.{last}"}).status_code
        for last in range(4)
    ]


def test_a_proxy_that_was_named_is_believed(database_url: str) -> None:
    with console(database_url, "127.0.0.1/32") as client:
        assert statuses(client) == [200] * 4


@pytest.mark.parametrize(("named", "last"), [("127.0.0.1/32", 200), ("10.0.0.0/8", 429)])
def test_a_proxy_is_known_on_a_socket_of_both_kinds_of_addresses(
    database_url: str, named: str, last: int
) -> None:
    settings = WebSettings(
        database_url, behind_proxy=named, requests_per_minute=1, requests_burst=2
    )
    app = create_app(settings)
    with serving_app(app, host="::") as address, httpx.Client(base_url=address) as client:
        assert statuses(client) == [200, 200, last, last]


@pytest.mark.parametrize("named", ["", "192.0.2.7/32"])
def test_nobody_else_is(database_url: str, named: str) -> None:
    with console(database_url, named) as client:
        assert statuses(client) == [200, 200, 429, 429]


@pytest.mark.parametrize(("named", "is_secure"), [("127.0.0.0/8", True), ("", False)])
def test_one_signs_in_through_a_proxy(database_url: str, named: str, is_secure: bool) -> None:  # noqa: FBT001 - a case
    token = made(database_url, "maria", "reporting")
    with console(database_url, named) as client:
        page = client.get("/sign-in", headers=PROXIED)
        cookie = page.headers["set-cookie"]
        assert ("; Secure" in cookie) is is_secure
        secret = cookie.partition("=")[2].partition(";")[0]
        answer = client.post(
            "/sign-in",
            data={"token": secret, "given": token},
            headers={
                **PROXIED,
                "Origin": "https://console.example",
                "Cookie": f"clearing_form={secret}",
            },
        )
    assert answer.status_code == 303
    assert ("; Secure" in answer.headers["set-cookie"]) is is_secure


def test_a_proxy_that_hides_the_name_of_the_server_is_told_of(database_url: str) -> None:
    with console(database_url, "") as client:
        refused = client.post("/sign-in", headers={"Origin": "https://console.example"})
    assert refused.status_code == 403
    assert "have it pass Host on" in refused.text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--behind-proxy", "nginx"), "expected an address like 10.0.0.7"),
        (("--behind-proxy", "10.0.0.7"), "open to whoever reaches the proxy"),
    ],
)
def test_a_server_is_not_opened_to_a_proxy(
    database_url: str, words: tuple[str, ...], why: str
) -> None:
    done = CliRunner().invoke(commands, ["serve", *words, "--database-url", database_url])
    assert isinstance(done.exception, ConfigurationError)
    assert why in str(done.exception)
