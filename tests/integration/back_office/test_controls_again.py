"""`clearing reconcile controls --every`: rounds on real books, what is kept, served and told."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.errors import ConfigurationError
from tests.integration.test_detaching import live
from tests.unit.desk import BEGINNING, said

COMMAND = (sys.executable, "-c", "from ledger.cli import main; main()", "reconcile", "controls")
RULES = """
version = 1
[controls]
trade_ids = "pool"
[sources.venue]
kind = "trades"
format = "trades-csv"
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path / "rules.toml"


def logged(running: subprocess.Popen[str], event: str) -> dict[str, object]:
    """The next log line of this name."""
    assert running.stderr is not None
    for line in running.stderr:
        found: dict[str, object] = json.loads(line)
        if found.get("event") == event:
            return found
    raise AssertionError(f"it ended without {event}")


def runs(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT r.run, r.sequence, r.breaks, r.made_by FROM back_office.run r ORDER BY 1"
        ).fetchall()


@pytest.fixture
def watching(database_url: str, rules: Path) -> Iterator[subprocess.Popen[str]]:
    """Rounds every second on a database with one trade."""
    live(database_url, [*BEGINNING, said("trade", "t1", trade_id="1")])
    words = ("--every", "1", "--rules", str(rules), "--keep", "--by", "rosa", "--json")
    served = ("--metrics-port", "0", "--log-format", "json", "--database-url", database_url)
    with subprocess.Popen(
        [*COMMAND, *words, *served],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as running:
        yield running
        running.kill()


def test_rounds_keep_and_tell_what_changes_until_they_are_stopped(
    watching: subprocess.Popen[str], database_url: str
) -> None:
    port = logged(watching, "watched at")["port"]
    assert logged(watching, "controls checked")["broken"] == 0
    assert runs(database_url) == [], "nothing has changed"
    live(database_url, [said("trade", "t3", trade_id="3")], 6)
    assert "2 to 2 are not in our books" in str(logged(watching, "control broken")["says"])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        assert 'clearing_control_holds{control="trade_ids",pool="main"} 0.0' in page.read().decode()
    time.sleep(2.5)
    assert runs(database_url) == [(1, 6, 1, "rosa")], "found again is no change"
    live(database_url, [said("trade", "t2", trade_id="2")], 7)
    assert logged(watching, "changes kept")["acts"] == {"gone": 1}
    assert logged(watching, "control holds again")["sequence"] == 7
    assert len(runs(database_url)) == 2
    watching.send_signal(signal.SIGTERM)
    assert watching.stdout is not None
    assert json.loads(watching.stdout.read())["broken"] == []
    assert watching.wait(20) == 0


def test_the_exit_code_says_what_the_last_round_found(
    watching: subprocess.Popen[str], database_url: str
) -> None:
    live(database_url, [said("trade", "t3", trade_id="3")], 6)
    logged(watching, "control broken")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 1


def test_one_round_is_kept_where_it_finds_a_change(database_url: str, rules: Path) -> None:
    live(database_url, [*BEGINNING, said("trade", "t1", trade_id="1")])
    live(database_url, [said("trade", "t3", trade_id="3")], 6)
    words = ["reconcile", "controls", "--rules", str(rules), "--keep", "--by", "rosa"]
    for _ in range(2):
        done = CliRunner().invoke(app, [*words, "--database-url", database_url])
        assert done.exit_code == 1
    assert runs(database_url) == [(1, 6, 1, "rosa")]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--keep", "--by", "rosa"), "--keep needs --rules"),
        (("--every", "5", "--at", "3"), "leave out --at"),
        (("--metrics-port", "0"), "--metrics-port needs --every"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: tuple[str, ...], why: str) -> None:
    done = CliRunner().invoke(app, ["reconcile", "controls", *words])
    assert isinstance(done.exception, ConfigurationError)
    assert why in str(done.exception)
