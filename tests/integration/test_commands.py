"""The commands as a person runs them, on a PostgreSQL of the test's own."""

import json
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ledger.cli import app
from ledger.core import machine
from ledger.errors import ConfigurationError, SchemaMismatch

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "docs" / "examples" / "first.jsonl"
LATE = {
    "kind": "deposit",
    "event_id": "late",
    "pool": "main",
    "occurred_at": "2026-02-01T00:00:00Z",
    "account": "zoe",
    "asset": "USDT",
    "amount": "10",
}
ZOE = {
    "kind": "account",
    "event_id": "zoe",
    "pool": "main",
    "occurred_at": "2026-02-01T00:00:00Z",
    "account": "zoe",
}


def clearing(*words: str, database_url: str, code: int = 0) -> Result:
    """Run a command and hold its exit code."""
    done = CliRunner().invoke(app, [*words, "--database-url", database_url])
    assert done.exit_code == code, (done.output, done.exception)
    return done


def written(path: Path, *events: object) -> str:
    """A file of wire events; a str is written as it is."""
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_ingest_counts_and_a_second_run_finds_duplicates(database_url: str) -> None:
    events = len(FIRST.read_text().splitlines())
    first = clearing("ingest", str(FIRST), "--json", database_url=database_url)
    assert json.loads(first.stdout) == {"applied": events, "duplicate": 0, "rejected": 0}
    again = clearing("ingest", str(FIRST), "--json", database_url=database_url)
    assert json.loads(again.stdout) == {"applied": 0, "duplicate": events, "rejected": 0}


def test_a_refused_message_is_driven_again_after_repair(database_url: str, tmp_path: Path) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    bad = written(tmp_path / "bad.jsonl", LATE, "no json")
    refused = clearing("ingest", bad, "--json", database_url=database_url, code=1)
    assert json.loads(refused.stdout) == {"applied": 0, "duplicate": 0, "rejected": 2}
    assert "unknown_account" in refused.stderr

    still = clearing("redrive", "--pool", "main", "--json", database_url=database_url, code=1)
    assert json.loads(still.stdout) == {"applied": 0, "duplicate": 0, "rejected": 1}

    clearing("ingest", written(tmp_path / "zoe.jsonl", ZOE), database_url=database_url)
    listed = clearing("redrive", "--all", "--dry-run", database_url=database_url)
    assert len(listed.stdout.splitlines()) == 2, "the newer refusal, and the one without a pool"
    driven = clearing("redrive", "--pool", "main", "--json", database_url=database_url)
    assert json.loads(driven.stdout) == {"applied": 1, "duplicate": 0, "rejected": 0}
    empty = clearing("redrive", "--pool", "main", "--json", database_url=database_url)
    assert json.loads(empty.stdout) == {"applied": 0, "duplicate": 0, "rejected": 0}

    shown = clearing("statement", "zoe", "--json", database_url=database_url)
    assert json.loads(shown.stdout)["balances"] == [
        {"kind": "wallet", "asset": "USDT", "balance": "10"}
    ]


def test_a_statement_is_the_same_at_its_own_sequence(database_url: str) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    now = json.loads(clearing("statement", "alice", "--json", database_url=database_url).stdout)
    at = str(now["sequence"])
    then = clearing("statement", "alice", "--at", at, "--json", database_url=database_url)
    assert json.loads(then.stdout) == now
    before = clearing("statement", "alice", "--at", "6", "--json", database_url=database_url)
    assert json.loads(before.stdout)["positions"] == []
    later = clearing(
        "statement", "alice", "--at", "2027-01-01T00:00:00Z", "--json", database_url=database_url
    )
    assert json.loads(later.stdout) == now, "until the next event nothing changes"


def test_a_statement_shows_positions_as_they_were(database_url: str) -> None:
    """Long 0.5 from 60,000, marked at 61,000; 9,985 in the wallet; maintenance 1%."""
    clearing("ingest", str(FIRST), database_url=database_url)
    shown = clearing("statement", "alice", "--at", "8", "--json", database_url=database_url)
    (row,) = json.loads(shown.stdout)["positions"]
    assert row == {
        "instrument": "BTC-PERP",
        "margin_mode": "cross",
        "quantity": "0.5",
        "entry_price": "60000",
        "cost": "-30000",
        "mark_price": "61000",
        "notional": "30500",
        "unrealized_pnl": "500",
        "maintenance_margin": "305",
        "liquidation_price": "40434.3",  # 9985 - 30000 + 0.5 p = 0.005 p
    }


def test_a_statement_shows_margin_as_it_was(database_url: str) -> None:
    """Alice is long from 60,000: 0.5 until event 8, 0.3 now; 2% and 1% of the notional."""
    figures = {
        "7": ("9985", "0", "9985", "600", "300", "9385"),  # the trade's price stands for the mark
        "8": ("9985", "500", "10485", "610", "305", "9875"),
        "11": ("10077.07", "300", "10377.07", "366", "183", "10011.07"),
        "2026-01-05T11:30:00Z": ("9985", "500", "10485", "610", "305", "9875"),
    }
    names = (
        *("collateral", "unrealized_pnl", "equity"),
        *("initial_margin", "maintenance_margin", "free_collateral"),
    )
    clearing("ingest", str(FIRST), database_url=database_url)
    for at, expected in figures.items():
        shown = clearing("statement", "alice", "--at", at, "--json", database_url=database_url)
        (row,) = json.loads(shown.stdout)["margin"]
        assert row == {
            "instrument": None,
            "margin_mode": "cross",
            **dict(zip(names, expected, strict=True)),
        }
    shown = clearing("statement", "alice", "--at", "8", database_url=database_url)
    assert "10485" in shown.stdout.partition("\nmargin\n")[2].partition("open positions")[0]
    house = clearing("statement", "@house", "--json", database_url=database_url)
    assert json.loads(house.stdout)["margin"] == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["statement", "nobody"], "no posting"),
        (["statement", "alice", "--pool", "other"], "these books have main"),
        (["statement", "alice", "--at", "soon"], "--at takes"),
        (["statement", "alice", "--at", "0"], "main has the events 1 to 11"),
        (["statement", "alice", "--at", "12"], "main has the events 1 to 11"),
        (["statement", "alice", "--at", "2026-01-05T07:59:59Z"], "had no event yet"),
        (["redrive"], "nothing chosen"),
        (["redrive", "--pool", "mian"], "pool mian is not in the books; they have main"),
        (["redrive", "--sequence", "3"], "needs --pool"),
        (["ingest", "nowhere.jsonl"], "cannot read nowhere.jsonl"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(database_url: str, words: list[str], reason: str) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    done = CliRunner().invoke(app, [*words, "--database-url", database_url])
    assert isinstance(done.exception, ConfigurationError)
    assert reason in str(done.exception)


def test_the_version_tells_the_rules_and_whether_the_core_is_compiled() -> None:
    done = CliRunner().invoke(app, ["--version"])
    core = "interpreted" if machine.__file__.endswith(".py") else "compiled"
    assert done.exit_code == 0
    assert done.output.startswith(f"clearing {metadata.version('clearing-ledger')}, ")
    assert done.output.endswith(f"rules version {machine.RULES_VERSION}, core {core}\n")


def test_an_unmigrated_database_is_named(postgres_url: str) -> None:
    done = CliRunner().invoke(app, ["ingest", str(FIRST), "--database-url", postgres_url])
    assert isinstance(done.exception, SchemaMismatch)
    assert "clearing migrate" in str(done.exception)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "localhost"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    done = CliRunner().invoke(app, ["migrate", "--database-url", url])
    assert isinstance(done.exception, ConfigurationError)
    assert "postgresql://" in str(done.exception)
