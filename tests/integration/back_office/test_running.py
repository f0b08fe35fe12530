"""`clearing reconcile run` and `controls` on real books: what they print, keep and end with."""

import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from ledger.cli import app
from tests.integration.test_detaching import live
from tests.unit.desk import BEGINNING, said

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
DAY = EXAMPLES / "reconciliation"


@pytest.fixture
def books(database_url: str) -> str:
    """The eleven events of the first example."""
    live(database_url, (EXAMPLES / "first.jsonl").read_bytes().splitlines())
    return database_url


def called(url: str, *words: str) -> Result:
    done = CliRunner().invoke(app, ["reconcile", *words, "--database-url", url])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done


def ran(url: str, *files: str, options: tuple[str, ...] = ()) -> Result:
    given = [word for file in files for word in ("--file", f"bank={DAY / file}")]
    return called(url, "run", str(DAY / "day.toml"), *given, *options, "--by", "rosa", "--quiet")


def rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM back_office.run").fetchone()
    assert row is not None
    return int(row[0])


def test_a_run_ends_with_one_until_every_break_is_closed(books: str) -> None:
    first = ran(books, "bank-05.csv", options=("--json",))
    assert first.exit_code == 1
    found = json.loads(first.stdout)
    assert (found["run"], found["acts"], found["not_closed"]) == (1, {"found": 2}, 2)
    assert {one["type"]: one["difference"] for one in found["breaks"]} == {
        "missing_here": "25",
        "missing_there": "-100",
    }
    assert set(found["states"].values()) == {"open"}
    assert ran(books, "bank-05.csv").exit_code == 1
    for key in found["states"]:
        for words in (
            ("explain", key, "known", "--by", "maria"),
            ("approve", key, "--by", "noor"),
            ("close", key, "known", "--by", "noor"),
        ):
            assert called(books, *words).exit_code == 0
    nothing = called(books, "run", str(DAY / "day.toml"), "--by", "rosa")
    assert nothing.exit_code == 0, "controls alone, and nothing is open"
    assert ran(books, "bank-05.csv").exit_code == 1, "found again, they are open again"


def test_the_same_files_and_sequence_give_the_same_result(books: str) -> None:
    hashes = [
        json.loads(ran(books, "bank-05.csv", options=("--json", "--at", "11")).stdout)[
            "result_hash"
        ]
        for _ in range(2)
    ]
    assert hashes[0] == hashes[1]


def test_a_dry_run_keeps_nothing(books: str) -> None:
    done = ran(books, "bank-05.csv", options=("--dry-run",))
    assert done.exit_code == 1
    assert done.stdout.startswith("not kept: pool main after event 11")
    assert "2 found" in done.stdout
    assert rows(books) == 0
    assert "run" not in json.loads(
        ran(books, "bank-05.csv", options=("--dry-run", "--json")).stdout
    )
    before = ran(books, "bank-05.csv", options=("--dry-run", "--at", "6"))
    assert before.stdout.startswith("not kept: pool main after event 6")


def test_a_run_says_what_it_did_not_compare_and_what_tolerance_let_pass(
    books: str, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    whole = (DAY / "day.toml").read_text(encoding="utf-8")
    bank = whole.replace('format = "statements-csv"', 'format = "statements-csv"\nonly = ["dep"]')
    rules.write_text(f'{bank}\n[sources.bank.tolerance]\nUSDT = "0.05"\n', encoding="utf-8")
    statement = (
        (DAY / "bank-05.csv").read_text(encoding="utf-8").replace(",10000,", ",10000.02,", 1)
    )
    (tmp_path / "bank.csv").write_text(statement, encoding="utf-8")
    words = ("run", str(rules), "--file", f"bank={tmp_path / 'bank.csv'}", "--dry-run", "--quiet")
    said = [line.strip() for line in called(books, *words).stdout.splitlines()]
    assert "tolerance let pass 0.02 USDT" in said
    assert any(line.startswith("not compared: closing of @custody/USDT: it has") for line in said)
    (told,) = json.loads(called(books, *words, "--json").stdout)["compared"]
    assert told["tolerated"] == {"USDT": "0.02"}
    assert len(told["not_compared"]) == 1


def test_controls_end_with_one_where_one_does_not_hold(database_url: str, tmp_path: Path) -> None:
    live(database_url, [*BEGINNING, said("trade", "t1", trade_id="1")])
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'version = 1\n[controls]\ntrade_ids = "pool"\n'
        '[sources.venue]\nkind = "trades"\nformat = "trades-csv"\n'
    )
    words = ("controls", "--rules", str(rules))
    sound = called(database_url, *words)
    assert sound.exit_code == 0
    assert sound.stdout.splitlines()[0] == "pool main after event 5"
    live(database_url, [said("trade", "t3", trade_id="3")], 6)
    broken = called(database_url, *words)
    assert broken.exit_code == 1
    assert any(line.startswith("BROKEN  trade_ids") for line in broken.stdout.splitlines())
    assert called(database_url, "controls").exit_code == 0, "no rules say that they count"
    found = json.loads(called(database_url, *words, "--json").stdout)
    assert [one["name"] for one in found["controls"] if not one["holds"]] == ["trade_ids"]
    assert len(found["broken"]) == 1
    assert rows(database_url) == 0, "controls alone keep nothing"
    run = called(database_url, "run", str(rules), "--by", "rosa", "--json")
    assert run.exit_code == 1
    assert json.loads(run.stdout)["acts"] == {"found": 1}
    live(database_url, [said("trade", "t2", trade_id="2")], 7)
    assert json.loads(called(database_url, "run", str(rules), "--by", "rosa", "--json").stdout)[
        "acts"
    ] == {"gone": 1}
