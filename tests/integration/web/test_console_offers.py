"""What a token does not open is closed at every door, and its pages do not offer it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import httpx
import psycopg
import pytest

from ledger.store.web.tokens import Scope
from ledger.web.settings import WebSettings
from tests.integration.web import books
from tests.integration.web.servers import serving
from tests.integration.web.test_tokens import bearer, made

POOL = "/pools/main"
PAGES = (
    "/",
    POOL,
    *(f"{POOL}/{name}" for name in ("participants", "liquidations", "fund", "adl", "instruments")),
    *(f"{POOL}/{name}" for name in ("postings", "refused", "liquidations/L-1", "events/400")),
)
AUDITORS = (
    f"{POOL}/audit",
    f"{POOL}/audit/checkpoint/20",
    "/verification.json",
    "/verification/report",
    f"{POOL}/events/1/proof",
    f"{POOL}/explain/L-1",
    f"{POOL}/explain/L-1/file",
)
_LINK = re.compile(r'(?:href|data-fragment|data-chart|action)="(/[^"#]*)"')
_OTHERS = re.compile(r"/static/|/sign-out|/theme|/name")


@pytest.fixture
def url(database_url: str) -> str:
    """Books with defaults, and no tokens of others."""
    books.write(database_url)
    return database_url


@contextmanager
def console(url: str, name: str, scope: Scope) -> Iterator[httpx.Client]:
    settings = WebSettings(url, requests_per_minute=10**9, requests_burst=10**9)
    headers = bearer(made(url, name, scope))
    with (
        serving(settings) as address,
        httpx.Client(base_url=address, headers=headers, timeout=30) as client,
    ):
        yield client


def offered(client: httpx.Client) -> set[str]:
    """All that the pages lead to."""
    found: set[str] = set()
    for path in PAGES:
        page = client.get(path)
        assert page.status_code == 200, path
        found |= {unescape(link) for link in _LINK.findall(page.text)}
    return {link for link in found if not _OTHERS.match(link)}


@pytest.mark.parametrize("scope", ["reporting", "back_office", "auditor"])
def test_every_link_of_a_page_leads_to_what_the_token_opens(url: str, scope: Scope) -> None:
    with console(url, f"links of {scope}", scope) as client:
        links = offered(client)
        assert len(links) > 50
        breaks = {link for link in links if "/breaks" in link}
        audits = {link for link in links if re.search(r"/(audit|explain|proof)\b", link)}
        assert bool(breaks) is (scope != "reporting")
        assert bool(audits) is (scope == "auditor"), audits
        by_kind = {re.sub(r"[0-9]+|\?.*", "", link): link for link in sorted(links)}
        for link in by_kind.values():
            assert client.get(link).status_code != 403, link


@pytest.mark.parametrize("scope", ["reporting", "back_office"])
def test_what_is_for_auditors_opens_to_nobody_else(url: str, scope: Scope) -> None:
    with console(url, f"doors of {scope}", scope) as client:
        for path in AUDITORS:
            assert client.get(path).status_code == 403, path
        assert "The scope <code>auditor</code> opens it." in client.get(f"{POOL}/events/400").text


@pytest.mark.parametrize("scope", ["reporting", "back_office", "auditor"])
def test_the_field_that_finds_ids_leads_to_what_the_token_opens(url: str, scope: Scope) -> None:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT DISTINCT ON (kind) subject, sequence FROM ledger.record"
            " WHERE kind IN ('liquidation', 'deleveraging', 'fund', 'margin_call')"
            " ORDER BY kind, sequence, line"
        ).fetchall()
    sequences: dict[str, int] = dict(rows)
    assert {subject[0] for subject in sequences} == {"L", "D", "F", "C"}
    with console(url, f"ids of {scope}", scope) as client:
        for subject, sequence in sequences.items():
            found = client.get(f"{POOL}/find", params={"q": subject})
            page = client.get(found.headers["location"])
            assert page.status_code == 200, subject
            if scope != "auditor" and subject[0] != "L":
                assert page.url.path == f"{POOL}/events/{sequence}", subject
            else:
                assert page.url.path.endswith(f"/{subject}")
        absent = client.get(f"{POOL}/find", params={"q": "D-99999"}, follow_redirects=True)
        assert absent.status_code == 404
        assert "D-99999" in absent.text
