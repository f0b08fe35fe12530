"""The breaks of a daily close: as they stood at a moment, by age, and the same when made again."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledger.errors import ConfigurationError
from ledger.reports.close.report import close
from ledger.reports.output.files import FORMATS, write_files
from ledger.store.back_office.breaks import adding
from tests.integration.reports.test_close import SECOND, rows

FOUND = "2026-03-03T08:00:00Z"


def _kept_run(connection: psycopg.Connection, made_at: str | None = FOUND) -> None:
    """The row of a reconciliation; by the clock where no time is given."""
    connection.execute(
        "INSERT INTO back_office.run (pool, sequence, matched, breaks, made_at, rules_version,"
        " made_by, rules_hash, result_hash, agreed) VALUES ('main', 18, 5, 2,"
        " coalesce(%s, clock_timestamp()), '1', 'maria', sha256('r'), sha256('s'), '{}')",
        [made_at],
    )


def _found(connection: psycopg.Connection, key: str) -> None:
    """A break that the first run found."""
    connection.execute(
        "INSERT INTO back_office.break (run, break_key, type, source, pool, subject,"
        " account, commodity) VALUES (1, %s, 'amount', 'bank', 'main', %s, 'bob', 'USDT')",
        (key, f"transfer {key}"),
    )
    connection.execute(
        "INSERT INTO back_office.sighting (run, break_key, severity, ours, theirs,"
        " our_references, their_references, says)"
        " VALUES (1, %s, 'high', 5.25, 5, '{}', '{}', 'they have 0.25 less')",
        (key,),
    )
    _lived(connection, key, (FOUND, 1, 1, "found", "open"))


def _lived(
    connection: psycopg.Connection, key: str, event: tuple[object, ...], who: str = "ines"
) -> None:
    """An event of its life: moment, run, number, what happened, state."""
    connection.execute(
        "INSERT INTO back_office.break_event (made_at, run, number, kind, state, break_key,"
        " made_by, words) VALUES (%s, %s, %s, %s, %s, %s, %s, 'so')",
        (*event, key, who),
    )


@pytest.fixture
def reconciled(two_days: str) -> str:
    """Two breaks, found on 3 March; one is closed on the 5th, the other open again on the 12th."""
    with psycopg.connect(two_days) as connection:
        _kept_run(connection)
        for key in ("0" * 16, "1" * 16):
            _found(connection, key)
        _lived(connection, "0" * 16, ("2026-03-05T07:00:00Z", 1, 2, "gone", "gone"))
        closed = ("2026-03-05T08:00:00Z", None, 3, "closed", "closed")
        _lived(connection, "0" * 16, closed, "noor")
        _kept_run(connection, "2026-03-12T08:00:00Z")
        _lived(connection, "1" * 16, ("2026-03-12T07:00:00Z", 2, 2, "gone", "gone"))
        again = ("2026-03-12T08:00:00Z", 2, 3, "reopened", "open")
        _lived(connection, "1" * 16, again)
    return two_days


def test_breaks_are_shown_by_age_as_they_stood_at_a_moment(reconciled: str) -> None:
    soon = close(reconciled, "main", breaks_at=datetime(2026, 3, 4, 9, tzinfo=UTC))
    later = close(reconciled, "main", breaks_at=datetime(2026, 3, 20, 9, tzinfo=UTC))
    assert rows(soon, "breaks_by_age")[1] == ("1 to 7 days", 0, 2, 0, 0, 2)
    assert rows(later, "breaks_by_age")[2] == ("8 to 30 days", 0, 1, 0, 0, 1)
    assert rows(later, "breaks")[0][4:8] == ("high", "open", None, "amount")
    assert rows(later, "breaks")[0][12:] == ("5.25", "5", "0.25", "they have 0.25 less")
    assert "--breaks-at 2026-03-20T09:00:00Z" in later.taken_at["Made again by"]


def test_a_break_that_was_opened_again_is_as_old_as_when_it_was_first_found(
    reconciled: str,
) -> None:
    report = close(reconciled, "main", breaks_at=datetime(2026, 3, 12, 20, tzinfo=UTC))
    assert rows(report, "breaks_by_age")[:3] == [
        ("under a day", 0, 0, 0, 0, 0),
        ("1 to 7 days", 0, 0, 0, 0, 0),
        ("8 to 30 days", 0, 1, 0, 0, 1),
    ]
    at = [datetime(2026, 3, day, 8, tzinfo=UTC) for day in (3, 12)]
    assert rows(report, "breaks")[0][1:4] == (at[0], 9, at[1])


def test_a_close_of_a_moment_before_the_first_reconciliation_says_so_and_is_made_again_by_it(
    reconciled: str,
) -> None:
    before = close(reconciled, "main", breaks_at=datetime(2026, 3, 2, tzinfo=UTC))
    assert "none had been made of this pool by then" in before.taken_at["Reconciliation"]
    assert before.taken_at["Breaks as of"] == "2026-03-02T00:00:00Z"
    assert "--breaks-at 2026-03-02T00:00:00Z" in before.taken_at["Made again by"]
    assert rows(before, "breaks") == []


def test_a_close_of_before_the_first_reconciliation_is_made_again_after_it(
    two_days: str, tmp_path: Path
) -> None:
    first = close(two_days, "main", SECOND)
    with psycopg.connect(two_days) as connection:
        _kept_run(connection, None)
        _found(connection, "0" * 16)
    told = first.taken_at["Made again by"].partition("--breaks-at ")[2].partition(" ")[0]
    again = close(two_days, "main", SECOND, breaks_at=datetime.fromisoformat(told))
    written = [
        write_files(each, tmp_path / name, FORMATS, 50)
        for name, each in (("first", first), ("again", again))
    ]
    assert written[0] == written[1]


def test_breaks_of_a_moment_to_come_are_refused(two_days: str) -> None:
    with pytest.raises(ConfigurationError, match="2126-01-01T00:00:00Z has not come yet"):
        close(two_days, "main", breaks_at=datetime(2126, 1, 1, tzinfo=UTC))


def test_a_close_right_after_a_run_has_its_breaks_and_is_made_again_by_its_own_words(
    two_days: str,
) -> None:
    with psycopg.connect(two_days) as connection:
        _kept_run(connection, None)
        _found(connection, "0" * 16)
        connection.execute(
            "INSERT INTO back_office.break_event (run, number, kind, state, break_key, made_by,"
            " words) VALUES (1, 2, 'seen_again', 'open', %s, 'ines', 'moved')",
            ["0" * 16],
        )
    report = close(two_days, "main")
    assert report.taken_at["Reconciliation"].startswith("run 1 of ")
    assert [row[0] for row in rows(report, "breaks")] == ["0" * 16]
    told = report.taken_at["Made again by"].partition("--breaks-at ")[2].partition(" ")[0]
    again = close(two_days, "main", breaks_at=datetime.fromisoformat(told))
    assert again.taken_at == report.taken_at
    assert rows(again, "breaks") == rows(report, "breaks")


def test_a_close_waits_for_a_run_that_is_being_kept(two_days: str) -> None:
    with ThreadPoolExecutor(1) as pool, psycopg.connect(two_days, autocommit=True) as connection:
        with adding(connection, "main"):
            _kept_run(connection, None)
            time.sleep(1.1)  # a whole second goes by with the row written, and nobody sees it
            closing = pool.submit(close, two_days, "main")
            time.sleep(1)
            assert not closing.done()
        report = closing.result(30)
    assert report.taken_at["Reconciliation"].startswith("run 1 of ")
