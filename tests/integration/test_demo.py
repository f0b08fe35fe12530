"""`clearing demo` as its user runs it: embedded servers, one day, the next, and one killed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.demo.leftover import is_running
from ledger.store import embedded

ROOT = Path(__file__).resolve().parents[2]

INVARIANTS = {
    "each entry sums to zero per commodity": """
        SELECT pool, sequence, commodity FROM reporting.postings
         GROUP BY pool, sequence, commodity HAVING sum(amount) <> 0""",
    "all balances of a commodity sum to zero": """
        SELECT pool, asset, instrument, sum(balance) FROM (
            SELECT pool, asset, CASE WHEN asset IS NULL THEN instrument END AS instrument, balance
              FROM reporting.balances) AS each
         GROUP BY pool, asset, instrument HAVING sum(balance) <> 0""",
    "debit equals credit": """
        SELECT pool, commodity FROM reporting.trial_balance WHERE debit <> credit""",
    "a running balance is the one before plus the amount": """
        SELECT * FROM (
            SELECT pool, account, account_kind, instrument, commodity, amount, balance,
                   lag(balance, 1, 0) OVER (
                       PARTITION BY pool, account, account_kind, instrument, commodity
                       ORDER BY sequence, line) AS before
              FROM reporting.postings) AS each
         WHERE balance <> before + amount""",
    "insurance is not negative, deficits are not positive": """
        SELECT * FROM reporting.balances
         WHERE (kind = 'insurance' AND balance < 0) OR (kind = 'deficit' AND balance > 0)""",
    "no variation without a position": """
        SELECT * FROM reporting.balances AS variation
         WHERE kind = 'variation' AND balance <> 0 AND NOT EXISTS (
               SELECT FROM reporting.balances AS position
                WHERE (position.pool, position.account, position.instrument)
                      = (variation.pool, variation.account, variation.instrument)
                  AND position.kind = 'position' AND position.balance <> 0)""",
    "at rest nobody's equity is negative": """
        SELECT * FROM reporting.margin WHERE equity < 0""",
}


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty CLEARING_HOME that the embedded server's own user can reach."""
    with tempfile.TemporaryDirectory(prefix="clearing-demo-") as folder:
        yield Path(folder)


@pytest.mark.timeout(300)
def test_two_days_of_the_demo_balance_and_meet_every_expectation(home: Path) -> None:
    first = _demo(home)
    assert first["day"] == 1
    assert first["balances"] is True
    assert first["surprises"] == []
    assert first["applied"] + first["duplicates"] + first["rejected"] == first["sent"]
    for pool in first["pools"].values():
        assert pool["is_conserved"] is True
    for kind in ("margin_call", "liquidation", "takeover", "close_out", "gain", "draw"):
        assert _count(first, kind) > 0, kind
    assert _count(first, "deleveraged") > 0
    assert first["empty_books"] > 0

    second = _demo(home)
    assert second["day"] == 2
    assert second["balances"] is True
    assert second["surprises"] == []
    assert _count(second, "liquidation") >= _count(first, "liquidation")

    assert not (home / "signing.key").exists(), "the key of other books is left alone"
    assert _checkpoint(home / "demo").returncode == 0, "the demo's key is where its books are"
    elsewhere = _checkpoint(home / "demo", CLEARING_SIGNING_KEY="11" * 32)
    assert "these books are signed by key" in elsewhere.stderr

    other = _run(home, "--seed", "2")
    assert other.returncode == 2
    assert "--seed 1 --participants 60" in other.stderr
    _require_invariants(home)


@pytest.mark.timeout(300)
def test_a_demo_that_was_killed_is_played_to_its_end_without_surprise(home: Path) -> None:
    killed = subprocess.Popen(
        _command(),
        env=_environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    kept = home / "demo" / "days.json"
    until = time.monotonic() + 60
    while not kept.exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(2)
    assert killed.poll() is None, "it is in the middle of its day"
    os.killpg(killed.pid, signal.SIGKILL)  # the broker too; PostgreSQL has a session of its own
    killed.wait()
    assert is_running(home / "demo" / "postgres"), "its server was left behind"

    after = _demo(home)
    assert after["day"] == 1
    assert after["surprises"] == []
    assert after["balances"] is True
    assert not is_running(home / "demo" / "postgres")


def _count(shown: dict[str, Any], kind: str) -> int:
    return sum(pool["counts"][kind] for pool in shown["pools"].values())


def _require_invariants(home: Path) -> None:
    server = embedded.start(home / "demo" / "postgres")
    try:
        with psycopg.connect(server.url) as connection:
            for name, query in INVARIANTS.items():
                assert connection.execute(query).fetchall() == [], name
    finally:
        server.stop()


def _demo(home: Path) -> dict[str, Any]:
    done = _run(home)
    assert done.returncode == 0, done.stdout + done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def _run(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_command(), *options],
        env=_environment(home),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def _checkpoint(home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "checkpoint"]
    return subprocess.run(
        command,
        env=_environment(home) | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _command() -> list[str]:
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "demo", "--json"]
    return [*command, "--events", "10000", "--participants", "60", "--quiet"]


def _environment(home: Path) -> dict[str, str]:
    environment = os.environ | {"CLEARING_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("CLEARING_DATABASE_URL", None)
    environment.pop("CLEARING_SIGNING_KEY", None)
    return environment
