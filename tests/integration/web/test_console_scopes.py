"""Forms of the console: each does its work for its scope alone, and only from a page of ours."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from ledger.recon.casework.keeping import keep
from ledger.store.log.postgres import PostgresLog
from ledger.store.web.tokens import Scope
from ledger.web.settings import WebSettings
from ledger.writer import Writer
from tests.integration import leveraged_books
from tests.integration.back_office.found import difference, result, rules
from tests.integration.web.servers import serving
from tests.integration.web.test_tokens import ALL, bearer, made

BREAK = difference("B-1")
ACTS = ("assign", "comment", "explain", "propose", "approve", "refuse", "close")
OF_BREAK: dict[str, tuple[Scope, ...]] = {
    f"/pools/main/breaks/{BREAK.key}/{act}": ("back_office",) for act in ACTS
}
OF_AUDIT: dict[str, tuple[Scope, ...]] = {
    "/pools/main/audit/verify": ("auditor",),
    "/pools/main/audit/stop": ("auditor",),
}
FORMS = {**OF_BREAK, **OF_AUDIT}
FIELDS = {"seen": "1", "words": "so", "to": "carl", "mode": "quick", "lines": "anna wallet USD 5"}


@pytest.fixture
def kept(database_url: str) -> str:
    """Books with a pool, and a break that rosa's run found."""
    log = PostgresLog.connect(database_url, "test")
    Writer(log).take(leveraged_books.Books(2).beginning())
    log.close()
    keep(database_url, result(BREAK), rules(), "rosa")
    return database_url


@pytest.fixture
def closed(kept: str) -> Iterator[tuple[str, httpx.Client]]:
    """A browser at a console that asks for tokens; it has the secret of its forms."""
    with (
        serving(WebSettings(kept, requests_burst=10**6)) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        client.get("/sign-in")
        yield kept, client


def sent(client: httpx.Client, path: str, token: str, secret: str | None = None) -> httpx.Response:
    form = {**FIELDS, "token": client.cookies["clearing_form"] if secret is None else secret}
    return client.post(path, data=form, headers=bearer(token))


def acts(url: str) -> int:
    """How many events the lives of breaks have."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM back_office.break_event").fetchone()
    assert row is not None
    return int(row[0])


def test_a_form_needs_the_scope_of_its_page(closed: tuple[str, httpx.Client]) -> None:
    url, client = closed
    tokens = {scope: made(url, scope, scope) for scope in ALL}
    before = acts(url)
    for path, scopes in FORMS.items():
        for scope in ALL:
            if scope in scopes:
                continue
            answer = sent(client, path, tokens[scope])
            assert answer.status_code == 403, (path, scope)
            assert "this page needs" in answer.text, (path, scope)
    assert acts(url) == before
    comment = f"/pools/main/breaks/{BREAK.key}/comment"
    assert sent(client, comment, tokens["back_office"]).is_redirect
    assert acts(url) == before + 1
    for path in OF_AUDIT:
        assert sent(client, path, tokens["auditor"]).is_redirect, path


@pytest.mark.parametrize("secret", ["", "guessed", "x" * 43, "\u00e9"])
def test_a_form_needs_the_secret_of_its_browser(
    closed: tuple[str, httpx.Client], secret: str
) -> None:
    url, client = closed
    token = made(url, "everything", *ALL)
    before = acts(url)
    for path in [*FORMS, "/name", "/theme", "/sign-out"]:
        answer = sent(client, path, token, secret)
        assert answer.status_code in (400, 403), path
        assert "clearing_token" not in answer.headers.get("set-cookie", "")
    assert acts(url) == before


def test_a_form_without_the_cookie_of_its_browser_does_nothing(
    closed: tuple[str, httpx.Client],
) -> None:
    url, client = closed
    token, secret = made(url, "everything", *ALL), client.cookies["clearing_form"]
    client.cookies.clear()
    before = acts(url)
    for path in FORMS:
        assert sent(client, path, token, secret).status_code == 403, path
    assert acts(url) == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
def test_a_form_from_another_site_does_nothing(
    closed: tuple[str, httpx.Client], headers: dict[str, str]
) -> None:
    url, client = closed
    token, before = made(url, "everything", *ALL), acts(url)
    form = {**FIELDS, "token": client.cookies["clearing_form"]}
    for path in FORMS:
        answer = client.post(path, data=form, headers={**bearer(token), **headers})
        assert answer.status_code == 403, path
    assert acts(url) == before
