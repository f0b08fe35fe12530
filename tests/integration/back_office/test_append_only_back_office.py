"""The database itself refuses to change what the back office said, whoever asks."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from ledger.store.back_office_tables import back_office

KEY = "0123456789abcdef"
Connection = psycopg.Connection

_LIFE = "INSERT INTO back_office.break_event (break_key, number, kind, state, made_by, words, run)"
_ROWS = f"""
    INSERT INTO back_office.run (pool, sequence, matched, breaks, rules_version, made_by,
                                 rules_hash, result_hash, agreed)
    VALUES ('main', 1, 0, 1, '1', 'maria', sha256('rules'), sha256('result'), '{{}}');
    INSERT INTO back_office.run_input VALUES (1, 'bank', 'a.csv', 1, NULL, NULL, sha256('a'));
    INSERT INTO back_office.break VALUES (1, '{KEY}', 'amount', 'bank', 'main', 'x', '', 'USD');
    INSERT INTO back_office.sighting VALUES (1, NULL, '{KEY}', 'low', 1, 2, '{{}}', '{{}}', 'why');
    {_LIFE} VALUES ('{KEY}', 1, 'found', 'open', 'maria', '', 1);
    {_LIFE} VALUES ('{KEY}', 2, 'proposed', 'correction_waits', 'maria', 'so', NULL);
    INSERT INTO back_office.correction VALUES (2, '{KEY}', 'fix-1', NULL, '[]');
    INSERT INTO back_office.candidate VALUES (1, 90, 'c', 'bank', '{{}}', '{{}}', '{{}}');
    INSERT INTO back_office.control VALUES (1, 4, 'zero_sum', true, 'all are zero');
    INSERT INTO back_office.token (name, made_by, scopes, token_hash, expires_at)
    VALUES ('console', 'maria', '{{reporting}}', sha256('secret'), 'infinity');
    INSERT INTO back_office.token_revocation VALUES (1, now(), 'noor', 'lost');
"""


@pytest.fixture
def kept(database_url: str) -> Iterator[Connection]:
    """A connection of a superuser to a back office with a row in each table."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_ROWS.encode())
        yield connection


@pytest.mark.parametrize("before", ["SELECT 1", "SET session_replication_role = replica"])
def test_even_a_superuser_changes_nothing_of_the_back_office(kept: Connection, before: str) -> None:
    kept.execute(before.encode())
    for name, table in back_office.tables.items():
        column = list(table.columns)[-1].name
        for statement in (
            f"UPDATE {name} SET {column} = {column}",
            f"DELETE FROM {name}",
            f"TRUNCATE {name} CASCADE",
        ):
            counted = kept.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()
            assert counted is not None
            assert counted[0] > 0, f"{name} has no row to refuse for"
            with pytest.raises(errors.RestrictViolation):
                kept.execute(statement.encode())


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        ((3, "approved", "explained", "noor"), None),
        ((3, "approved", "explained", "maria"), "approved by the same"),
        ((3, "approved", "explained", "Maria"), "approved by the same"),
        ((4, "commented", "open", "noor"), "event 4 does not follow 2"),
        ((2, "commented", "open", "noor"), "event 2 does not follow 2"),
    ],
)
def test_a_life_goes_on_in_order_and_its_checker_is_another_than_the_maker(
    kept: Connection, row: tuple[int, str, str, str], refused: str | None
) -> None:
    number, kind, state, who = row
    values = (KEY, number, kind, state, who)
    statement = f"{_LIFE} VALUES (%s, %s, %s, %s, %s, '', NULL)"
    for setting in ("origin", "replica"):
        with kept.transaction(force_rollback=True):
            kept.execute(f"SET LOCAL session_replication_role = {setting}".encode())
            if refused is None:
                kept.execute(statement.encode(), values)
            else:
                with pytest.raises(errors.CheckViolation, match=refused):
                    kept.execute(statement.encode(), values)


def test_nothing_is_approved_that_nobody_proposed(kept: Connection) -> None:
    kept.execute(f"{_LIFE} VALUES ('{KEY}', 3, 'refused', 'open', 'noor', 'no', NULL)".encode())
    with pytest.raises(errors.CheckViolation, match="nothing waits for a checker"):
        kept.execute(
            f"{_LIFE} VALUES ('{KEY}', 4, 'approved', 'approved', 'noor', '', NULL)".encode()
        )


def test_a_token_that_was_taken_back_or_expired_is_no_live_token(kept: Connection) -> None:
    kept.execute(
        "INSERT INTO back_office.token (name, made_by, scopes, token_hash, expires_at) VALUES"
        " ('old', 'maria', '{reporting}', sha256('old'), now() - interval '1 second'),"
        " ('new', 'maria', '{reporting}', sha256('new'), now() + interval '1 hour')"
    )
    assert kept.execute("SELECT name FROM back_office.live_tokens").fetchall() == [("new",)]
