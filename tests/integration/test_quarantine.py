"""A file that breaks an invariant of the rules, on PostgreSQL: which line, parked, driven again."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.store import embedded
from tests.integration.test_commands import clearing, written
from tests.integration.varied_books import fresh
from tests.unit.halting import BROKEN, UNLUCKY, unlucky_rules

pytestmark = pytest.mark.interpreted

FIRST = Path(__file__).resolve().parents[2] / "docs" / "examples" / "first.jsonl"
ORDERED = ("--reason", "incident 7", "--made-by", "maria", "--checked-by", "noor")


def deposit(event_id: str, amount: str, pool: str = "main") -> dict[str, Any]:
    return {
        "kind": "deposit",
        "event_id": event_id,
        "pool": pool,
        "occurred_at": "2026-02-01T00:00:00Z",
        "account": "alice",
        "asset": "USDT",
        "amount": amount,
    }


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The first example in two pools; line 24 breaks a rule in one of them."""
    first = [json.loads(line) for line in FIRST.read_text().splitlines()]
    both = [{**event, "pool": pool} for event in first for pool in ("main", "other")]
    later = [deposit("x1", "1"), deposit("x2", UNLUCKY), deposit("x3", "3")]
    return written(tmp_path / "events.jsonl", *both, *later, deposit("x3", "4", "other"))


def test_a_file_is_applied_but_for_the_pool_that_halts_and_goes_on_once_parked(
    file: str, database_url: str
) -> None:
    parking = ("quarantine", "--pool", "main", "--file", file, "--line", "24", *ORDERED)
    with unlucky_rules():
        halted = clearing("ingest", file, "--json", database_url=database_url, code=1)
        assert json.loads(halted.stdout) == {"applied": 24, "duplicate": 0, "rejected": 0}
        assert "pool main is halted at event 13, line 24 of events.jsonl" in halted.stderr
        assert f"(deposit x2): AssertionError: {BROKEN}" in halted.stderr
        assert "1 messages of halted pools were not applied" in halted.stderr

        looked = clearing(*parking, "--dry-run", database_url=database_url)
        assert "halted at event 13" in looked.stdout
        parked = clearing(*parking, "--json", database_url=database_url)
        assert json.loads(parked.stdout)["sequence"] == 13

        again = clearing("ingest", file, "--json", database_url=database_url)
        assert json.loads(again.stdout) == {"applied": 1, "duplicate": 25, "rejected": 0}
        still = clearing("redrive", "--pool", "main", database_url=database_url, code=1)
        assert "HALTED: pool main is halted at event 15" in still.stderr

    with psycopg.connect(database_url) as connection:
        shown = connection.execute(
            "SELECT sequence, event_id, code, detail FROM reporting.rejections WHERE pool = 'main'"
        ).fetchall()
    detail = f"made by maria, checked by noor: incident 7 [AssertionError: {BROKEN}]"
    assert shown == [(13, "x2", "quarantined", detail)]
    driven = clearing("redrive", "--code", "quarantined", "--json", database_url=database_url)
    assert json.loads(driven.stdout) == {"applied": 1, "duplicate": 0, "rejected": 0}
    clearing("verify", "--mode", "all", database_url=database_url)


def test_books_with_a_parked_message_are_rebuilt_byte_by_byte(
    file: str, database_url: str, postgres: embedded.Embedded
) -> None:
    with unlucky_rules():
        clearing("ingest", file, database_url=database_url, code=1)
        parking = ("quarantine", "--pool", "main", "--file", file, "--line", "24", *ORDERED)
        clearing(*parking, database_url=database_url)
        clearing("ingest", file, database_url=database_url)
        with fresh(postgres, "parked_again") as into:
            words = ["replay", "--from-database", database_url, "--into", into]
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, done.output
            clearing("verify", "--mode", "rederive", database_url=into)
