"""Bodies are bounded before anybody is asked who it is, and none but forms are read."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from ledger.web.bodies import BODY_MAX, FORM
from ledger.web.problems import PREFIX
from ledger.web.settings import WebSettings
from tests.integration.web.servers import serving

WAIT_S = 20


@pytest.fixture(scope="module")
def console(books_url: str) -> Iterator[httpx.Client]:
    """A console that asks for tokens; what is sent here comes before any is shown."""
    settings = WebSettings(books_url, requests_per_minute=10**9, requests_burst=10**9)
    with serving(settings) as address, httpx.Client(base_url=address, timeout=WAIT_S) as client:
        yield client


def answered(console: httpx.Client, *parts: bytes) -> bytes:
    """What the server says, and that it then hangs up, to bytes that are no whole request."""
    address = urlsplit(str(console.base_url))
    with socket.create_connection((address.hostname, address.port), WAIT_S) as connection:
        for part in parts:
            connection.sendall(part)
        said = b""
        while part := connection.recv(65_536):
            said += part
    return said


def head(length: str, kind: str = FORM) -> bytes:
    return (
        f"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n{length}\r\nContent-Type: {kind}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("length", [BODY_MAX + 1, 300_000_000, 10**19 - 1])
def test_a_body_that_says_it_is_too_long_is_refused_before_it_comes(
    console: httpx.Client, length: int
) -> None:
    said = answered(console, head(f"Content-Length: {length}"))
    assert b" 413 " in said.partition(b"\r\n")[0]
    assert f"{PREFIX}body_too_large".encode() in said


def test_a_body_that_says_no_length_is_refused_when_it_gets_too_long(console: httpx.Client) -> None:
    piece = b"given=" + b"x" * (BODY_MAX // 2)
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    said = answered(console, head("Transfer-Encoding: chunked"), chunk, chunk)  # and no end
    assert b" 413 " in said.partition(b"\r\n")[0]
    assert f"{PREFIX}body_too_large".encode() in said


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_of_the_greatest_length_is_read(console: httpx.Client, *, is_chunked: bool) -> None:
    body = b"given=" + b"x" * (BODY_MAX - 6)
    content = iter([body[:1_000], body[1_000:]]) if is_chunked else body
    answer = console.post("/sign-in", content=content, headers={"Content-Type": FORM})
    assert answer.status_code == 400, "its fields were looked at"
    assert "token: Field required" in answer.text


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=x", "application/json", "text/plain", ""]
)
def test_a_body_that_is_no_form_is_refused_unread(console: httpx.Client, kind: str) -> None:
    said = answered(console, head("Content-Length: 60000", kind))
    assert b" 415 " in said.partition(b"\r\n")[0]
    assert f"{PREFIX}not_a_form".encode() in said


def test_a_form_of_a_page_is_read(console: httpx.Client) -> None:
    page = console.get("/sign-in")
    assert page.status_code == 200
    form = {"token": console.cookies["clearing_form"], "given": "clr_é", "back": "/"}
    assert "This token opens nothing" in console.post("/sign-in", data=form).text
