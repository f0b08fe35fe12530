"""`clearing serve` as a program: it tells where it listens, answers, and stops without a cut."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from ledger.errors import StoreError
from ledger.store.web import tokens as web_tokens
from ledger.web.settings import WebSettings
from tests.integration.web.servers import serving

CLEARING = (sys.executable, "-c", "from ledger.cli import main; main()")


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `clearing serve`, and its address as it told it."""
    command = [*CLEARING, "serve", "--api-only", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        try:
            told = ""
            while not (found := re.search(r"serving on (http://\S+)", told)):
                line = program.stderr.readline()
                assert line, f"it stopped and said: {told}"
                told += line
            yield program, found[1]
        finally:
            program.kill()


def test_a_server_tells_its_address_answers_and_ends_well(database_url: str) -> None:
    with served("--database-url", database_url) as (program, address):
        assert httpx.get(f"{address}api/v1/health").json() == {"status": "ok"}
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=20) == 0


def test_a_server_without_tokens_refuses_to_listen_to_others(database_url: str) -> None:
    command = [*CLEARING, "serve", "--host", "0.0.0.0"]  # noqa: S104 - refused
    done = subprocess.run(
        [*command, "--database-url", database_url], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--host 0.0.0.0 can be reached from other machines" in done.stderr


@pytest.mark.parametrize("ending", ["expired", "revoked"])
def test_a_server_does_not_open_when_its_last_token_ends(database_url: str, ending: str) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=0.2 if ending == "expired" else 600)
    web_tokens.create(database_url, "only", ["reporting"], bytes(32), "tester", expires_at)
    if ending == "expired":
        time.sleep(0.2)
    else:
        web_tokens.revoke(database_url, "only", "tester", "it leaked")
    command = [*CLEARING, "serve", "--port", "0", "--database-url", database_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "all 1 tokens of these books have expired or were revoked" in done.stderr
    assert "clearing token create" in done.stderr


def test_a_server_needs_to_act_as_reader_and_auditor_and_as_nobody_else(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE web_login LOGIN NOINHERIT")
        connection.execute("GRANT clearing_reader TO web_login WITH INHERIT FALSE, SET TRUE")
        try:
            as_login = database_url.replace("postgres:@", "web_login:@")
            with pytest.raises(StoreError, match="permission denied to set role"):
                web_tokens.kept(as_login)
            connection.execute("GRANT clearing_auditor TO web_login WITH INHERIT FALSE, SET TRUE")
            with served("--database-url", as_login) as (_, address):
                assert httpx.get(f"{address}api/v1/pools").json()["rows"] == []
        finally:
            connection.execute("DROP ROLE web_login")


def test_a_server_stops_while_a_sum_is_made(books_url: str) -> None:
    with (
        psycopg.connect(books_url) as connection,
        served("--database-url", books_url) as (program, address),
    ):
        connection.execute("LOCK TABLE ledger.account IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{address}api/v1/pools/main/trial_balance", timeout=1)
        began = time.monotonic()
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=30) == 0
        assert time.monotonic() - began < 15, "it waits neither for the sum nor for who asked"


def test_figures_of_a_page_may_take_longer_than_its_own_questions(books_url: str) -> None:
    settings = WebSettings(books_url, is_open=True, statement_s=1, connection_wait_s=5)
    with serving(settings) as address, httpx.Client(base_url=address, timeout=30) as client:
        path = "/pools/main/instruments?at=77"
        client.get("/pools/main/instruments?at=76")  # has its connections
        with psycopg.connect(books_url) as connection:
            connection.execute("LOCK TABLE ledger.account IN ACCESS EXCLUSIVE MODE")
            assert 'class="waiting"' in client.get(path).text
            time.sleep(2)
            assert 'class="waiting"' in client.get(path).text
        ends = time.monotonic() + 20
        while 'class="waiting"' in (page := client.get(path).text):
            assert time.monotonic() < ends, "they never come"
            time.sleep(0.05)
    assert "could not be worked out" not in page
