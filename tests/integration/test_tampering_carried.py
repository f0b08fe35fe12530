"""Whatever a superuser alters in what was carried from detached partitions is found and named."""

from collections.abc import Iterator

import psycopg
import pytest

from ledger.audit.archive.detach import detach_archived
from ledger.audit.verification.verify import MODES, Scope, verify
from ledger.store import embedded
from ledger.store.tables import metadata
from tests.integration.test_detaching import archived, deposits, live
from tests.integration.test_tampering import CARRIED, altered
from tests.integration.varied_books import fresh
from tests.unit.desk import BEGINNING, said

KEPT = ("carried_leaf", "carried_balance", "carried_fact", "snapshot")

CHANGES = {
    "integer": "{column} + 7000",
    "bigint": "{column} + 1",
    "numeric": "{column} + 1",
    "character varying": "{column} || 'x'",
    "bytea": "set_byte({column}, 5, 255 - get_byte({column}, 5))",
    "timestamp with time zone": "{column} + interval '1 second'",
}
COLUMNS = [
    (table, column.name)
    for table in sorted(CARRIED)
    for column in metadata.tables[f"ledger.{table}"].columns
]
ROW = {
    "carried_leaf": "first = 5",
    "carried_balance": "ctid = (SELECT max(ctid) FROM ledger.carried_balance)",
    "carried_fact": "subject = 'ben'",
}
"""Which one is altered."""

REHASHED = """
    UPDATE ledger.carried_leaf l SET (balances, facts) = (
        SELECT of_balances, of_facts FROM ledger.hashes_of_carried(shard, first, last, pool_time))
     WHERE first = {}"""
"""What a forger adds, who knows how the hashes are made."""

ANNA, BEN, CORA, DORA = (
    f"account = (SELECT account FROM ledger.account WHERE owner = '{owner}' AND kind = 'wallet')"
    for owner in ("anna", "ben", "cora", "dora")
)


@pytest.fixture(scope="module")
def prepared(
    postgres: embedded.Embedded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Books of four partitions, the first three detached; only anna has moved since."""
    archive = tmp_path_factory.mktemp("archive")
    people = [said("account", f"a{name}", account=name) for name in ("cora", "dora")]
    with fresh(postgres, "tampering_carried") as url:
        live(url, [*BEGINNING, *people, *deposits(1, "anna", "ben")])
        live(url, deposits(3, "cora", "dora", *["anna"] * 6), 9)
        archived(url, archive)
        for first in (1, 5, 9):
            detach_archived(url, "main", first, archive)
        altered(url, *(f"CREATE TABLE kept_{name} AS TABLE ledger.{name}" for name in KEPT))
        yield url


@pytest.fixture
def books(prepared: str) -> Iterator[str]:
    """These books, to be altered; they are put back afterwards."""
    yield prepared
    with psycopg.connect(prepared, autocommit=True) as connection:
        for name in KEPT:
            connection.execute(f"DELETE FROM ledger.{name}")
            connection.execute(f"INSERT INTO ledger.{name} TABLE kept_{name}")
    assert verify(prepared, Scope()).found == [], "a change was not put back"


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_an_altered_column_is_found_and_named(books: str, table: str, column: str) -> None:
    query = (
        "SELECT format_type(atttypid, NULL) FROM pg_attribute"
        f" WHERE attrelid = 'ledger.{table}'::regclass AND attname = '{column}'"
    )
    with psycopg.connect(books) as connection:
        (kind,) = connection.execute(query.encode()).fetchone() or ("",)
    changed = CHANGES[kind].format(column=column)
    altered(books, f"UPDATE ledger.{table} SET {column} = {changed} WHERE {ROW[table]}")
    found = verify(books, Scope("quick")).found
    assert any(table in one.table + one.says for one in found), found
    if (table, column) == ("carried_balance", "commodity"):
        assert column in {one.field for one in found}, found


@pytest.mark.parametrize("mode", MODES)
def test_rows_removed_or_slipped_in_are_found_in_every_mode(books: str, mode: str) -> None:
    altered(
        books,
        f"DELETE FROM ledger.carried_fact WHERE {ROW['carried_fact']}",
        f"DELETE FROM ledger.carried_balance WHERE {CORA}",
        "INSERT INTO ledger.carried_balance VALUES (1, 4000, 1, 7, 1, 5)",
        "DELETE FROM ledger.carried_leaf WHERE first = 1",
    )
    found = verify(books, Scope(mode)).found
    assert {one.table for one in found} >= CARRIED
    places = {(one.sequence, one.table, one.field) for one in found}
    assert {(8, "carried_leaf", "first"), (12, "carried_balance", "hash of rows")} <= places


def forged(url: str, *changes: str) -> None:
    """Rows altered, and their hashes with them."""
    altered(url, *changes, *(REHASHED.format(first) for first in (1, 5, 9)))


MORE = "UPDATE ledger.carried_balance SET balance = balance + 1 WHERE sequence > 8 AND {}"
LESS = MORE.replace("+", "-")


def test_a_balance_forged_with_its_hash_is_found_by_the_next_posting(books: str) -> None:
    forged(books, MORE.format(ANNA))
    first = verify(books, Scope("quick")).found[0]
    assert (first.sequence, first.table, first.field) == (12, "carried_balance", "balance")
    assert (first.expected, first.found) == ("30000", "30001")
    assert "event 13 goes on from this in account" in first.says


def test_money_moved_between_idle_accounts_is_found_by_the_kept_state(books: str) -> None:
    forged(books, MORE.format(CORA), LESS.format(DORA))
    found = verify(books, Scope("quick")).found
    assert [(one.table, one.field) for one in found] == [("carried_balance", "balance")] * 2
    assert [(one.expected, one.found) for one in found] == [("10000", "10001"), ("10000", "9999")]


@pytest.mark.parametrize("mode", MODES)
def test_a_balance_forged_where_no_state_was_kept_is_found_by_sums(books: str, mode: str) -> None:
    forged(books, "DELETE FROM ledger.snapshot", MORE.format(CORA))
    found = {(one.table, one.field) for one in verify(books, Scope(mode)).found}
    assert ("checkpoint", "sums") in found


def test_a_hash_that_was_made_again_does_not_make_up_for_the_one_before(books: str) -> None:
    altered(books, "UPDATE ledger.carried_leaf SET balances = sha256('') WHERE first = 1")
    altered(books, REHASHED.format(1).replace("balances, facts", "facts, balances"))
    found = verify(books, Scope("quick")).found
    assert {one.sequence for one in found if one.field == "hash of rows"} == {4, 8}


def test_a_balance_taken_out_with_its_hash_is_found_by_the_kept_state(books: str) -> None:
    forged(books, f"DELETE FROM ledger.carried_balance WHERE sequence > 8 AND {CORA}")
    found = [one for one in verify(books, Scope("quick")).found if one.field == "balance"]
    assert [(one.table, one.expected, one.found) for one in found] == [
        ("carried_balance", "10000", "0")
    ]


@pytest.mark.parametrize("first", [1, 5, 9])
def test_a_pool_time_forged_with_its_hash_is_found(books: str, first: int) -> None:
    later = "pool_time = pool_time + interval '1 second'"
    forged(books, f"UPDATE ledger.carried_leaf SET {later} WHERE first = {first}")
    found = verify(books, Scope("quick")).found
    assert {(one.table, one.field) for one in found} == {("carried_leaf", "pool_time")}


def test_a_state_that_no_checkpoint_names_is_no_proof_of_accounts_at_rest(books: str) -> None:
    altered(books, "UPDATE ledger.snapshot SET sequence = sequence - 1")
    found = {(one.table, one.expected) for one in verify(books, Scope("quick")).found}
    assert ("snapshot", "a state of a checkpoint") in found


@pytest.mark.parametrize("mode", MODES)
def test_rows_carried_from_nowhere_are_found_in_every_mode(
    postgres: embedded.Embedded, mode: str
) -> None:
    with fresh(postgres, "carried_from_nowhere") as url:
        live(url, [*BEGINNING, *deposits(1, "anna", "ben")])
        altered(
            url,
            "INSERT INTO ledger.carried_balance VALUES (1, 1, 100, 100, 1, 5)",
            "INSERT INTO ledger.carried_fact VALUES (1, 100, now(), 'mark', 'LIN', '{}')",
        )
        found = verify(url, Scope(mode)).found
    assert {one.table for one in found} == {"carried_balance", "carried_fact"}


TERMS = {
    "pool": ('"penalty_rate": "0"', '"penalty_rate": "0.1"'),
    "instrument": ('"multiplier": "1"', '"multiplier": "2"'),
    "tiers": ('"initial_rate": "0.1"', '"initial_rate": "0.2"'),
    "account": ('"account": "ben"', '"account": "ben", "tags": ["vip"]'),
    "nonsense": ('"kind": "instrument"', '"kind": "instruments"'),
}


@pytest.mark.parametrize("what", TERMS)
def test_terms_forged_with_their_hash_are_found_by_the_kept_state(books: str, what: str) -> None:
    before, after = TERMS[what]
    forged(
        books,
        "UPDATE ledger.carried_fact SET content ="
        f" convert_to(replace(convert_from(content, 'UTF8'), '{before}', '{after}'), 'UTF8')",
    )
    found = verify(books, Scope("quick")).found
    assert {(one.table, one.field) for one in found} == {("carried_fact", "content")}


def test_terms_taken_out_with_their_hash_are_found_by_the_kept_state(books: str) -> None:
    forged(books, "DELETE FROM ledger.carried_fact")
    told = {one.expected for one in verify(books, Scope("quick")).found}
    assert told >= {"pool ", "instrument LIN", "account anna", "account dora"}
