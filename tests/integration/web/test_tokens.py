"""Tokens open what their scopes say, until they expire or are taken back; no secret is shown."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.errors import ConfigurationError
from ledger.store.web import tokens as web_tokens
from ledger.store.web.tokens import Scope
from ledger.web import tokens
from ledger.web.app import create_app
from ledger.web.problems import PREFIX
from ledger.web.tokens import new_token, token_hash
from tests.integration.web.servers import patient, serving, serving_app

MAIN = "/api/v1/pools/main"
ALL: tuple[Scope, ...] = ("reporting", "back_office", "auditor")
OPENS: dict[str, tuple[Scope, ...]] = {
    "/api/v1/pools": ALL,
    f"{MAIN}/margin": ALL,
    f"{MAIN}/rejections": ALL,
    f"{MAIN}/breaks": ("back_office", "auditor"),
    f"{MAIN}/reconciliations": ("back_office", "auditor"),
    f"{MAIN}/checkpoints": ("auditor",),
    f"{MAIN}/events/1/proof": ("auditor",),
    "/api/v1/explain/L-1": ("auditor",),
}
TOMORROW = datetime.now(UTC) + timedelta(days=1)


def made(url: str, name: str, *scopes: Scope, expires_at: datetime = TOMORROW) -> str:
    """A token."""
    token = new_token()
    web_tokens.create(url, name, scopes, token_hash(token), "tester", expires_at)
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def closed(database_url: str) -> Iterator[httpx.Client]:
    """A client of a server that asks for tokens; it looks at them at each request."""
    settings = patient(database_url, is_open=False, tokens_kept_s=0)
    with serving(settings) as address, httpx.Client(base_url=address) as client:
        yield client


def test_a_token_opens_what_its_scopes_say(database_url: str, closed: httpx.Client) -> None:
    for scope in ALL:
        headers = bearer(made(database_url, scope, scope))
        for path, scopes in OPENS.items():
            answer = closed.get(path, headers=headers)
            if scope in scopes:
                assert answer.status_code == 200 or answer.json()["type"].endswith("unknown_pool")
            else:
                assert answer.status_code == 403, (scope, path)
                assert answer.json()["type"] == f"{PREFIX}missing_scope"
                assert scopes[-1] in answer.json()["detail"]


def test_what_may_be_read_has_heads_to_the_same_callers(
    database_url: str, closed: httpx.Client
) -> None:
    token = made(database_url, "grafana", "reporting")
    for headers in ({}, bearer(token)):
        for path in ("/api/v1/openapi.json", "/api/v1/pools", *OPENS):
            answer, head = closed.get(path, headers=headers), closed.head(path, headers=headers)
            assert head.status_code == answer.status_code, path
            assert head.headers["content-type"] == answer.headers["content-type"]
            assert head.content == b""


def test_without_a_token_nothing_but_the_specification_is_shown(closed: httpx.Client) -> None:
    for path in OPENS:
        answer = closed.get(path)
        assert answer.status_code == 401
        assert answer.json()["type"] == f"{PREFIX}missing_token"
        assert answer.headers["www-authenticate"] == 'Bearer realm="clearing"'
    assert closed.get("/api/v1/health").status_code == 200
    assert closed.get("/api/v1/openapi.json").status_code == 200
    assert closed.get("/anything").status_code == 401, "there is no page that signs in"
    assert closed.post("/anything").status_code == 401


@pytest.mark.parametrize("given", ["clr_wrong", "é", "x" * 5_000, "clr_" + "A" * 43])
def test_a_token_that_is_none_opens_nothing(
    database_url: str, closed: httpx.Client, given: str
) -> None:
    made(database_url, "another", *ALL)
    headers = [(b"Authorization", b"Bearer " + given.encode())]
    assert closed.get("/api/v1/pools", headers=headers).status_code == 401


def test_a_token_opens_nothing_once_it_was_taken_back_or_expired(
    database_url: str, closed: httpx.Client
) -> None:
    token = made(database_url, "laptop", *ALL)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    short = made(database_url, "short", *ALL, expires_at=soon)
    assert closed.get("/api/v1/pools", headers=bearer(token)).status_code == 200
    web_tokens.revoke(database_url, "laptop", "tester", "lost")
    assert closed.get("/api/v1/pools", headers=bearer(token)).status_code == 401
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()))
    assert closed.get("/api/v1/pools", headers=bearer(short)).status_code == 401


def test_a_browser_has_its_token_in_a_cookie(database_url: str, closed: httpx.Client) -> None:
    token = made(database_url, "browser", "reporting")
    for others in ("", 'prefs={"a":1}; ', "a/b=1; ", "x; "):
        cookies = {"Cookie": f"{others}clearing_token={token}"}
        assert closed.get("/api/v1/pools", headers=cookies).status_code == 200


def test_the_books_keep_nothing_that_opens_anything(database_url: str) -> None:
    token = made(database_url, "one", *ALL)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT t::text FROM back_office.token t").fetchall()
    assert rows
    assert token not in str(rows)
    assert token_hash(token).hex() in str(rows)


def test_no_token_and_no_query_stands_in_the_log(
    database_url: str, closed: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    token = made(database_url, "careful", *ALL)
    with caplog.at_level(logging.INFO, logger="ledger.web"):
        closed.get("/api/v1/pools?format=json", headers=bearer(token))
        closed.get("/api/v1/pools%0aGET /forged", headers=bearer("clr_wrong"))
        closed.get("/api/v1/pools", headers={"Cookie": f"clearing_token={token}"})
    lines = [record.getMessage() for record in caplog.records]
    assert "GET /api/v1/pools 200" in lines[0]
    assert " careful " in lines[0]
    assert not [line for line in lines if token in line or "clr_" in line or "format" in line]
    assert not [line for line in lines if "\n" in line]


def test_callers_are_limited_each_by_itself(database_url: str) -> None:
    one, other = (made(database_url, name, "reporting") for name in ("one", "other"))
    settings = patient(database_url, is_open=False, requests_per_minute=1, requests_burst=2)
    with serving(settings) as address, httpx.Client(base_url=address) as client:
        answers = [client.get("/api/v1/pools", headers=bearer(one)) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["type"] == f"{PREFIX}too_many_requests"
        assert 50 <= int(answers[2].headers["retry-after"]) <= 60
        assert client.get("/api/v1/pools", headers=bearer(other)).status_code == 200
        refused = [client.get("/api/v1/pools", headers=bearer("clr_guess")) for _ in range(3)]
        assert [answer.status_code for answer in refused] == [401, 401, 429]


def test_an_open_server_answers_to_the_names_of_this_machine_alone(client: httpx.Client) -> None:
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080"):
        assert client.get("/api/v1/pools", headers={"Host": host}).status_code == 200
    for host in ("[", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"):
        answer = client.get("/api/v1/pools", headers={"Host": host})
        assert answer.json()["type"] == f"{PREFIX}foreign_origin"


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Via"]
)
@pytest.mark.parametrize("path", ["/api/v1/pools", "/api/v1/health", "/static/x.css", "/sign-in"])
def test_an_open_server_answers_nothing_that_a_proxy_passes_on(
    client: httpx.Client, header: str, path: str
) -> None:
    answer = client.get(path, headers={header: "127.0.0.1"})
    assert answer.json()["type"] == f"{PREFIX}foreign_origin"
    assert header.lower() in answer.json()["detail"]


def test_a_server_with_tokens_answers_what_a_proxy_passes_on(
    database_url: str, closed: httpx.Client
) -> None:
    headers = {**bearer(made(database_url, "proxied", "reporting")), "X-Forwarded-For": "::1"}
    assert closed.get("/api/v1/pools", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["pools/main/fees?account=a%00b", "explain/%00", "pools%00"])
def test_what_no_text_of_the_books_has_is_refused(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 422
    assert answer.json()["type"] == f"{PREFIX}invalid_parameter"


def test_what_would_change_something_must_come_from_our_own_pages(client: httpx.Client) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert client.post("/breaks", headers=headers).status_code == 403
    own = {"Origin": str(client.base_url), "Sec-Fetch-Site": "same-origin"}
    assert client.post("/breaks", headers=own).status_code == 404


def command(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `clearing token`."""
    done = CliRunner().invoke(app, ["token", *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_makes_lists_and_takes_back(database_url: str, closed: httpx.Client) -> None:
    url = ("--database-url", database_url)
    scopes = ("--scope", "auditor", "--scope", "reporting")
    code, token, notes = command("create", "audit-2026", *scopes, "--days", "30", *url)
    assert code == 0
    assert token.strip() not in notes
    assert closed.get("/api/v1/pools", headers=bearer(token.strip())).status_code == 200
    code, listed, _ = command("list", "--json", *url)
    (row,) = json.loads(listed)
    assert (row["name"], row["scopes"], row["state"]) == (
        "audit-2026",
        ["auditor", "reporting"],
        "live",
    )
    assert token.strip() not in listed
    assert isinstance(
        CliRunner().invoke(app, ["token", "create", "audit-2026", *scopes, *url]).exception,
        ConfigurationError,
    )
    assert command("revoke", "audit-2026", "--reason", "done", *url)[0] == 0
    assert closed.get("/api/v1/pools", headers=bearer(token.strip())).status_code == 401
    assert "revoked" in command("list", *url)[1]
    assert isinstance(
        CliRunner().invoke(app, ["token", "revoke", "audit-2026", "--reason", "x", *url]).exception,
        ConfigurationError,
    )


@pytest.mark.parametrize("name", ["Jane Doe", "", "j\u00e4n", "a" * 65, "x 200 1 ms admin"])
def test_a_token_has_a_name_that_a_log_and_a_life_can_keep(database_url: str, name: str) -> None:
    words = ["token", "create", name, "--scope", "back_office", "--database-url", database_url]
    refused = CliRunner().invoke(app, words).exception
    assert isinstance(refused, ConfigurationError)
    assert "expected 1 to 64 of [A-Za-z0-9._:-]" in str(refused)


def test_every_new_token_is_another() -> None:
    several = {new_token() for _ in range(100)}
    assert len(several) == 100
    assert all(len(token) == len(tokens.PREFIX) + 43 for token in several)


def test_tokens_are_counted_live_and_ever_made(database_url: str) -> None:
    assert web_tokens.kept(database_url) == (0, 0)
    made(database_url, "first", "reporting")
    made(database_url, "gone", "auditor", expires_at=datetime.now(UTC) + timedelta(seconds=0.2))
    web_tokens.revoke(database_url, "first", "tester", "lost")
    time.sleep(0.2)
    assert web_tokens.kept(database_url) == (2, 0)
    made(database_url, "second", "reporting")
    assert web_tokens.kept(database_url) == (3, 1)


def test_tokens_are_read_while_every_other_connection_is_taken(database_url: str) -> None:
    token = made(database_url, "early", "reporting")
    settings = patient(database_url, is_open=False, connections_max=1, connection_wait_s=0.2)
    app = create_app(settings)
    with (
        serving_app(app) as address,
        httpx.Client(base_url=address) as client,
        app.state.auditors.lent(),
    ):
        assert client.get("/api/v1/pools", headers=bearer(token)).status_code == 200
        with app.state.readers.lent():
            answer = client.get("/api/v1/pools", headers=bearer(token))
            assert answer.json()["type"] == f"{PREFIX}busy"
            assert client.get("/api/v1/pools", headers=bearer("clr_other")).status_code == 401
