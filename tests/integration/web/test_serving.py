"""`clearing serve` as a program: it tells where it listens, answers, and stops without a cut."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from ledger.errors import StoreError
from ledger.store import web_tokens

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


def test_a_server_needs_to_act_as_reader_and_auditor_and_as_nobody_else(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE web_login LOGIN NOINHERIT")
        connection.execute("GRANT clearing_reader TO web_login WITH INHERIT FALSE, SET TRUE")
        try:
            as_login = database_url.replace("postgres:@", "web_login:@")
            with pytest.raises(StoreError, match="permission denied to set role"):
                web_tokens.are_there(as_login)
            connection.execute("GRANT clearing_auditor TO web_login WITH INHERIT FALSE, SET TRUE")
            with served("--database-url", as_login) as (_, address):
                assert httpx.get(f"{address}api/v1/pools").json()["rows"] == []
        finally:
            connection.execute("DROP ROLE web_login")
