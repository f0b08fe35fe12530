"""Rows that a tampered catalog keeps out of some of the indexes are found, live, and named."""

from collections.abc import Iterator

import psycopg
import pytest

from ledger.audit.verification.verify import Scope, verify
from ledger.store import embedded
from ledger.store.audit.books import Audited
from ledger.store.audit.indexes import indexes
from tests.integration.sealed_books import write
from tests.integration.test_tampering import altered
from tests.integration.varied_books import fresh

SHARD = "shard = (SELECT shard FROM ledger.shard WHERE name = 'main')"
NEWEST = f"sequence = (SELECT max(sequence) FROM ledger.posting WHERE {SHARD})"
SHOWN = "SELECT string_agg(balance::text, ' ' ORDER BY b) FROM reporting.balances b"


@pytest.fixture
def books(postgres: embedded.Embedded) -> Iterator[str]:
    """Sound books of one's own."""
    with fresh(postgres, "indexes") as url:
        write(url)
        yield url


def called_ready(url: str, index: str, *, ready: bool) -> None:
    """Tell the catalog so."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "UPDATE pg_index SET indisready = %s WHERE indexrelid = %s::regclass",
            (ready, f"ledger.{index}"),
        )


def behind(url: str, index: str, statement: str) -> None:
    """Run a statement that writes rows, and leaves one index out."""
    called_ready(url, index, ready=False)
    altered(url, f"SET enable_indexscan = off; SET enable_bitmapscan = off; {statement}")
    called_ready(url, index, ready=True)


def asked(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def index_of(url: str, table: str, keys: str) -> tuple[str, str]:
    """An index of the partition of pool main that holds its newest posting, and the partition."""
    leaf = asked(
        url,
        "SELECT c.relname FROM ledger.posting p JOIN pg_class c ON c.oid = p.tableoid"
        f" WHERE {SHARD} AND {NEWEST} LIMIT 1",
    )
    leaf = str(leaf).replace("posting", table)
    name = asked(
        url,
        "SELECT c.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid"
        f" WHERE indrelid = 'ledger.{leaf}'::regclass"
        f" AND pg_get_indexdef(indexrelid) LIKE '%({keys})'",
    )
    return str(name), leaf


MOVED = f"""
    INSERT INTO ledger.posting (shard, sequence, line, account, account_sequence, commodity,
                                purpose, amount, balance)
    SELECT p.shard, p.sequence, 900 + n.line, n.account, 5000, n.commodity, p.purpose, n.amount,
           n.balance + n.amount
      FROM (SELECT * FROM ledger.posting WHERE {SHARD} AND {NEWEST} LIMIT 1) p
     CROSS JOIN (SELECT row_number() OVER (ORDER BY account) AS line, account, commodity, balance,
                        15 - 10 * row_number() OVER (ORDER BY account) AS amount
                   FROM (SELECT DISTINCT ON (account) account, commodity, balance
                           FROM ledger.posting JOIN ledger.account USING (shard, account)
                          WHERE {SHARD} AND kind = 'wallet' AND left(owner, 1) <> '@'
                            AND asset = 'BTC'
                          ORDER BY account, sequence DESC, account_sequence DESC) held
                  LIMIT 2) n"""
"""Money between two participants, so that every sum stays."""

WRITTEN_ANEW = f"""
    CREATE TEMP TABLE kept AS SELECT * FROM ledger.posting WHERE {SHARD} AND {NEWEST};
    DELETE FROM ledger.posting WHERE {SHARD} AND {NEWEST};
    INSERT INTO ledger.posting TABLE kept"""


@pytest.mark.parametrize("mode", ["fold", "all"])
def test_a_balance_that_the_primary_key_does_not_know_is_found(books: str, mode: str) -> None:
    before = asked(books, SHOWN)
    name, leaf = index_of(books, "posting", "shard, sequence, line")
    behind(books, name, MOVED)
    assert asked(books, SHOWN) != before
    found = {(one.table, one.field) for one in verify(books, Scope(mode)).found}
    assert found == {
        (leaf, f"rows by {name}"),
        ("posting", "newest account_sequence"),
        ("posting", "newest balance"),
    }


def test_a_posting_that_the_account_index_does_not_know_is_found(books: str) -> None:
    name, leaf = index_of(books, "posting", "shard, account, sequence, account_sequence")
    behind(books, name, WRITTEN_ANEW)
    found = {(one.table, one.field) for one in verify(books, Scope("fold")).found}
    assert found >= {(leaf, f"rows by {name}"), ("posting", "newest account_sequence")}


def test_an_index_that_the_server_does_not_keep_is_named(books: str) -> None:
    name, leaf = index_of(books, "event", "shard, sequence")
    called_ready(books, name, ready=False)
    found = verify(books, Scope("fold")).found
    assert [(one.table, one.field) for one in found] == [(leaf, name)]


def test_every_index_is_asked_in_its_own_order(books: str) -> None:
    auditor = Audited.connect(books)
    try:
        counted = [one for one in indexes(auditor.connection) if one.root is not None]
        for one in counted:
            auditor.connection.execute("SET enable_incremental_sort = off")
            plan = "\n".join(
                row[0] for row in auditor.connection.execute(f"EXPLAIN {one.in_order}".encode())
            )
            used = one.name.replace("identity_", "identity_0_")  # of a table in eight parts
            assert "Sort  (" not in plan, (one.name, plan)
            assert f" using {used} on " in plan, (one.name, plan)
    finally:
        auditor.close()
    assert {"account", "posting_1_1", "event_1_1", "record_1_1", "event_identity"} <= {
        one.table for one in counted
    }
