"""Checkpoints as commands make them: at a clean stop, on demand, into a file, by rotated keys."""

import json
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.audit.proofs.signing import ENDORSEMENT, holds
from ledger.cli import app
from ledger.codec import merkle
from ledger.codec.checkpoints import body_hash, decode_checkpoint, read_line
from ledger.errors import ConfigurationError
from ledger.store.log.postgres import PostgresLog
from tests.integration.test_commands import FIRST, LATE, ZOE, clearing, written


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_ingest_leaves_a_signed_checkpoint_at_the_head(database_url: str) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    log = PostgresLog.connect(database_url, "test")
    head = next(shard for shard in log.shards() if shard.name == "main")
    made = log.latest_checkpoint(head.shard)
    log.close()
    assert made is not None
    found = decode_checkpoint(made.body)
    assert (found.pool, found.sequence) == ("main", head.next_sequence - 1)
    assert found.chain == head.chain
    assert found.root == merkle.root(merkle.unpacked(head.frontier))
    assert found.sums[0].participants > 0 > found.sums[0].custody
    assert found.key == made.key
    assert holds(made.key, made.body, made.signature)


def test_copies_are_added_once_and_link_to_each_other(database_url: str, tmp_path: Path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    clearing("ingest", str(FIRST), database_url=database_url)
    clearing("ingest", written(tmp_path / "zoe", ZOE, "nothing"), database_url=database_url, code=1)
    clearing("ingest", written(tmp_path / "late", LATE), database_url=database_url)
    for added in (4, 0):
        done = clearing("checkpoint", "--out", str(anchors), "--json", database_url=database_url)
        assert json.loads(done.stdout)["added"] == added
    pools = [line["pool"] for line in lines(anchors)]
    assert pools == ["main", "main", "main", "@unrouted/0"]
    bodies = [read_line(line)[0] for line in anchors.read_text().splitlines()]
    for before, after in pairwise(bodies[:3]):
        assert decode_checkpoint(after).previous == body_hash(before)


def test_a_copy_that_differs_is_kept_and_reported(database_url: str, tmp_path: Path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    clearing("ingest", str(FIRST), database_url=database_url)
    clearing("checkpoint", "--out", str(anchors), database_url=database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE ledger.checkpoint DISABLE TRIGGER ALL")
        connection.execute(
            "UPDATE ledger.checkpoint SET body = set_byte(body, 20, 255 - get_byte(body, 20))"
        )
    before = anchors.read_bytes()
    done = CliRunner().invoke(
        app, ["checkpoint", "--out", str(anchors), "--database-url", database_url]
    )
    assert "another checkpoint of main" in str(done.exception)
    assert anchors.read_bytes() == before


def test_a_key_that_the_books_do_not_know_is_refused_before_anything_is_written(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    monkeypatch.setenv("CLEARING_SIGNING_KEY", "18" * 32)
    done = CliRunner().invoke(app, ["ingest", str(FIRST), "--database-url", database_url])
    assert isinstance(done.exception, ConfigurationError)
    assert "clearing key rotate" in str(done.exception)


def test_a_rotated_key_is_vouched_for_by_the_old_one(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    new = tmp_path / "new.key"
    clearing("key", "rotate", "--out", str(new), database_url=database_url)
    monkeypatch.delenv("CLEARING_SIGNING_KEY")
    monkeypatch.setenv("CLEARING_SIGNING_KEY_FILE", str(new))
    clearing("ingest", written(tmp_path / "zoe", ZOE), database_url=database_url)
    log = PostgresLog.connect(database_url, "test")
    (first, second), made = log.signing_keys(), log.latest_checkpoint(1)
    log.close()
    assert made is not None
    assert made.key == second.key
    assert second.endorsed_by == first.key
    assert second.signature is not None
    assert holds(first.key, ENDORSEMENT + second.key, second.signature)
    shown = clearing("key", "show", "--json", database_url=database_url)
    assert [row["key"] for row in json.loads(shown.stdout)] == [first.key.hex(), second.key.hex()]


def test_a_key_is_made_at_home_and_replaced_there(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARING_SIGNING_KEY")
    monkeypatch.setenv("CLEARING_HOME", str(tmp_path / "home"))
    first = clearing("ingest", str(FIRST), database_url=database_url)
    assert "made the signing key" in first.stderr
    key = tmp_path / "home" / "signing.key"
    assert key.stat().st_mode & 0o777 == 0o600
    old = key.read_text()
    clearing("key", "rotate", database_url=database_url)
    assert key.read_text() != old
    assert [path.read_text() for path in key.parent.glob("signing.key.*")] == [old]
    clearing("checkpoint", database_url=database_url)
    key.chmod(0o644)
    done = CliRunner().invoke(app, ["checkpoint", "--database-url", database_url])
    assert "chmod 600" in str(done.exception)


RUN = ["run", "--kafka", "127.0.0.1:9", "--drain", "--quiet"]


def test_no_key_is_made_for_books_that_another_one_signs(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    monkeypatch.delenv("CLEARING_SIGNING_KEY")
    monkeypatch.setenv("CLEARING_HOME", str(tmp_path))
    for words in (["checkpoint"], ["key", "rotate"], ["ingest", str(FIRST)], RUN):
        done = CliRunner().invoke(app, [*words, "--database-url", database_url])
        assert isinstance(done.exception, ConfigurationError)
        assert "set CLEARING_SIGNING_KEY_FILE to the one that signs them" in str(done.exception)
    assert not list(tmp_path.glob("signing.key*"))


def test_a_lost_key_is_replaced_by_one_that_nobody_vouches_for(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    new = tmp_path / "new.key"
    clearing("key", "rotate", "--lost", "--out", str(new), database_url=database_url)
    monkeypatch.delenv("CLEARING_SIGNING_KEY")
    monkeypatch.setenv("CLEARING_SIGNING_KEY_FILE", str(new))
    clearing("ingest", written(tmp_path / "zoe", ZOE), database_url=database_url)
    log = PostgresLog.connect(database_url, "test")
    assert [one.endorsed_by for one in log.signing_keys()] == [None, None]
    log.close()
