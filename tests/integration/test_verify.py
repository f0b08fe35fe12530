"""`clearing verify` as an auditor runs it: verdicts, ranges, processes, reports, wrong calls."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from ledger.audit.proofs.sealing import Sealer, append_copies
from ledger.audit.proofs.signing import holds, make_key
from ledger.audit.verification import verify as module
from ledger.audit.verification.report import signed_bytes
from ledger.audit.verification.verify import MODES, Scope, verify
from ledger.cli import app
from ledger.errors import ConfigurationError
from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.audit.books import Audited
from ledger.store.audit.detaching import detach
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.sealed_books import NEW, OLD, write
from tests.integration.varied_books import DEPOSIT, fresh, said


@pytest.fixture(scope="module")
def books(postgres: embedded.Embedded) -> Iterator[str]:
    """Sound books."""
    with fresh(postgres, "sound") as url:
        write(url)
        yield url


def clearing(url: str, *words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["verify", *words, "--database-url", url])
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.mark.parametrize("mode", MODES)
def test_sound_books_are_good_in_every_mode(books: str, mode: str) -> None:
    assert "good: nothing is wrong" in clearing(books, "--mode", mode).stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--pool", "main", "--from", "1", "--to", "1"],
        ["--pool", "main", "--from", "60", "--to", "61"],
        ["--pool", "main", "--from", "125"],
        ["--pool", "main", "--to", "130"],
        ["--pool", "late"],
        ["--pool", "@unrouted/0", "--from", "4"],
        ["--from-snapshot"],
    ],
)
def test_any_range_of_sound_books_is_good(books: str, words: list[str]) -> None:
    clearing(books, *words)


@pytest.mark.parametrize("first", range(1, 208, 9))
def test_a_chain_may_be_taken_up_anywhere(books: str, first: int) -> None:
    assert verify(books, Scope("chain", "main", first)).found == []


def test_several_processes_find_the_same(books: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARED_EVENTS_MIN", 1)
    monkeypatch.setattr(module, "_RANGE_EVENTS_MIN", 70)
    planned: list[int] = []
    done: list[int] = []
    verdict = verify(books, Scope(pool="main", workers=2), planned.append, done.append)
    assert verdict.is_good
    assert sum(done) == planned[0]
    passes = verdict.pools[0]["passes"]
    assert [one["checks"] for one in passes] == [
        ["rederive"], ["tree"], ["fold"], ["chain"], ["chain"],
    ]  # fmt: skip
    assert all(one["seconds"] is not None for one in passes)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_writer_at_work_disturbs_nothing(
    postgres: embedded.Embedded, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """What is written after a verification began is not looked at."""
    monkeypatch.setattr(module, "SHARED_EVENTS_MIN", 1)
    with fresh(postgres, "written_meanwhile") as url:
        write(url)

        def go_on(_: int) -> None:
            log = PostgresLog.connect(url, "test")
            writer = Writer(log, seal=Sealer(NEW))
            account: dict[str, object] = {
                "kind": "account",
                "account": "newcomer",
                "margin_mode": "cross",
            }
            asset: dict[str, object] = {"kind": "asset", "asset": "NEW", "scale": 2, "haircut": "0"}
            deposit: dict[str, object] = {**DEPOSIT, "account": "newcomer", "asset": "NEW"}
            messages = [
                Message(
                    Source("file", "later", "later"),
                    *(0, number, 0, None),
                    json.dumps(said(f"later-{number}", content, pool="main")).encode(),
                )
                for number, content in enumerate((account, asset, deposit))
            ]
            assert writer.take(messages).applied == 3
            writer.close()

        assert verify(url, Scope(workers=workers), go_on).found == []
        assert verify(url, Scope()).found == []


def test_a_report_is_signed_by_the_auditor(books: str, tmp_path: Path) -> None:
    key = make_key(tmp_path / "auditor.key")
    out = tmp_path / "verdict.json"
    clearing(books, "--report", str(out), "--sign-with", str(tmp_path / "auditor.key"))
    found = json.loads(out.read_text())
    assert found["verdict"] == "good"
    assert found["trusted_keys"] == sorted([OLD.key.hex(), NEW.key.hex()])
    assert holds(key.key, signed_bytes(found), bytes.fromhex(found["signature"]))
    assert not holds(
        key.key, signed_bytes({**found, "verdict": "bad"}), bytes.fromhex(found["signature"])
    )


def test_a_key_that_is_not_trusted_is_named(books: str) -> None:
    clearing(books, "--mode", "quick", "--trust", OLD.key.hex())
    done = clearing(books, "--mode", "quick", "--trust", NEW.key.hex(), "--json", code=1)
    found = json.loads(done.stdout)
    assert {(one["table"], one["field"]) for one in found["findings"]} == {("checkpoint", "key")}


def test_what_is_wrong_is_named_with_what_was_expected(
    postgres: embedded.Embedded, books: str
) -> None:
    assert books
    with fresh(postgres, "wrong") as url:
        write(url)
        with psycopg.connect(url) as connection:
            connection.execute("ALTER TABLE ledger.posting DISABLE TRIGGER ALL")
            connection.execute(
                "UPDATE ledger.posting SET amount = amount + 1 WHERE shard = 1 AND line = 1"
                " AND sequence = (SELECT min(sequence) FROM ledger.posting WHERE sequence > 90)"
            )
        done = clearing(url, code=1)
    line = next(line for line in done.stdout.splitlines() if line.startswith("BAD: "))
    assert "pool main, event " in line
    assert "table posting, " in line
    assert "expected " in line
    assert "found " in line


def test_detached_partitions_are_told_and_the_rest_is_verified(postgres: embedded.Embedded) -> None:
    with fresh(postgres, "detached") as url:
        write(url)
        detach(url, shard=1, first=1)
        verdict = verify(url, Scope(pool="main"))
        assert verdict.found == []
        assert any("were detached" in one for one in verdict.pools[0]["remarks"])
        checks = [check for one in verdict.pools[0]["passes"] for check in one["checks"]]
        assert sorted(checks) == ["chain", "fold", "rederive"]


def test_pools_that_no_anchor_covers_are_named(books: str, tmp_path: Path) -> None:
    out = tmp_path / "anchors.jsonl"
    log = PostgresLog.connect(books, "test")
    copied = append_copies(log, out, "late")
    log.close()
    pools = {pool["pool"]: pool for pool in verify(books, Scope("quick", anchors=out)).pools}
    assert (pools["late"]["anchors"], pools["late"]["remarks"]) == (copied, [])
    assert pools["main"]["anchors"] == 0
    assert "no anchor is of this pool" in pools["main"]["remarks"][0]
    told = clearing(books, "--mode", "quick", "--anchors", str(out)).stdout
    assert f"met, {copied} of them anchors; " in told


def test_kept_states_are_read_one_at_a_time(postgres: embedded.Embedded) -> None:
    with fresh(postgres, "one_at_a_time") as url:
        write(url)
        auditor = Audited.connect(url)
        try:
            (main,) = [h.shard.shard for h in auditor.heads() if h.shard.name == "main"]
            assert len(list(auditor.snapshots(main))) > 1
            states = auditor.snapshots(main)
            first = next(states)[0]
            with psycopg.connect(url) as connection:
                connection.execute("ALTER TABLE ledger.snapshot DISABLE TRIGGER ALL")
                connection.execute("DELETE FROM ledger.snapshot WHERE sequence > %s", (first,))
            assert list(states) == [], "the others had been read already"
        finally:
            auditor.close()


def test_a_state_that_no_checkpoint_names_is_said_to_be_believed(
    postgres: embedded.Embedded,
) -> None:
    with fresh(postgres, "unnamed") as url:
        write(url)
        with psycopg.connect(url) as connection:
            connection.execute("ALTER TABLE ledger.checkpoint DISABLE TRIGGER ALL")
            row = connection.execute(
                "SELECT min(s.sequence) FROM ledger.snapshot s JOIN ledger.shard h USING (shard)"
                " JOIN ledger.checkpoint c USING (shard, sequence)"
                " WHERE name = 'main' AND s.sequence < next_sequence - 1"
            ).fetchone()
            assert row is not None
            scope = Scope("rederive", "main", row[0] + 1)
            assert verify(url, scope).pools[0]["remarks"] == []
            connection.execute("DELETE FROM ledger.checkpoint WHERE sequence = %s", row)
        (remark,) = verify(url, scope).pools[0]["remarks"]
    assert f"the state kept after event {row[0]}, which no checkpoint names" in remark


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--mode", "fast"], "expected quick, chain"),
        (["--pool", "other"], "not in these books"),
        (["--from", "3"], "needs one pool"),
        (["--pool", "main", "--from", "500"], "the books have 1 to 207"),
        (["--trust", "abc"], "64 hex digits"),
        (["--anchors", "nowhere.jsonl"], "No such file"),
        (["--anchors", "/dev/null"], "no checkpoint: nothing to compare with"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(books: str, words: list[str], reason: str) -> None:
    done = CliRunner().invoke(app, ["verify", *words, "--database-url", books])
    assert isinstance(done.exception, ConfigurationError)
    assert reason in str(done.exception)
