"""What each role may do with every table, view and function, from the database's own refusals.

Each statement is run as the role, on rows that are not there, and rolled back. What is not in the
lists below must be refused, whatever is added to the schema later.
"""

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest
from psycopg import errors, sql

from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from tests.conftest import url_of
from tests.contract.entries import batch, owned

NOBODY = "matrix_nobody"
ROLES = (
    *("clearing_writer", "clearing_reader", "clearing_auditor", "clearing_retention"),
    *("clearing_back_office", "clearing_tokens"),
    NOBODY,
)

BOOKS = {
    *("event", "posting", "record", "event_identity", "account", "commodity", "source"),
    *("snapshot", "source_offset", "checkpoint", "signing_key"),
}
REPORTS = {
    *("adl_queue", "balances", "deficits", "deleveragings", "fees", "funding_payments"),
    *("insurance_fund", "liquidations", "margin", "margin_breaches", "margin_calls"),
    *(
        "open_interest",
        "pools",
        "positions",
        "postings",
        "realized_pnl",
        "rejections",
        "suspect_marks",
    ),
    *("trades", "trial_balance"),
}
SEEN = {f"ledger.{table}" for table in {*BOOKS, "shard", "alembic_version"}}
CARRIED = {"ledger.carried_leaf", "ledger.carried_balance", "ledger.carried_fact"}
SHOWN = {f"reporting.{view}" for view in REPORTS}
KEPT = {
    f"back_office.{table}"
    for table in (
        *("run", "run_input", "candidate", "control"),
        *("break", "sighting", "break_event", "correction"),
    )
}
WORKED = {f"back_office.{view}" for view in ("all_breaks", "open_breaks", "break_lives", "runs")}
MADE = {f"back_office.{table}" for table in ("token", "token_revocation")}
TOKENS = MADE | {"back_office.live_tokens"}
READS = {
    "clearing_writer": SEEN,
    "clearing_reader": SHOWN | WORKED,
    "clearing_auditor": SEEN | CARRIED | SHOWN | KEPT | WORKED | TOKENS,
    "clearing_retention": {"ledger.shard"},
    "clearing_back_office": {"ledger.alembic_version"} | SHOWN | KEPT | WORKED,
    "clearing_tokens": {"ledger.alembic_version"} | TOKENS,
    NOBODY: set[str](),
}
LEAF = "ledger.posting_1_1"
"""The partition that the books' postings are in; the writer sends them straight there."""
APPENDS = {
    "clearing_writer": {LEAF, *(f"ledger.{table}" for table in BOOKS)},
    "clearing_back_office": KEPT,
    "clearing_tokens": MADE,
}
BY_THE_DATABASE = {"made_at", "login"}
"""Columns that nobody but the database writes: when, and by which login."""
MOVES = {
    "clearing_writer": {
        "ledger.source_offset.next_offset",
        *(
            f"ledger.shard.{column}"
            for column in (
                *("partition", "epoch", "next_sequence", "next_account", "pool_time"),
                *("duplicates", "chain", "frontier"),
            )
        ),
    }
}
AS_OF = {
    *(f"reporting.{name}_at" for name in ("balances", "margin", "positions", "sequence")),
    "reporting.owners_after",
}
FIGURES = {
    f"ledger.{name}"
    for name in (
        *("account_at", "add_fraction", "ceil_quotient", "content", "decimal_of"),
        *("deleveraging_score", "entry_price", "exact_maintenance", "figure", "figures"),
        *("floor_quotient", "half_even_quotient", "liquidation_price", "natural_units"),
        *("occurred_at", "recorded_at", "reference_at", "reference_subject", "settlement_of"),
        "sum_fraction",
    )
}
CALLS = {
    "clearing_writer": {
        f"ledger.{name}"
        for name in (
            *("declare_shard", "leaf_of", "open_leaf", "prune_snapshots", "reference_subject"),
        )
    },
    "clearing_reader": AS_OF,
    "clearing_auditor": AS_OF | FIGURES | {"ledger.sequence_at"},
    "clearing_retention": {"ledger.carry_leaf", "ledger.detach_leaf"},
    "clearing_back_office": AS_OF | FIGURES,
    "clearing_tokens": set[str](),
    NOBODY: set[str](),
}

_TRIGGER = "suppress_redundant_updates_trigger"

Connection = psycopg.Connection


class Relation(NamedTuple):
    """A table or view: its name, what it is, and its columns."""

    name: str
    kind: str
    columns: list[str]


class Function(NamedTuple):
    """A function and the types of its arguments."""

    name: str
    types: list[str]


@pytest.fixture(scope="module")
def books(postgres: Embedded) -> Iterator[str]:
    """Books with three deposits, partitions and all, and a login that was granted nothing."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE matrix TEMPLATE template")
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(NOBODY)))
        url = url_of(postgres, "matrix")
        log = PostgresLog.connect(url, "test")
        log.append([batch(owned(log), 3)])
        log.close()
        yield url
        connection.execute("DROP DATABASE matrix WITH (FORCE)")
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(NOBODY)))


def _relations(connection: Connection) -> list[Relation]:
    rows = connection.execute(
        "SELECT oid::regclass::text, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,"
        " (SELECT array_agg(quote_ident(attname))"
        "         FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)"
        "  FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"
        "   AND relnamespace::regnamespace::text IN ('ledger', 'reporting', 'back_office')"
        " ORDER BY 1"
    ).fetchall()
    return [Relation(*row) for row in rows]


def _functions(connection: Connection) -> list[Function]:
    rows = connection.execute(
        "SELECT pronamespace::regnamespace || '.' || proname,"
        "       ARRAY(SELECT unnest(proargtypes)::regtype::text)"
        "  FROM pg_proc"
        " WHERE pronamespace::regnamespace::text IN ('ledger', 'reporting', 'back_office')"
        " ORDER BY 1"
    ).fetchall()
    return [Function(*row) for row in rows]


def _is_allowed(connection: Connection, role: str, statement: str) -> bool:
    """Whether a statement gets past the database's rights; what it does is undone."""
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL ROLE {role}")
        try:
            connection.execute(statement.encode())
        except errors.InsufficientPrivilege:
            return False
        except (errors.ObjectNotInPrerequisiteState, errors.FeatureNotSupported):
            return False  # a view, which nobody can change
        except errors.SyntaxError:
            raise
        except psycopg.Error:
            return True
        return True


def _call(function: Function) -> str:
    """A call on nothing, which the planner cannot work out beforehand."""
    given = ", ".join(f"NULL::{each} AS a{n}" for n, each in enumerate(function.types))
    names = ", ".join(f"a{n}" for n in range(len(function.types)))
    source = f" FROM (SELECT {given} OFFSET 0) AS given" if given else ""
    return f"SELECT {function.name}({names}){source}"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_appends_and_moves_what_its_list_says_and_nothing_else(
    books: str, role: str
) -> None:
    read, appended, moved, others = set(), set(), set(), set()
    with psycopg.connect(books, autocommit=True) as connection:
        relations = _relations(connection)
        assert {one.name for one in relations} >= SEEN | SHOWN | KEPT | WORKED | TOKENS | {LEAF}
        for name, kind, columns in relations:
            if _is_allowed(connection, role, f"SELECT FROM {name} WHERE false"):
                read.add(name)
            if _is_allowed(connection, role, f"INSERT INTO {name} DEFAULT VALUES"):
                appended.add(name)
            for column in columns:
                change = f"UPDATE {name} SET {column} = DEFAULT WHERE false"
                if _is_allowed(connection, role, change):
                    moved.add(f"{name}.{column}")
            for statement in (
                f"DELETE FROM {name} WHERE false",
                *([f"TRUNCATE {name}"] if kind == "TABLE" else []),
                f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE",
                f"CREATE TRIGGER stranger BEFORE INSERT ON {name} EXECUTE FUNCTION {_TRIGGER}()",
                f"ALTER {kind} {name} RENAME TO gone",
                f"DROP {kind} {name}",
            ):
                if _is_allowed(connection, role, statement):
                    others.add(statement)
    assert read == READS[role]
    assert appended == APPENDS.get(role, set())
    assert moved == MOVES.get(role, set())
    assert others == set()


@pytest.mark.parametrize("role", ["clearing_back_office", "clearing_tokens"])
def test_when_a_row_was_written_and_by_which_login_the_database_says(books: str, role: str) -> None:
    with psycopg.connect(books, autocommit=True) as connection:
        kept = {one.name: set(one.columns) for one in _relations(connection)}
        asked = 0
        for name in APPENDS[role]:
            for column in kept[name] & BY_THE_DATABASE:
                statement = f"INSERT INTO {name} ({column}) VALUES (DEFAULT)"
                assert not _is_allowed(connection, role, statement), f"{name}.{column}"
                asked += 1
    assert asked == 4, "two tables of each role have both"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_calls_what_its_list_says_and_nothing_else(books: str, role: str) -> None:
    with psycopg.connect(books, autocommit=True) as connection:
        functions = _functions(connection)
        assert len(functions) > 30
        called = {one.name for one in functions if _is_allowed(connection, role, _call(one))}
    assert called == CALLS[role]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_makes_anything_or_becomes_another(books: str, role: str) -> None:
    others = [other for other in (*ROLES[:-1], "clearing_owner", "postgres") if other != role]
    with psycopg.connect(books, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE matrix_login LOGIN IN ROLE {role}")
        try:
            connection.execute("SET SESSION AUTHORIZATION matrix_login")
            for statement in (
                "CREATE TABLE ledger.stranger (one integer)",
                "CREATE TABLE reporting.stranger (one integer)",
                "CREATE TABLE back_office.stranger (one integer)",
                "CREATE FUNCTION ledger.stranger() RETURNS integer LANGUAGE sql RETURN 1",
                "CREATE SCHEMA stranger",
                "ALTER SCHEMA ledger OWNER TO matrix_login",
                f"GRANT {role} TO postgres",
                "CREATE ROLE stranger",
                *(f"SET LOCAL ROLE {other}" for other in others),
            ):
                with (
                    connection.transaction(force_rollback=True),
                    pytest.raises(errors.InsufficientPrivilege),
                ):
                    connection.execute(statement.encode())
        finally:
            connection.execute("RESET SESSION AUTHORIZATION")
            connection.execute("DROP ROLE matrix_login")


def test_nothing_of_the_three_schemas_is_open_to_everybody(books: str) -> None:
    with psycopg.connect(books) as connection:
        found = connection.execute(
            "WITH ours AS (SELECT oid AS schema FROM pg_namespace"
            "               WHERE nspname IN ('ledger', 'reporting', 'back_office'))"
            " SELECT oid::regclass::text FROM pg_class, aclexplode(relacl)"
            "  WHERE relnamespace IN (SELECT schema FROM ours) AND grantee = 0"
            " UNION ALL SELECT oid::regprocedure::text"
            "   FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))"
            "  WHERE pronamespace IN (SELECT schema FROM ours) AND grantee = 0"
            " UNION ALL SELECT nspname FROM pg_namespace, aclexplode(nspacl)"
            "  WHERE oid IN (SELECT schema FROM ours) AND grantee = 0"
        ).fetchall()
    assert found == []


def test_a_function_that_a_later_revision_makes_is_closed_too(books: str) -> None:
    with (
        psycopg.connect(books, autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("SET LOCAL ROLE clearing_owner")
        connection.execute("CREATE FUNCTION ledger.later() RETURNS integer LANGUAGE sql RETURN 1")
        connection.execute("SET LOCAL ROLE clearing_writer")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT ledger.later()")


def test_the_roles_of_the_ledger_log_in_nowhere_and_are_nothing_special(books: str) -> None:
    with psycopg.connect(books) as connection:
        found = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'clearing\\_%%'"
            " AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls"
            "      OR rolreplication)",
            (),
        ).fetchall()
        count = connection.execute(
            "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'clearing\\_%'"
        ).fetchone()
    assert found == []
    assert count == (7,)
