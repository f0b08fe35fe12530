"""The database itself refuses to change what the back office said, whoever asks."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import psycopg
import pytest
from psycopg import errors

from ledger.recon.casework.life import ACTS, OF_RUNS, STATES, TABLE, Act, State
from ledger.store.back_office.tables import back_office

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
    INSERT INTO back_office.token_revocation (token, made_by, reason) VALUES (1, 'noor', 'lost');
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
        ((3, "approved", "approved", "noor"), None),
        ((3, "approved", "approved", "maria"), "approved by the same"),
        ((3, "approved", "approved", "Maria"), "approved by the same"),
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
    with pytest.raises(errors.CheckViolation, match="approved to approved does not follow open"):
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


_RUN = """
    INSERT INTO back_office.run (pool, sequence, matched, breaks, rules_version, made_by,
                                 rules_hash, result_hash, agreed)
    VALUES ('main', 1, 0, 1, '1', 'maria', sha256('rules'), sha256('result'), '{}') RETURNING run"""


def _run(connection: Connection) -> int:
    row = connection.execute(_RUN).fetchone()
    assert row is not None
    return int(row[0])


def _follows(connection: Connection, number: int, act: str, state: str, **given: str) -> None:
    """Let an event follow, by noor unless another is given."""
    with connection.transaction():
        values = (
            *(KEY, number, act, state, given.get("who", "noor"), given.get("words", "so")),
            _run(connection) if act in OF_RUNS else None,
        )
        connection.execute(f"{_LIFE} VALUES (%s, %s, %s, %s, %s, %s, %s)".encode(), values)


PATHS: Mapping[State, Sequence[tuple[Act, State]]] = {
    "open": (),
    "explanation_waits": (("explained", "explanation_waits"),),
    "correction_waits": (("proposed", "correction_waits"),),
    "explained": (("explained", "explanation_waits"), ("approved", "explained")),
    "approved": (("proposed", "correction_waits"), ("approved", "approved")),
    "corrected": (
        *(("proposed", "correction_waits"), ("approved", "approved"), ("corrected", "corrected")),
    ),
    "gone": (("gone", "gone"),),
    "closed": (("explained", "explanation_waits"), ("approved", "explained"), ("closed", "closed")),
}
"""How a life comes to each state."""


@pytest.mark.parametrize("state", STATES)
def test_the_database_takes_the_moves_of_the_table_and_no_others(
    kept: Connection, state: State
) -> None:
    key = "f" * 16
    with kept.transaction(force_rollback=True):
        run = _run(kept)
        about = "'amount', 'bank', 'main', 'y', '', 'USD'"
        kept.execute(f"INSERT INTO back_office.break VALUES ({run}, '{key}', {about})".encode())
        number = 1
        for act, led in (("found", "open"), *PATHS[state]):
            values = (
                key,
                number,
                act,
                led,
                f"person-{number}",
                "so",
                run if act in OF_RUNS else None,
            )
            kept.execute(f"{_LIFE} VALUES (%s, %s, %s, %s, %s, %s, %s)".encode(), values)
            if act == "proposed":
                kept.execute("INSERT INTO back_office.correction VALUES (%s, %s, NULL, 'c', '[]')",
                             (number, key))  # fmt: skip
            number += 1
        taken = set()
        for act, led in itertools.product(ACTS, STATES):
            values = (key, number, act, led, "noor", "so", run if act in OF_RUNS else None)
            try:
                with kept.transaction(force_rollback=True):
                    kept.execute(f"{_LIFE} VALUES (%s, %s, %s, %s, %s, %s, %s)".encode(), values)
                    taken.add((act, led))
            except errors.CheckViolation:
                pass
    wanted = {(act, led) for (before, act), led in TABLE.items() if before == state}
    if state == "closed":
        wanted -= {("refused", "open")}  # of a match alone, and this one was explained
    assert taken == wanted


@pytest.mark.parametrize(
    ("act", "state", "given", "refused"),
    [
        ("commented", "explained", {}, "commented to explained does not follow correction_waits"),
        ("commented", "correction_waits", {"words": " "}, "without a word"),
        ("closed", "closed", {}, "closed to closed does not follow correction_waits"),
    ],
)
def test_who_may_append_writes_no_state_that_does_not_follow(
    kept: Connection, act: str, state: str, given: dict[str, str], refused: str
) -> None:
    kept.execute("SET ROLE clearing_back_office")
    with pytest.raises(errors.CheckViolation, match=refused):
        _follows(kept, 3, act, state, **given)


def test_what_is_gone_is_closed_by_another_in_the_database_too(kept: Connection) -> None:
    _follows(kept, 3, "gone", "gone", who="rosa")
    with pytest.raises(errors.CheckViolation, match="rosa ran the run that found it gone"):
        _follows(kept, 4, "closed", "closed", who="Rosa")
    _follows(kept, 4, "closed", "closed", who="noor")


def test_a_correction_is_written_with_its_proposal_and_never_later(kept: Connection) -> None:
    kept.execute("SET ROLE clearing_back_office")
    later = "INSERT INTO back_office.correction VALUES (%s, %s, 'fix-2', NULL, '[]')"
    for number in (1, 3):
        with pytest.raises(errors.CheckViolation, match="does not propose it, or is not its last"):
            kept.execute(later, (number, KEY))
    _follows(kept, 3, "refused", "open")
    _follows(kept, 4, "proposed", "correction_waits")
    with pytest.raises(errors.CheckViolation, match="nobody wrote the correction"):
        _follows(kept, 5, "approved", "approved", who="rosa")
    kept.execute(later, (4, KEY))
    _follows(kept, 5, "approved", "approved", who="rosa")


def test_each_row_tells_the_login_that_wrote_it_whatever_name_it_gives(kept: Connection) -> None:
    kept.execute("CREATE ROLE back_office_desk LOGIN IN ROLE clearing_back_office")
    try:
        kept.execute("SET SESSION AUTHORIZATION back_office_desk; SET ROLE clearing_back_office")
        _follows(kept, 3, "approved", "approved", who="noor")
        kept.execute("RESET SESSION AUTHORIZATION")
        found = kept.execute(
            "SELECT made_by, login FROM back_office.break_lives ORDER BY number DESC LIMIT 2"
        ).fetchall()
        assert found == [("noor", "back_office_desk"), ("maria", "postgres")]
    finally:
        kept.execute("DROP ROLE back_office_desk")


def test_nothing_is_added_to_a_run_that_was_kept(kept: Connection) -> None:
    kept.execute("SET ROLE clearing_back_office")
    other = "d" * 16
    with kept.transaction():
        whole = _run(kept)
        about = "'amount', 'bank', 'main', 'd', '', 'USD'"
        kept.execute(f"INSERT INTO back_office.break VALUES ({whole}, '{other}', {about})".encode())
    added = (
        "run_input VALUES ({run}, 'bank', 'b.csv', 1, NULL, NULL, sha256('b'))",
        "candidate VALUES ({run}, 90, 'd', 'bank', '{{}}', '{{}}', '{{}}')",
        "control VALUES ({run}, 4, 'custody', true, 'it is')",
        "break VALUES ({run}, '" + "e" * 16 + "', 'amount', 'bank', 'main', 'z', '', 'USD')",
        "sighting VALUES ({run}, NULL, '" + other + "', 'low', 1, 2, '{{}}', '{{}}', 'why')",
        "break_event (run, break_key, number, kind, state, made_by, words)"
        " VALUES ({run}, '" + KEY + "', 3, 'gone', 'gone', 'noor', '')",
    )
    for row in added:
        statement = f"INSERT INTO back_office.{row}"
        with pytest.raises(errors.CheckViolation, match="nothing is added to it later"):
            kept.execute(statement.format(run=whole).encode())
        with kept.transaction(force_rollback=True):
            kept.execute(statement.format(run=_run(kept)).encode())
