"""Postings may be sent straight to the leaf that they belong to, and only there, and balanced."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from ledger.store.log.postgres import PostgresLog
from tests.contract.entries import batch, owned

LEAF_EVENTS = 4
LEAF, NEXT = "posting_1_1", "posting_1_5"
ENTRY = ((1, 1, 4, 9, 1, 1, 1, 5, 5), (1, 2, 4, 9, 2, 1, 1, -5, -5))
Rows = tuple[tuple[int, ...], ...]
Connection = psycopg.Connection


@pytest.fixture
def writer(database_url: str) -> Iterator[Connection]:
    """Acts as the writer of books with three deposits, in leaves of four events."""
    log = PostgresLog.connect(database_url, "test", leaf_events=LEAF_EVENTS)
    log.append([batch(owned(log), 3)])
    log.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE clearing_writer")
        yield connection


def _copy(connection: Connection, table: str, rows: Rows) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY ledger.{table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _changed(place: int, value: int) -> Rows:
    """The entry, with one figure of its first line changed."""
    line = ENTRY[0]
    return ((*line[:place], value, *line[place + 1 :]), ENTRY[1])


def test_a_balanced_entry_goes_straight_to_its_leaf(writer: Connection) -> None:
    _copy(writer, LEAF, ENTRY)
    found = writer.execute("SELECT count(*) FROM ledger.posting WHERE sequence = 4").fetchone()
    assert found == (2,)


@pytest.mark.parametrize(
    ("table", "rows", "refusal"),
    [
        (LEAF, ENTRY[:1], "unbalanced entry: shard 1, sequence 4"),
        (LEAF, _changed(7, 4), "unbalanced entry"),
        (LEAF, _changed(7, 0), "posting_moves_something"),
        (NEXT, ENTRY, "violates partition constraint"),
        (LEAF, _changed(0, 2), "violates partition constraint"),
        (LEAF, _changed(4, 2), "posting_1_1_pkey"),
        (LEAF, (*ENTRY, (1, 1, 4, 9, 3, 1, 1, 5, 5), (1, 2, 4, 10, 4, 1, 1, -5, -10)), "_key"),
    ],
    ids=["one leg", "sum", "nothing", "other leaf", "other shard", "line twice", "count twice"],
)
def test_a_leaf_refuses_what_its_parent_refuses(
    writer: Connection, table: str, rows: Rows, refusal: str
) -> None:
    with pytest.raises(errors.IntegrityError, match=refusal):
        _copy(writer, table, rows)
    held = writer.execute("SELECT count(*) FROM ledger.posting WHERE sequence > 3").fetchone()
    assert held == (0,)


def test_the_writer_is_told_the_leaf_of_each_sequence(writer: Connection) -> None:
    bounds = [
        writer.execute("SELECT first, past FROM ledger.leaf_of(1, %s)", (at,)).fetchone()
        for at in (0, 1, 4, 5, 8, 1000)
    ]
    assert bounds == [(None, None), (1, 5), (1, 5), (5, 9), (5, 9), (None, None)]
    assert writer.execute("SELECT first FROM ledger.leaf_of(7, 1)").fetchone() == (None,)


def test_only_leaves_of_postings_are_open_and_only_to_the_writer(writer: Connection) -> None:
    granted = writer.execute(
        "SELECT relname, grantee::regrole::text, privilege_type FROM pg_class"
        " CROSS JOIN LATERAL aclexplode(relacl)"
        " WHERE relispartition AND relnamespace = 'ledger'::regnamespace AND grantee <> relowner"
        " ORDER BY relname"
    ).fetchall()
    assert granted == [(leaf, "clearing_writer", "INSERT") for leaf in (LEAF, NEXT)]


def test_a_detached_leaf_is_closed_to_the_writer(writer: Connection, database_url: str) -> None:
    log = PostgresLog.connect(database_url, "test", leaf_events=LEAF_EVENTS)
    log.append([batch(owned(log), 3)])
    log.close()
    writer.execute("RESET ROLE; SET ROLE clearing_retention")
    writer.execute("SELECT ledger.carry_leaf(1, 1)")
    writer.execute("SELECT ledger.detach_leaf(1, 1)")
    writer.execute("RESET ROLE; SET ROLE clearing_writer")
    with pytest.raises(errors.InsufficientPrivilege):
        _copy(writer, LEAF, ENTRY)
    assert writer.execute("SELECT first FROM ledger.leaf_of(1, 4)").fetchone() == (None,)
