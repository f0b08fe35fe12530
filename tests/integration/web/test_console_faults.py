"""Faults of the database reach the log; visitors learn that they may come again, and no more."""

import logging
import re
import time
from multiprocessing import Pipe

import httpx
import pytest

from ledger.errors import ConfigurationError, StoreUnavailable
from ledger.store.web.connections import Connection, Readers
from ledger.web.console.worked.patience import Patience, Ready
from ledger.web.console.worked.verifying import Running
from ledger.web.makers import MAKERS, Makers
from ledger.web.settings import WebSettings
from tests.integration import sealed_books
from tests.integration.web.servers import serving
from tests.integration.web.test_tokens import made

AWAY = "postgresql://books_login@127.0.0.1:1/secret_books"
SECRETS = re.compile("127.0.0.1|books_login|secret_books|PGPASS|role|connection", re.IGNORECASE)


def signing_in(client: httpx.Client) -> httpx.Response:
    """What is answered to somebody unknown where the books are needed."""
    client.get("/sign-in")
    form = {"token": client.cookies["clearing_form"], "given": "clr_1", "back": "/"}
    return client.post("/sign-in", data=form)


def text_of(page: httpx.Response) -> str:
    """What the page says of the fault."""
    found = re.search(r'<p class="bad">(.*?)</p>', page.text)
    assert found is not None
    return found[1]


def test_a_visitor_learns_nothing_of_a_database_that_is_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level(logging.WARNING, logger="ledger.web"),
        serving(WebSettings(AWAY)) as address,
        httpx.Client(base_url=address) as client,
    ):
        answer = signing_in(client)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert not SECRETS.search(text_of(answer))
    assert "the database does not answer" in text_of(answer)
    assert any("127.0.0.1" in record.getMessage() for record in caplog.records)


def test_a_visitor_learns_nothing_of_a_login_that_the_database_refuses(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = database_url.replace("postgres:@", "books_login:@")
    assert url != database_url
    with (
        caplog.at_level(logging.WARNING, logger="ledger.web"),
        serving(WebSettings(url)) as address,
        httpx.Client(base_url=address) as client,
    ):
        answer = signing_in(client)
    assert answer.status_code == 503
    assert not SECRETS.search(text_of(answer))
    assert any("books_login" in record.getMessage() for record in caplog.records)


def ready(url: str, fault: Exception) -> Ready:
    """What a page is told of figures that could not be worked out."""

    def work(_connection: Connection) -> object:
        raise fault

    makers = Makers(Readers(url, "clearing_reader", size=MAKERS, wait_s=2, statement_s=10))
    try:
        found = Patience(makers).ask("maria", "figures", 1, work, follows=True, wait_s=20)
    finally:
        makers.close()
    assert found is not None
    return found


def test_figures_that_failed_say_no_words_of_the_database(
    books_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="ledger.web"):
        said = ready(books_url, StoreUnavailable("connection to server at db.example failed")).fault
    assert said == "the database does not answer in time"
    assert "db.example" in caplog.text


def test_figures_that_failed_for_a_reason_of_ours_leave_a_traceback(
    books_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="ledger.web"):
        said = ready(books_url, ZeroDivisionError("of 7 by 0")).fault
    assert said is not None
    assert "of 7 by 0" not in said
    assert "ZeroDivisionError: of 7 by 0" in caplog.text
    assert (
        ready(books_url, ConfigurationError("at=7: no such event")).fault == "at=7: no such event"
    )


def until_ended(run: Running) -> None:
    ends = time.monotonic() + 60
    while run.is_running:
        assert time.monotonic() < ends, "it does not end"
        time.sleep(0.05)


def test_a_verification_that_cannot_begin_says_no_words_of_the_database() -> None:
    run = Running(AWAY, "quick", None, "maria")
    until_ended(run)
    assert run.fault is not None
    assert not SECRETS.search(run.fault)


@pytest.mark.parametrize("said", [b"no pickle", b""])
def test_a_verification_whose_process_says_nonsense_is_over(said: bytes) -> None:
    run = Running(AWAY, "quick", None, "maria")
    until_ended(run)
    run.ended = None
    ours, theirs = Pipe(duplex=False)
    theirs.send_bytes(said)
    run._listen(ours)
    theirs.close()
    assert not run.is_running
    assert "without a verdict" in str(run.fault)


def test_a_verification_of_no_pool_is_not_begun(console: httpx.Client) -> None:
    console.get("/sign-in")
    form = {"token": console.cookies["clearing_form"], "mode": "quick"}
    assert console.post("/pools/nope/audit/verify", data=form).status_code == 404
    assert console.get("/verification.json").json() == {"running": False}


@pytest.mark.parametrize("given", ["€", "clr_x", " "])
def test_whoever_signs_in_where_nobody_has_to_goes_on_and_nothing_is_kept(
    console: httpx.Client, given: str
) -> None:
    console.get("/sign-in")
    form = {"token": console.cookies["clearing_form"], "given": given, "back": "/pools/main"}
    answer = console.post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/pools/main")
    assert "set-cookie" not in answer.headers


def test_a_token_of_strange_letters_opens_nothing(database_url: str) -> None:
    made(database_url, "maria", "reporting")
    with (
        serving(WebSettings(database_url)) as address,
        httpx.Client(base_url=address) as client,
    ):
        client.get("/sign-in")
        form = {"token": client.cookies["clearing_form"], "given": "€"}
        answer = client.post("/sign-in", data=form)
    assert answer.status_code == 403
    assert "opens nothing" in answer.text


def test_the_file_of_a_checkpoint_that_is_not_there_is_not_found(console: httpx.Client) -> None:
    answer = console.get("/pools/main/audit/checkpoint/999999")
    assert answer.status_code == 404
    assert "has no checkpoint at event 999999" in answer.text


def test_no_checkpoint_is_before_event_0(database_url: str) -> None:
    sealed_books.write(database_url)
    link, page = "/audit/checkpoint/", "/pools/main/audit"
    with (
        serving(WebSettings(database_url, is_open=True)) as address,
        httpx.Client(base_url=address) as client,
    ):
        assert client.get(page).text.count(link) > 1
        assert link not in client.get(f"{page}?before=0").text
        assert link not in client.get(f"{page}?before=1").text
