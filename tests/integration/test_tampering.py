"""Whatever a superuser alters in the books is found, and named by pool, event, table and field.

Triggers are switched off, rows changed, constraints kept. Each case works on a copy of one
prepared database. What is not under the chain is listed, so that nothing is left out unseen.
"""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from psycopg import sql

from ledger.audit.proofs.sealing import append_copies
from ledger.audit.proofs.signing import Signer
from ledger.audit.verification.chain import ChainCheck, Registries
from ledger.audit.verification.verify import Scope, verify
from ledger.codec.canonical import chain_hash
from ledger.codec.checkpoints import body_hash, decode_checkpoint, encode_checkpoint
from ledger.codec.merkle import grow, packed, root
from ledger.store import embedded
from ledger.store.audit.books import Audited
from ledger.store.bodies import packed as packed_state
from ledger.store.bodies import unpacked
from ledger.store.log.postgres import PostgresLog
from ledger.store.tables import metadata
from tests.conftest import url_of
from tests.integration.sealed_books import NEW, OLD, write
from tests.integration.varied_books import fresh

NUMBER = count(1)
PREPARED = "tampering"
HEAD_AND_MORE = 215
"""A sequence of pool main that no event has, in a partition that is open."""

OPERATIONAL = {
    ("shard", "epoch"),  # of the writer: changes with every start
    ("shard", "duplicates"),  # a counter of what left no row
    ("signing_key", "made_at"),  # when a key was first seen here
}
"""What no checkpoint speaks of, and nothing can be derived from."""

CARRIED = {"carried_leaf", "carried_balance", "carried_fact"}
"""Empty here; `test_tampering_carried` has books with rows of them."""

ALWAYS_THERE = {("shard", "pool_time"), ("shard", "partition")}
"""Nullable, and never null in these books."""

DECIDED = {"kind", "event_id", "occurred_at", "pool_time", "content_hash", "rejection", "detail"}


@pytest.fixture(scope="module")
def prepared(postgres: embedded.Embedded) -> Iterator[str]:
    """The books as they should be."""
    with fresh(postgres, PREPARED) as url:
        write(url)
        assert verify(url, Scope()).found == []
        yield url


@pytest.fixture
def copied(postgres: embedded.Embedded, prepared: str) -> Iterator[str]:
    """A copy to alter, its triggers switched off."""
    assert prepared
    name = f"tampered_{next(NUMBER)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {PREPARED}")
        yield url_of(postgres, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def altered(url: str, *statements: str) -> None:
    """Run statements as a superuser, with every trigger of the ledger switched off."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for (name,) in connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'ledger'::regnamespace"
            " AND relkind IN ('r', 'p')"
        ).fetchall():
            connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER ALL")
        for statement in statements:
            connection.execute(statement.encode())


def cases() -> list[tuple[str, str, bool]]:
    """Every column of every table, with a value; nullable ones also without."""
    listed = []
    kept = [table for table in metadata.tables.values() if table.name not in CARRIED]
    for table in kept:
        for column in table.columns:
            where = (table.name, column.name)
            listed.append((*where, False))
            if column.nullable and where not in ALWAYS_THERE:
                listed.append((*where, True))
    return listed


OTHER = {
    "integer": "{column} + 1",
    "smallint": "{column} + 1",
    "bigint": "{column} + 1",
    "numeric": "{column} + 1",
    "text": "{column} || 'x'",
    "character varying": "{column} || 'x'",
    "bytea": "set_byte({column}, 5, 255 - get_byte({column}, 5))",
    "timestamp with time zone": "{column} + interval '1 second'",
}
VALUE = {
    "integer": "3",
    "bigint": "3",
    "text": "'x'",
    "character varying": "'x'",
    "bytea": "'\\x78'",
    "timestamp with time zone": "'2026-01-01T00:00:00Z'",
}
CHANGES = {
    "shard.shard": "99",
    "event.message_key": "set_byte(message_key, 1, 7)",
    "posting.account": "account + 4000",
    "event.shard": "(SELECT shard FROM ledger.shard WHERE name = 'late')",
    "posting.shard": "(SELECT shard FROM ledger.shard WHERE name = 'late')",
    "record.shard": "(SELECT shard FROM ledger.shard WHERE name = 'late')",
    "event.sequence": str(HEAD_AND_MORE),
    "posting.sequence": str(HEAD_AND_MORE),
    "record.sequence": str(HEAD_AND_MORE),
    "posting.line": "line + 50",
    "record.line": "line + 50",
    "posting.account_sequence": "account_sequence + 5000",
    "snapshot.rules": "rules + 50",
    "account.account": "account + 5000",
    "account.shard": "shard + 50",
    "commodity.shard": "shard + 50",
    "commodity.commodity": "commodity + 50",
    "event_identity.shard": "shard + 50",
    "snapshot.shard": "shard + 50",
    "checkpoint.shard": "shard + 50",
    "source_offset.shard": "shard + 50",
    "source_offset.source": "source + 50",
    "source_offset.partition": "partition + 50",
    "source_offset.next_offset": "next_offset - 1",
    "event.redrive_shard": "redrive_shard || 'x'",
    "shard.frontier": "set_byte(frontier, 5, 255 - get_byte(frontier, 5))",
}
WHOLE = {
    ("event", "redrive_shard"): "redrive_shard = 'x', redrive_sequence = 1",
    ("event", "redrive_sequence"): "redrive_shard = 'x', redrive_sequence = 1",
    ("commodity", "asset"): "asset = instrument, instrument = NULL",
    ("commodity", "instrument"): "instrument = asset, asset = NULL",
    ("signing_key", "endorsed_by"): "endorsed_by = '\\x78', signature = '\\x78'",
    ("signing_key", "signature"): "endorsed_by = '\\x78', signature = '\\x78'",
}
"""Columns that a constraint ties together."""

MIDDLE = {
    "event": "shard = 1 AND sequence BETWEEN 40 AND 170",
    "posting": "shard = 1 AND sequence BETWEEN 40 AND 170",
    "record": "shard = 1 AND sequence BETWEEN 40 AND 170",
    "event_identity": "shard = 1 AND sequence BETWEEN 40 AND 170",
    "account": "shard = 1 AND account > 5",
    "commodity": "shard = 1 AND commodity > 2",
    "checkpoint": "shard = 1 AND sequence BETWEEN 100 AND 150",
    "snapshot": "shard = 1 AND sequence BETWEEN 100 AND 150",
    "shard": "name = 'main'",
    "source": "topic = 'clearing.transfers'",
    "source_offset": "shard = 1",
    "signing_key": "endorsed_by IS NOT NULL",
}
EMPTY = {
    "account": "shard = 1",
    "commodity": "shard = 1",
    "event": "shard > 0",
    "signing_key": "endorsed_by IS NULL",
    "shard": "name IN ('main', '@unrouted/0')",
}
"""Where a row without a value is looked for."""


class Change:
    """A column of one row, altered for as long as a block runs."""

    def __init__(self, url: str, table: str, column: str, *, from_nothing: bool) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._table = f"ledger.{table}"
        self._key = (table, column)
        self._column = sql.Identifier(column).as_string()
        self._from_nothing = from_nothing
        self.sequence: int | None = None
        self.pool = "main"

    def __enter__(self) -> Self:
        table, column = self._key
        has_sequence = "sequence" in metadata.tables[self._table].columns
        where = (EMPTY if self._from_nothing else MIDDLE)[table]
        row = self._run(
            f"SELECT tableoid, ctid::text, {'sequence' if has_sequence else 'NULL'}, held.*"
            f" FROM {self._table} AS held WHERE {where}"
            f" AND {self._column} IS {'' if self._from_nothing else 'NOT'} NULL"
            f" ORDER BY {'sequence' if has_sequence else 'ctid'} LIMIT 1"
        )
        assert row is not None, "the prepared books have no such row"
        leaf, place, self.sequence, *self._before = row
        kind = self._run(
            f"SELECT format_type(atttypid, NULL) FROM pg_attribute"
            f" WHERE attrelid = '{self._table}'::regclass AND attname = '{column}'"
        )[0]
        value = OTHER[kind].format(column=self._column)
        value = VALUE[kind] if self._from_nothing else CHANGES.get(f"{table}.{column}", value)
        setting = f"{self._column} = {value}"
        if self._from_nothing:
            setting = WHOLE.get(self._key, setting)
        if has_sequence:
            named = f"FROM ledger.shard JOIN {self._table} AS held USING (shard)"
            where = f"held.tableoid = {leaf} AND held.ctid = '{place}'"
            self.pool = self._run(f"SELECT name {named} WHERE {where}")[0]
        self._place = self._run(
            f"UPDATE {self._table} SET {setting} WHERE tableoid = {leaf} AND ctid = '{place}'"
            " RETURNING tableoid, ctid::text"
        )
        return self

    def __exit__(self, *_: object) -> None:
        leaf, place = self._place
        columns = [sql.Identifier(column.name) for column in metadata.tables[self._table].columns]
        setting = sql.SQL(", ").join(sql.SQL("{} = %s").format(column) for column in columns)
        self._connection.execute(
            f"UPDATE {self._table} SET {setting.as_string()}"
            f" WHERE tableoid = {leaf} AND ctid = '{place}'".encode(),
            self._before,
        )
        self._connection.close()

    def _run(self, statement: str) -> Any:  # noqa: ANN401 - a row of anything
        return self._connection.execute(statement.encode()).fetchone()


@pytest.fixture(scope="module")
def books(postgres: embedded.Embedded, prepared: str) -> Iterator[str]:
    """A copy whose columns are altered one at a time, and put back."""
    assert prepared
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE columns_altered TEMPLATE {PREPARED}")
    url = url_of(postgres, "columns_altered")
    altered(url, "ALTER TABLE ledger.source ALTER COLUMN source DROP IDENTITY")
    yield url
    assert verify(url, Scope()).found == [], "a change was not put back"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE columns_altered WITH (FORCE)")


@pytest.mark.parametrize(("table", "column", "from_nothing"), cases())
def test_an_altered_column_is_found(
    books: str,
    table: str,
    column: str,
    from_nothing: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with Change(books, table, column, from_nothing=from_nothing) as row:
        sequence = row.sequence
        findings = verify(books, Scope(pool=None if table == "shard" else row.pool)).found
    if (table, column) in OPERATIONAL:
        assert findings == []
        return
    assert findings, "nothing was found"
    first = findings[0]
    if table in {"event", "posting", "record", "event_identity"} and sequence is not None:
        assert (first.pool, first.sequence) == (row.pool, sequence), first.line()
    if table == "event" and column in DECIDED:
        assert (first.table, first.field) == ("event", column), first.line()
    elif table == "event" and column not in {"shard", "sequence", "raw", "chain", "rules"}:
        assert (first.table, first.field) == ("event", "leaf"), first.line()
    elif table in {"posting", "record"} and column not in {"shard", "sequence", "line"}:
        assert first.table == table, first.line()
        assert any(column in one.field for one in findings), first.line()
    elif table == "checkpoint" or (table == "snapshot" and column == "body"):
        assert any(one.table == table for one in findings), first.line()


SET_EVENT = "UPDATE ledger.event SET leaf = %s, chain = %s WHERE shard = %s AND sequence = %s"
SET_CHECKPOINT = """
    UPDATE ledger.checkpoint SET body = %s, key = %s, signature = %s
     WHERE shard = %s AND sequence = %s"""
SET_HEAD = "UPDATE ledger.shard SET chain = %s, frontier = %s WHERE shard = %s"


def resealed(url: str, stranger: Signer | None = None) -> None:
    """Make everything consistent again: leaves, chain, tree, heads, checkpoints signed anew."""
    books = Audited.connect(url)
    changes: list[tuple[str, tuple[object, ...]]] = []
    for head in books.heads():
        shard = head.shard
        registries = Registries(books.accounts(shard.shard), books.commodities(shard.shard))
        made = {one.sequence: decode_checkpoint(one.body) for one in books.checkpoints(shard.shard)}
        check = ChainCheck(shard.name, registries, bytes(32))
        chain, frontier, previous = bytes(32), list[bytes](), bytes(32)
        for entry in books.entries(shard.shard, 1, shard.next_sequence - 1):
            at, leaf = entry.event.sequence, check.leaf(entry)
            chain = chain_hash(chain, leaf)
            grow(frontier, at - 1, leaf)
            changes.append((SET_EVENT, (leaf, chain, shard.shard, at)))
            if at in made:
                key = stranger or (OLD if made[at].key == OLD.key else NEW)
                changed = made[at]._replace(chain=chain, root=root(frontier))
                body = encode_checkpoint(changed._replace(previous=previous, key=key.key))
                previous = body_hash(body)
                signature = key.sign(body)
                changes.append((SET_CHECKPOINT, (body, key.key, signature, shard.shard, at)))
        changes.append((SET_HEAD, (chain, packed(frontier), shard.shard)))
    books.close()
    with psycopg.connect(url) as connection:
        for statement, values in changes:
            connection.execute(statement.encode(), values)


@pytest.fixture
def anchors(prepared: str, tmp_path: Path) -> Path:
    """Checkpoints of the true books, kept elsewhere."""
    path = tmp_path / "anchors.jsonl"
    log = PostgresLog.connect(prepared, "test")
    append_copies(log, path, None)
    log.close()
    return path


@pytest.mark.parametrize("table", ["event", "posting", "record", "event_identity"])
def test_a_row_taken_out_is_found(copied: str, table: str) -> None:
    at = 70
    if table == "posting":
        (at,) = one(copied, "SELECT min(sequence) FROM ledger.posting WHERE sequence > 70")
    elif table == "record":
        (at,) = one(copied, "SELECT min(sequence) FROM ledger.record WHERE sequence > 70")
    elif table == "event_identity":
        (at,) = one(copied, "SELECT min(sequence) FROM ledger.event_identity WHERE sequence > 70")
    altered(copied, f"DELETE FROM ledger.{table} WHERE shard = 1 AND sequence = {at}")
    first = verify(copied, Scope(pool="main")).found[0]
    assert (first.pool, first.sequence, first.table) == ("main", at, table), first.line()


NEXT_ACCOUNT = "(SELECT max(account) + 1 FROM ledger.account WHERE shard = 1)"
NEXT_COMMODITY = "(SELECT max(commodity) + 1 FROM ledger.commodity WHERE shard = 1)"


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("account", "(1, 900, 'mallory', 'wallet', NULL, 'USD')"),
        ("account", f"(1, {NEXT_ACCOUNT}, 'mallory', 'wallet', NULL, 'USD')"),
        ("commodity", f"(1, {NEXT_COMMODITY}, 'MALLORY', NULL, 2)"),
        ("event_identity", "(1, 70, 'mallory', sha256('x'))"),
        ("record", f"(1, 1, {HEAD_AND_MORE}, 'mark', 'x', '{{}}')"),
        ("record", "(1, 99, 70, 'mark', 'x', '{}')"),
        ("posting", "(1, 1, 70, 5000, 98, 1, 1, 5, 5), (1, 2, 70, 5001, 99, 1, 1, -5, -5)"),
        ("checkpoint", "(1, 70, 'x', sha256('x'), sha256('x') || sha256('y'))"),
        ("snapshot", "(1, 2, 70, 'x')"),
        ("signing_key", "(now(), sha256('x'), sha256('y'), 'z')"),
    ],
)
@pytest.mark.parametrize("mode", ["fold", "all"])
def test_a_row_slipped_in_is_found(copied: str, mode: str, table: str, statement: str) -> None:
    altered(copied, f"INSERT INTO ledger.{table} VALUES {statement}")
    found = verify(copied, Scope(mode, "main")).found
    assert any(one.table in {table, "shard"} for one in found), found


def test_two_events_that_changed_places_are_found(copied: str) -> None:
    altered(
        copied,
        f"UPDATE ledger.event SET sequence = {HEAD_AND_MORE} WHERE shard = 1 AND sequence = 70",
        "UPDATE ledger.event SET sequence = 70 WHERE shard = 1 AND sequence = 71",
        f"UPDATE ledger.event SET sequence = 71 WHERE shard = 1 AND sequence = {HEAD_AND_MORE}",
    )
    found = verify(copied, Scope("chain", pool="main")).found
    assert [(one.sequence, one.field) for one in found if one.field == "leaf"] == [
        (70, "leaf"),
        (71, "leaf"),
    ]
    assert verify(copied, Scope(pool="main")).found[0].sequence == 70


TAIL = (
    "DELETE FROM ledger.posting WHERE shard = 1 AND sequence > 124",
    "DELETE FROM ledger.record WHERE shard = 1 AND sequence > 124",
    "DELETE FROM ledger.event_identity WHERE shard = 1 AND sequence > 124",
    "DELETE FROM ledger.event WHERE shard = 1 AND sequence > 124",
)


def test_a_tail_that_was_cut_off_is_found(copied: str) -> None:
    altered(copied, *TAIL)
    first = verify(copied, Scope(pool="main")).found[0]
    assert (first.sequence, first.table, first.field) == (125, "event", "sequence"), first.line()


def cut_consistently(url: str) -> None:
    """Cut the end off with everything that tells of it, as an older backup would be."""
    altered(
        url,
        *TAIL,
        "DELETE FROM ledger.checkpoint WHERE shard = 1 AND sequence > 124",
        "DELETE FROM ledger.snapshot WHERE shard = 1 AND sequence > 124",
        "DELETE FROM ledger.account a WHERE shard = 1 AND NOT EXISTS"
        " (SELECT FROM ledger.posting p WHERE p.shard = 1 AND p.account = a.account)",
        "UPDATE ledger.shard SET next_sequence = 125, chain = e.chain, pool_time = e.pool_time,"
        " next_account = (SELECT max(account) + 1 FROM ledger.account WHERE shard = 1)"
        " FROM ledger.event e WHERE e.shard = 1 AND e.sequence = 124 AND shard.shard = 1",
    )
    frontier: list[bytes] = []
    books = Audited.connect(url)
    for sequence, leaf, _ in books.hashes(1, 1, 124):
        grow(frontier, sequence - 1, leaf)
    books.close()
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE ledger.shard SET frontier = %s WHERE shard = 1", (packed(frontier),)
        )


@pytest.mark.parametrize("mode", ["quick", "all"])
def test_an_end_that_was_cut_off_consistently_is_found_by_anchors(
    copied: str, anchors: Path, mode: str
) -> None:
    cut_consistently(copied)
    assert verify(copied, Scope(pool="main")).found == [], "nothing inside the books can tell"
    first = verify(copied, Scope(mode, anchors=anchors)).found[0]
    assert (first.pool, first.sequence, first.table) == ("main", 125, "event"), first.line()
    assert first.expected == "events up to 176"


@pytest.mark.parametrize("mode", ["quick", "chain", "all"])
def test_books_rewritten_consistently_are_found_by_anchors(
    copied: str, anchors: Path, mode: str
) -> None:
    altered(copied, "UPDATE ledger.event SET timestamp_ms = 1 WHERE shard = 1 AND sequence = 70")
    resealed(copied)
    assert verify(copied, Scope()).found == [], "nothing inside the books can tell"
    first = verify(copied, Scope(mode, anchors=anchors)).found[0]
    assert (first.pool, first.sequence) == ("main", 124), first.line()
    assert first.table == "checkpoint"


def test_books_rewritten_by_a_stranger_are_found_by_a_trusted_key(copied: str) -> None:
    stranger = Signer(b"x" * 32)
    altered(copied, "UPDATE ledger.event SET timestamp_ms = 1 WHERE shard = 1 AND sequence = 70")
    resealed(copied, stranger)
    found = verify(copied, Scope("quick")).found
    assert {(one.table, one.field) for one in found} == {("checkpoint", "key")}
    with psycopg.connect(copied) as connection:
        connection.execute("DELETE FROM ledger.signing_key")
        connection.execute(
            "INSERT INTO ledger.signing_key VALUES (now(), %s, NULL, NULL)", (stranger.key,)
        )
    assert verify(copied, Scope()).found == [], "nothing inside the books can tell"
    found = verify(copied, Scope("quick", trust=(OLD.key,))).found
    assert {(one.table, one.field) for one in found} == {("checkpoint", "key")}


def test_a_replaced_partition_is_found(copied: str) -> None:
    altered(
        copied,
        "ALTER TABLE ledger.posting_1 DETACH PARTITION ledger.posting_1_61",
        "ALTER TABLE ledger.posting_1_61 RENAME TO put_aside",
        "CREATE TABLE ledger.posting_1_61 (LIKE ledger.put_aside INCLUDING ALL)",
        "INSERT INTO ledger.posting_1_61 SELECT shard, account, sequence, account_sequence, line,"
        " commodity, purpose, amount * 2, balance FROM ledger.put_aside",
        "ALTER TABLE ledger.posting_1 ATTACH PARTITION ledger.posting_1_61"
        " FOR VALUES FROM (61) TO (121)",
    )
    (at,) = one(copied, "SELECT min(sequence) FROM ledger.put_aside")
    first = verify(copied, Scope(pool="main")).found[0]
    assert (first.sequence, first.table) == (at, "posting"), first.line()
    assert "amount" in first.field


def test_an_altered_leaf_is_found_when_only_a_range_is_verified(copied: str) -> None:
    altered(copied, "UPDATE ledger.event_1_61 SET timestamp_ms = 1 WHERE sequence = 100")
    for scope in (Scope("chain", "main", 90, 110), Scope("all", "main", 100, 100)):
        first = verify(copied, scope).found[0]
        assert (first.sequence, first.table, first.field) == (100, "event", "leaf"), first.line()
    assert verify(copied, Scope("chain", "main", 101)).found == []


def test_a_snapshot_with_other_money_is_found_and_named(copied: str) -> None:
    altered(copied)
    (body,) = one(copied, "SELECT body FROM ledger.snapshot WHERE shard = 1 AND sequence = 124")
    kept = json.loads(unpacked(body))
    kept["accounts"][0][5] += 1
    with psycopg.connect(copied) as connection:
        connection.execute(
            "UPDATE ledger.snapshot SET body = %s WHERE shard = 1 AND sequence = 124",
            (packed_state(json.dumps(kept, separators=(",", ":")).encode()),),
        )
    for mode in ("quick", "rederive"):
        first = verify(copied, Scope(mode, "main")).found[0]
        assert (first.sequence, first.table, first.field) == (124, "snapshot", "body")


def test_an_auditor_needs_no_more_than_the_role(prepared: str) -> None:
    with psycopg.connect(prepared, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain_auditor LOGIN IN ROLE clearing_auditor")
        try:
            url = prepared.replace("postgres:@", "plain_auditor:@")
            assert verify(url, Scope()).is_good
        finally:
            connection.execute("DROP ROLE plain_auditor")


def one(url: str, query: str) -> Any:  # noqa: ANN401 - a row of anything
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchone()
