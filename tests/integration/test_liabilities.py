"""Proofs of liabilities over real books: their sums, and a proof for every participant."""

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from ledger.audit.liabilities.files import participant_file, public_file
from ledger.audit.liabilities.liabilities import Audit, audit, claims_of, prove
from ledger.cli import app
from ledger.codec.checkpoints import decode_checkpoint, encode_checkpoint
from ledger.core.margin.statements import margin_accounts, statement
from ledger.core.state import State
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.audit import liabilities
from ledger.store.audit.liabilities import owed
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.leveraged_books import Books
from tests.unit.audit.sum_trees import CHECKER, checker

FIRST = Path(__file__).resolve().parents[2] / "docs" / "examples" / "first.jsonl"
MODULE = checker()
Totals = dict[tuple[str, str], Decimal]


def audited(url: str, sequence: int) -> Audit:
    with owed(url, "main", sequence) as books:
        return audit(books.anchor(), claims_of(books), books.house())


def totals(made: Audit) -> Totals:
    """Sums less what is below zero, by column."""
    return {
        (column["column"], column["asset"]): Decimal(column["sum"]) - Decimal(column["negative"])
        for column in public_file(made)["columns"]
    }


def participants(state: State) -> Iterator[tuple[tuple[str, str], str, Decimal]]:
    """Column, participant and figure, as the core has them."""
    for key, balance in zip(state.journal.keys, state.journal.balances, strict=True):
        if key.kind in {"wallet", "isolated", "hold"}:
            assert key.asset is not None
            scale = state.assets[key.asset].scale
            yield ("cash", key.asset), key.owner, Decimal(balance).scaleb(-scale)
    asset = state.settlement
    for account, instrument in margin_accounts(state):
        equity = statement(state, account, instrument).equity
        yield ("equity", asset.asset), account, Decimal(equity).scaleb(-asset.scale)


def in_the_core(state: State) -> tuple[Totals, dict[tuple[tuple[str, str], str], Decimal]]:
    """Totals by column, and each participant's figure."""
    each: dict[tuple[tuple[str, str], str], Decimal] = {}
    for column, account, figure in participants(state):
        each[column, account] = each.get((column, account), Decimal(0)) + figure
    found: Totals = {}
    for (column, _), figure in each.items():
        found[column] = found.get(column, Decimal(0)) + figure
    return found, each


def every_proof_holds(made: Audit, each: dict[tuple[tuple[str, str], str], Decimal]) -> None:
    accounts = {account for _, account in each}
    assert made.leaves == len(accounts)
    published = json.loads(json.dumps(public_file(made)))
    seen = MODULE.Seen()
    for account in accounts:
        told = participant_file(made, prove(made, account))
        assert MODULE.checked(told, [published], seen)
        for line in told["values"]:
            figure = each.get(((line["column"], line["asset"]), account), Decimal(0))
            assert Decimal(line["value"]) == max(figure, Decimal(0))


@pytest.mark.parametrize("seed", range(4))
def test_sums_are_those_of_the_books_at_every_moment(database_url: str, seed: int) -> None:
    log = PostgresLog.connect(database_url, "test")
    writer, books = Writer(log), Books(seed)
    writer.take(books.beginning())
    state = writer.state("main")
    known = {}
    for _ in range(8):
        writer.take(books.messages(25))
        (head,) = [shard.next_sequence - 1 for shard in log.shards() if shard.name == "main"]
        known[head] = in_the_core(state)
    log.close()
    for sequence, (expected, each) in known.items():
        made = audited(database_url, sequence)
        assert totals(made) == expected
        every_proof_holds(made, each)
        found = equity_by_the_books(database_url, sequence)
        assert found == equity_by_the_views(database_url, sequence)
        assert len(found) > 1


def equity_by_the_books(url: str, sequence: int) -> dict[str, int]:
    """Each participant's equity in the audit, smallest units, without what is below zero."""
    with owed(url, "main", sequence) as books:
        claims = claims_of(books)
    return {account: claims.shape.values(row)[-1] for account, row in claims.rows.items()}


def equity_by_the_views(url: str, sequence: int) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT m.account, greatest(sum(m.equity) * ('1e' || max(a.scale))::numeric, 0)::bigint"
            "  FROM reporting.margin_at('main', %s::bigint) m, ledger.shard s,"
            "       ledger.settlement_of(s.shard) a WHERE s.name = 'main' GROUP BY m.account",
            (sequence,),
        )
        return dict(rows.fetchall())


def test_balances_are_those_of_the_moment_page_by_page(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("ingest", FIRST, url=database_url)
    whole = [public_file(audited(database_url, at))["columns"] for at in (6, 11)]
    monkeypatch.setattr(liabilities, "PAGE_ACCOUNTS", 2)
    pages: list[int] = []
    with owed(database_url, "main", 11) as books:
        claims_of(books, pages.append)
        assert sum(pages) == books.last_account() > max(pages) == 2
    assert [public_file(audited(database_url, at))["columns"] for at in (6, 11)] == whole


def test_the_house_stands_apart_and_everything_is_zero_together(database_url: str) -> None:
    run("ingest", FIRST, url=database_url)
    with psycopg.connect(database_url) as connection:
        (head,) = connection.execute(
            "SELECT max(sequence) FROM ledger.event JOIN ledger.shard USING (shard)"
            " WHERE name = 'main'"
        ).fetchone() or (0,)
        variation: dict[str, Decimal] = dict(
            connection.execute(
                "SELECT asset, sum(balance) FROM reporting.balances WHERE kind = 'variation'"
                " AND account NOT LIKE '@%' GROUP BY asset"
            ).fetchall()
        )
    made = audited(database_url, head)
    house = public_file(made)["house"]
    assert {line["account"] for line in house} <= {"@house", "@liquidation"}
    assert "custody" in {line["kind"] for line in house}
    for (name, asset), total in totals(made).items():
        if name == "cash":
            held = sum(Decimal(line["balance"]) for line in house if line["asset"] == asset)
            assert total + held + variation.get(asset, 0) == 0


def run(*words: object, url: str | None = None, code: int = 0) -> Result:
    given = [str(word) for word in words] + ([] if url is None else ["--database-url", url])
    done = CliRunner().invoke(app, given)
    assert done.exit_code == code, (done.output, done.exception)
    return done


def check(*words: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(CHECKER), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_commands_make_files_that_the_checker_accepts(
    database_url: str, tmp_path: Path
) -> None:
    run("ingest", FIRST, url=database_url)
    folder = tmp_path / "audit"
    at = ("--at", 11, "--out", folder)
    made = json.loads(run("prove", "liabilities", *at, "--json", url=database_url).stdout)
    assert json.loads((folder / "liabilities.json").read_text()) == made
    assert (made["pool"], made["sequence"]) == ("main", 11)
    with psycopg.connect(database_url) as connection:
        chain = connection.execute(
            "SELECT encode(e.chain, 'hex') FROM ledger.event e JOIN ledger.shard USING (shard)"
            " WHERE name = 'main' AND sequence = 11"
        ).fetchone()
    assert chain == (made["chain"],)
    for account in ("alice", "bob"):
        told = run("prove", "liability", account, "--from", folder, "--out", tmp_path / account)
        assert f"{account} is leaf" in told.stdout
    public = folder / "liabilities.json"
    files = [tmp_path / "alice", tmp_path / "bob"]
    code, told_by_checker = check(*files, "--against", public)
    assert code == 0, told_by_checker
    assert told_by_checker.count("proved") == 2
    shown = run("prove", "liabilities", *at[:3], tmp_path / "again", url=database_url)
    assert "after event 11" in shown.stdout
    again = tmp_path / "again" / "liabilities.json"
    code, told_by_checker = check(files[0], "--against", again)
    assert code == 1
    assert "another root" in told_by_checker


def test_an_audit_at_a_checkpoint_is_tied_to_it(database_url: str, tmp_path: Path) -> None:
    run("ingest", FIRST, url=database_url)
    anchors = tmp_path / "anchors.jsonl"
    run("checkpoint", "--out", anchors, url=database_url)
    (line,) = [json.loads(one) for one in anchors.read_text().splitlines()]
    made = {}
    for at in (line["sequence"], line["sequence"] - 1):
        folder = tmp_path / str(at)
        done = run("prove", "liabilities", "--at", at, "--out", folder, "--json", url=database_url)
        made[at] = json.loads(done.stdout)
        assert ("tied to the hash chain alone" in done.stderr) == (at < line["sequence"])
    found = made[line["sequence"]]
    assert (found["checkpoint"], found["chain"]) == (line["root"], line["chain"])
    assert {
        (column["asset"], Decimal(column["sum"]) - Decimal(column["negative"]))
        for column in found["columns"]
        if column["column"] == "cash"
    } == {(one["asset"], Decimal(one["participants"])) for one in line["sums"]}
    own = tmp_path / "alice"
    at_checkpoint = tmp_path / str(line["sequence"])
    run("prove", "liability", "alice", "--from", at_checkpoint, "--out", own)
    public = at_checkpoint / "liabilities.json"
    assert check(own, "--against", public, "--against", anchors)[0] == 0
    assert check(public, "--against", anchors)[0] == 0
    before = tmp_path / str(line["sequence"] - 1) / "liabilities.json"
    code, told = check(before, "--against", anchors)
    assert (code, "none of the 1 published" in told) == (1, True)


def test_a_checkpoint_that_says_other_cash_stops_the_audit(database_url: str) -> None:
    run("ingest", FIRST, url=database_url)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT shard, sequence, body FROM ledger.checkpoint").fetchall()
        ((shard, sequence, body),) = rows
        known = decode_checkpoint(body)
        first = known.sums[0]
        changed = [
            known._replace(sums=(first._replace(participants=first.participants + 1),)),
            known._replace(chain=bytes(32)),
        ]
        connection.execute("ALTER TABLE ledger.checkpoint DISABLE TRIGGER ALL")
        for other in [encode_checkpoint(one) for one in changed] + [b"\x02"]:
            connection.execute(
                "UPDATE ledger.checkpoint SET body = %s WHERE shard = %s", (other, shard)
            )
            connection.commit()
            with pytest.raises(LedgerError, match="checkpoint"):
                audited(database_url, sequence)


def fault(*words: object, url: str | None = None) -> str:
    done = run(*words, url=url, code=1)
    assert isinstance(done.exception, ConfigurationError)
    return str(done.exception)


def test_what_cannot_be_proved_is_said(database_url: str, tmp_path: Path) -> None:
    run("ingest", FIRST, url=database_url)
    folder = tmp_path / "audit"
    prove_at = ("prove", "liabilities", "--out", folder, "--at")
    assert "has the events 1 to" in fault(*prove_at, 10**6, url=database_url)
    assert "no participant after event 1" in fault(*prove_at, 1, url=database_url)
    assert "these books have main" in fault(*prove_at, 11, "--pool", "x", url=database_url)
    assert not folder.exists()
    run(*prove_at, 11, url=database_url)
    assert "there is an audit already" in fault(*prove_at, 11, url=database_url)
    own = ("prove", "liability", "--out", tmp_path / "file")
    assert "account zoe is not in this audit" in fault(*own, "zoe", "--from", folder)
    assert "expected what clearing prove liabilities" in fault(*own, "bob", "--from", tmp_path)
