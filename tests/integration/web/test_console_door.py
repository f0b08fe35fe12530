"""What happens to people at the door: they are told on pages, and come back to where they were."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ledger.web.app import create_app
from ledger.web.problems import MEDIA_TYPE
from ledger.web.settings import WebSettings
from tests.integration.web.servers import patient, serving, serving_app
from tests.integration.web.test_tokens import bearer, made

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
LONG = "/pools/main/postings?" + "&".join(f"account=trader-{number}" for number in range(100))


@pytest.fixture
def shut(database_url: str) -> Iterator[httpx.Client]:
    """A browser that has no token, at a console that asks for one."""
    with (
        serving(WebSettings(database_url, tokens_kept_s=0)) as address,
        httpx.Client(base_url=address, headers=BROWSER) as client,
    ):
        yield client


def is_page(answer: httpx.Response) -> bool:
    return answer.headers["content-type"].startswith("text/html") and "<h1>" in answer.text


def test_whoever_signs_in_comes_to_the_page_that_was_asked_for(
    database_url: str, shut: httpx.Client
) -> None:
    token = made(database_url, "maria", "reporting")
    asked = "/?at=2026-01-31T12%3A00%3A00Z"
    door = shut.get(asked)
    assert door.status_code == 303
    assert parse_qs(urlsplit(door.headers["location"]).query) == {"back": [asked]}
    shut.get(door.headers["location"])
    form = {"token": shut.cookies["clearing_form"], "given": token, "back": asked}
    assert shut.post("/sign-in", data=form).headers["location"] == asked
    assert shut.get("/").status_code == 200


def test_a_person_whose_token_ended_is_told_so_on_a_page(shut: httpx.Client) -> None:
    shut.get("/sign-in")
    form = {"token": shut.cookies["clearing_form"], "words": "a long story"}
    answer = shut.post("/pools/main/breaks/abc/comment", data=form)
    assert answer.status_code == 401
    assert is_page(answer)
    assert 'href="/sign-in"' in answer.text
    program = shut.post("/pools/main/breaks/abc/comment", data=form, headers={"Accept": "*/*"})
    assert program.headers["content-type"] == MEDIA_TYPE


def test_a_refusal_at_the_door_is_a_page_to_people(shut: httpx.Client) -> None:
    foreign = shut.post("/sign-in", headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert is_page(foreign)
    too_long = shut.post("/sign-in", data={"given": "x" * 70_000})
    assert too_long.status_code == 413
    assert is_page(too_long)
    assert shut.get("/api/v1/pools").headers["content-type"] == MEDIA_TYPE


def test_too_many_requests_are_told_on_a_page(database_url: str) -> None:
    settings = WebSettings(database_url, requests_per_minute=1, requests_burst=1)
    with (
        serving(settings) as address,
        httpx.Client(base_url=address, headers=BROWSER) as client,
    ):
        client.get("/sign-in")
        answer = client.get("/sign-in")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert is_page(answer)


def test_a_fault_of_ours_is_a_page_with_the_id_of_the_request(database_url: str) -> None:
    app = create_app(WebSettings(database_url, is_open=True))

    def broken() -> None:
        raise ZeroDivisionError

    app.add_api_route("/broken", broken)
    with serving_app(app) as address, httpx.Client(base_url=address, headers=BROWSER) as client:
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert is_page(answer)
    assert answer.headers["x-request-id"] in answer.text


def test_a_server_without_pages_leads_to_none(database_url: str) -> None:
    with (
        serving(patient(database_url, is_open=False)) as address,
        httpx.Client(base_url=address, headers=BROWSER) as client,
    ):
        answer = client.get("/")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == MEDIA_TYPE


def test_what_may_be_read_has_heads(console: httpx.Client) -> None:
    for path in ("/", "/pools/main", "/sign-in", "/api/v1/health", "/static/console.css"):
        answer = console.head(path)
        assert answer.status_code == 200, path
        assert answer.content == b""
    assert console.head("/pools/main/breaks/abc/comment").status_code in {303, 404}


def test_colours_are_chosen_from_any_page_and_kept_where_no_script_reads_them(
    console: httpx.Client,
) -> None:
    console.get("/sign-in")
    form = {"token": console.cookies["clearing_form"], "theme": "dark", "back": LONG}
    answer = console.post("/theme", data=form)
    assert len(LONG) > 1_000
    assert answer.headers["location"] == LONG
    assert "; HttpOnly" in answer.headers["set-cookie"]
    assert "Max-Age=31536000" in answer.headers["set-cookie"]
    console.cookies.delete("clearing_theme")


def test_a_token_of_a_program_opens_pages_too(database_url: str, shut: httpx.Client) -> None:
    token = made(database_url, "probe", "reporting")
    assert shut.get("/", headers=bearer(token)).status_code == 200
