"""The workbench: who may look, who may work, and what it holds of the database meanwhile."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from ledger.recon.casework import working
from ledger.recon.casework.keeping import keep
from ledger.store.back_office import breaks as stored
from ledger.store.log.postgres import PostgresLog
from ledger.web.settings import WebSettings
from ledger.writer import Writer
from tests.integration import leveraged_books
from tests.integration.back_office.found import difference, result, rules
from tests.integration.web.servers import serving
from tests.integration.web.test_tokens import bearer, made

BREAK = difference("B-1")
PAGE = f"/pools/main/breaks/{BREAK.key}"


@pytest.fixture
def kept(database_url: str) -> str:
    """Books with a pool and a break that rosa's run found."""
    log = PostgresLog.connect(database_url, "test")
    Writer(log).take(leveraged_books.Books(2).beginning())
    log.close()
    keep(database_url, result(BREAK), rules(), "rosa")
    return database_url


@contextmanager
def looking(
    url: str,
    token: str | None = None,
    **others: Any,  # noqa: ANN401 - any setting
) -> Iterator[httpx.Client]:
    """A browser at a console; without a token, an open one where it is called maria."""
    settings = WebSettings(url, is_open=token is None, **others)
    with (
        serving(settings) as address,
        httpx.Client(
            base_url=address, headers=bearer(token) if token else {}, timeout=30
        ) as client,
    ):
        client.cookies.set("clearing_name", "maria")
        client.get("/sign-in")
        yield client


def sent(client: httpx.Client, act: str, **fields: str) -> httpx.Response:
    """One of the forms of the break, as the page has it."""
    form = {"token": client.cookies["clearing_form"], "seen": "1", "words": "so", **fields}
    return client.post(f"{PAGE}/{act}", data=form)


@pytest.fixture
def as_login(kept: str) -> Iterator[str]:
    """The books by a login that may read all, and write nothing."""
    with psycopg.connect(kept, autocommit=True) as connection:
        connection.execute("CREATE ROLE looking_login LOGIN NOINHERIT")
        connection.execute(
            "GRANT clearing_reader, clearing_auditor TO looking_login WITH INHERIT FALSE, SET TRUE"
        )
        try:
            yield kept.replace("postgres:@", "looking_login:@")
        finally:
            connection.execute("DROP ROLE looking_login")


def test_a_login_that_may_only_read_shows_breaks_and_offers_nothing(as_login: str) -> None:
    with looking(as_login) as client:
        page = client.get(PAGE)
        assert page.status_code == 200
        assert "may not act as <code>clearing_back_office</code>" in page.text
        assert f"{PAGE}/" not in page.text
        refused = sent(client, "comment")
    assert refused.status_code == 409
    assert "nothing can be done to breaks here" in refused.text
    assert len(life(as_login.replace("looking_login:@", "postgres:@"))) == 1


def life(url: str) -> list[stored.LifeRow]:
    return working.shown(url, BREAK.key).life


def test_work_needs_a_scope_of_its_own(kept: str) -> None:
    with looking(kept, made(kept, "auditor", "auditor")) as client:
        page = client.get(PAGE)
        assert page.status_code == 200
        assert "needs the scope <code>back_office</code>" in page.text
        assert f"{PAGE}/" not in page.text
        for act in ("assign", "comment", "explain", "propose", "approve", "refuse", "close"):
            assert sent(client, act).status_code == 403, act
    with looking(kept, made(kept, "reporter", "reporting")) as client:
        assert client.get(PAGE).status_code == 403
        assert sent(client, "comment").status_code == 403
    assert len(life(kept)) == 1
    with looking(kept, made(kept, "noor", "back_office")) as client:
        assert sent(client, "comment").status_code == 303
        assert "by noor (login postgres)" in client.get(PAGE).text
    assert [event.made_by for event in life(kept)] == ["rosa", "noor"]


def test_a_form_of_another_browser_does_nothing(kept: str) -> None:
    with looking(kept) as client:
        for wrong in ("x", "x" * 43, "é"):
            assert sent(client, "comment", token=wrong).status_code == 403
        assert sent(client, "comment", words="a\0b").status_code == 422
    assert len(life(kept)) == 1


def test_a_token_whose_name_a_life_does_not_keep_is_told_so(kept: str) -> None:
    with looking(kept, made(kept, "Jane Doe", "back_office")) as client:
        refused = sent(client, "comment")
    assert refused.status_code == 409
    assert "ask for one with a name of letters" in refused.text
    assert "--by" not in refused.text


def test_whoever_acts_while_a_run_is_kept_is_told_on_the_break_to_try_again(kept: str) -> None:
    with (
        stored.opened(kept, "clearing reconcile") as connection,
        stored.adding(connection, "main"),
        looking(kept) as client,
        ThreadPoolExecutor(4) as people,
    ):
        began = time.monotonic()
        answers = list(people.map(lambda _: sent(client, "comment", words="mine"), range(4)))
        assert time.monotonic() - began < 20
        assert [each.status_code for each in answers] == [409] * 4
        for each in answers:
            assert "nothing was done, try again" in each.text
            assert ">mine</textarea>" in form_of(each.text, "comment")
        told = [each for each in answers if "adding to the breaks of pool main" in each.text]
        assert len(told) == 2, "of those whose turn it was"
        assert client.get(PAGE).status_code == 200
    assert len(life(kept)) == 1


def test_acts_that_wait_for_others_keep_nobody_waiting(kept: str) -> None:
    crowd = 60
    limits: dict[str, Any] = {
        "requests_per_minute": 60_000,
        "requests_burst": 1_000,
        "connection_wait_s": 4.0,
    }
    with looking(kept, **limits) as client, ThreadPoolExecutor(crowd) as people:
        with (
            stored.opened(kept, "clearing reconcile") as connection,
            stored.adding(connection, "main"),
        ):
            answers = [people.submit(sent, client, "comment") for _ in range(crowd)]
            time.sleep(1.5)
            began = time.monotonic()
            assert client.get("/api/v1/pools").status_code == 200
            assert time.monotonic() - began < 1.2, "no thread waits with them"
            assert not any(each.done() for each in answers)
        codes = sorted(each.result().status_code for each in answers)
    assert codes == [303] + [409] * (crowd - 1), "one was the first, others had not seen it"


def test_what_was_typed_is_still_there_after_a_refusal(kept: str) -> None:
    lines = "anna walet USD -5\n<i>@house fees USD 5"
    with looking(kept) as client:
        refused = sent(client, "propose", words="their & fee", lines=lines, against="@house fees")
        assert refused.status_code == 409
        form = form_of(refused.text, "propose")
        assert ">their &amp; fee</textarea>" in form
        assert ">anna walet USD -5\n&lt;i&gt;@house fees USD 5</textarea>" in form
        assert "<option selected>@house fees</option>" in form
        assert form.count(" selected") == 1
        assert "their" not in form_of(refused.text, "comment")
        working.do(kept, BREAK.key, "commented", "noor", "mine")
        late = sent(client, "comment", words="asked the desk")
        assert late.status_code == 409
        assert "has changed since you looked" in late.text
        assert ">asked the desk</textarea>" in form_of(late.text, "comment")
        assert "asked the desk" not in form_of(late.text, "explain")
        wrong = sent(client, "assign", to="no one", seen="2")
        assert wrong.status_code == 409
        assert 'value="no one"' in form_of(wrong.text, "assign")
        assert "What you sent" not in wrong.text


def form_of(page: str, act: str) -> str:
    return page.partition(f'action="{PAGE}/{act}"')[2].partition("</form>")[0]


def test_what_was_typed_for_what_is_not_offered_any_more_is_shown(kept: str) -> None:
    working.do(kept, BREAK.key, "explained", "noor", "rounding")
    with looking(kept) as client:
        working.do(kept, BREAK.key, "refused", "rosa", "no")
        late = sent(client, "approve", words="seen <their> rule", seen="2")
    assert late.status_code == 409
    assert not form_of(late.text, "approve")
    assert "What you sent" in late.text
    assert "seen &lt;their&gt; rule" in late.text
