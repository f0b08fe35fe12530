"""What a run means for breaks that are kept: found, seen again, gone, reopened, corrected."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from ledger.errors import ActRefused, ConfigurationError, LivesHeld
from ledger.recon.breaks import Break
from ledger.recon.casework import working
from ledger.recon.casework.adjusting import line_of
from ledger.recon.casework.keeping import Noted, agreed, keep, keep_changes
from ledger.recon.result import Result
from ledger.store.back_office import breaks as stored
from ledger.store.back_office.runs import kept
from tests.integration.back_office.found import (
    HOUR,
    NOON,
    broken_control,
    candidate,
    difference,
    result,
    rules,
)
from tests.integration.test_detaching import live
from tests.unit.desk import BEGINNING, said

ONE, TWO = difference("B-1"), difference("B-2", theirs=7)


def run(url: str, found: Result, by: str = "rosa") -> Noted:
    return keep(url, found, rules(), by)


def state(url: str, of: Break) -> str:
    return working.shown(url, of.key).of.state


def kinds(url: str, of: Break) -> list[str]:
    return [event.kind for event in working.shown(url, of.key).life]


def explained(url: str, of: Break) -> None:
    working.do(url, of.key, "explained", "maria", "value date")
    working.do(url, of.key, "approved", "noor", "")


def test_a_break_is_found_once_and_seen_again(database_url: str) -> None:
    first = run(database_url, result(ONE, TWO))
    assert (first.run, first.acts, first.left_open) == (1, {"found": 2}, 2)
    assert first.states == {ONE.key: "open", TWO.key: "open"}
    again = run(database_url, result(ONE, TWO))
    assert (again.run, again.acts, again.left_open) == (2, {"seen_again": 2}, 2)
    assert kinds(database_url, ONE) == ["found"], "what says nothing is not kept"


def test_a_run_keeps_what_it_was_given_and_what_it_came_to(database_url: str) -> None:
    found = result(ONE, proposals=[candidate()])
    run(database_url, found)
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT pool, sequence, matched, breaks, made_by, rules_version, rules_hash,"
            " result_hash, inputs FROM back_office.runs"
        ).fetchone()
        controls = connection.execute("SELECT name, holds, checked FROM back_office.control")
        assert controls.fetchall() == [("zero_sum", True, 1)]
    assert row is not None
    assert row[:6] == ("main", 9, 2, 1, "rosa", "1")
    assert row[6:8] == (rules().digest, found.result_hash)
    (given,) = row[8]
    assert (given["source"], given["name"], given["lines"]) == ("bank", "bank.csv", 3)
    assert given["content_hash"] == found.inputs[0].digest


def test_only_what_has_changed_is_kept_once_more(database_url: str) -> None:
    run(database_url, result(ONE))
    run(database_url, result(ONE))
    more = difference("B-1", theirs=6)
    assert more.key == ONE.key
    run(database_url, result(more))
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT run, theirs FROM back_office.sighting ORDER BY run")
        assert rows.fetchall() == [(1, 5), (3, 6)]
    of = working.shown(database_url, ONE.key).of
    assert (of.theirs, of.first_run, of.changed_run) == (Decimal(6), 1, 3)


@pytest.mark.parametrize(
    ("kept", "later", "looked"),
    [
        (difference(), result(), True),
        (difference(at=NOON + HOUR), result(), True),
        (difference(at=NOON + HOUR + timedelta(microseconds=1)), result(), False),
        (difference(at=NOON - 2 * HOUR), result(), False),
        (difference(at=None), result(), False),
        (difference(), result(sources=("vault",)), False),
        (difference(source="whole", at=NOON - 90 * HOUR), result(sources=("whole",)), True),
        (difference(source="vault", at=NOON - 90 * HOUR), result(sources=("vault",)), True),
        (broken_control(), result(), True),
        (broken_control("kafka trades/0"), result(), False),
    ],
    ids=[
        *("within", "at the end", "just after", "before", "timeless"),
        *("other source", "whole source", "holdings", "control", "control that did not run"),
    ],
)
def test_a_break_is_gone_where_a_run_looked_and_stays_where_it_did_not(
    database_url: str, kept: Break, later: Result, *, looked: bool
) -> None:
    run(database_url, result(kept))
    noted = run(database_url, later)
    assert noted.acts == ({"gone": 1} if looked else {})
    assert state(database_url, kept) == ("gone" if looked else "open")
    assert noted.left_open == 1, "gone is not closed"


def test_a_run_of_the_past_is_not_kept(database_url: str) -> None:
    run(database_url, result(ONE))
    with pytest.raises(ConfigurationError, match="of event 8, and run 1 was of event 9"):
        run(database_url, replace(result(ONE, TWO), sequence=8))
    assert kinds(database_url, ONE) == ["found"]
    assert run(database_url, replace(result(ONE), sequence=9)).acts == {"seen_again": 1}


def test_controls_of_a_later_event_throw_no_reconciliation_away(database_url: str) -> None:
    run(database_url, result(broken_control()))
    run(database_url, replace(result(broken_control(), sources=()), sequence=12))
    late = replace(result(ONE, broken_control("custody USD")), sequence=11)
    noted = run(database_url, late)
    assert (noted.acts, noted.states) == ({"found": 1}, {ONE.key: "open"})
    assert noted.left_open == 2
    assert state(database_url, broken_control()) == "open", "the later run found it"
    with pytest.raises(ConfigurationError, match="of event 11, and run 2 was of event 12"):
        run(database_url, replace(result(sources=()), sequence=11))
    with pytest.raises(ConfigurationError, match="of event 10, and run 3 was of event 11"):
        run(database_url, replace(result(ONE), sequence=10))


def test_a_run_behind_the_controls_opens_nothing_that_they_saw_corrected(
    database_url: str,
) -> None:
    live(database_url, [*BEGINNING, said("deposit", "d1", amount="50")])
    run(database_url, replace(result(ONE), sequence=1))
    live(database_url, [_corrected(database_url).encode()], len(BEGINNING) + 1)
    controls = run(database_url, replace(result(sources=()), sequence=9))
    assert controls.acts == {"corrected": 1}
    assert run(database_url, replace(result(ONE, TWO), sequence=2)).acts == {"found": 1}
    assert state(database_url, ONE) == "corrected"


def test_a_break_of_another_pool_is_none_of_a_runs_business(database_url: str) -> None:
    elsewhere = difference(pool="other")
    keep(database_url, _of_pool("other", elsewhere), rules(), "rosa")
    run(database_url, result())
    assert state(database_url, elsewhere) == "open"


def _of_pool(pool: str, *breaks: Break) -> Result:
    return replace(result(*breaks), pool=pool)


def test_what_was_closed_is_opened_again_by_a_run_that_finds_it(database_url: str) -> None:
    run(database_url, result(ONE))
    run(database_url, result())
    working.do(database_url, ONE.key, "closed", "noor", "paid")
    assert run(database_url, result()).left_open == 0
    noted = run(database_url, result(ONE))
    assert (noted.acts, noted.left_open) == ({"reopened": 1}, 1)
    assert kinds(database_url, ONE) == ["found", "gone", "closed", "reopened"]


def test_an_explanation_stands_until_the_amounts_change(database_url: str) -> None:
    run(database_url, result(ONE))
    explained(database_url, ONE)
    assert run(database_url, result(ONE)).acts == {"seen_again": 1}
    assert state(database_url, ONE) == "explained"
    assert run(database_url, result(difference("B-1", theirs=6))).acts == {"reopened": 1}
    (*_, last) = working.shown(database_url, ONE.key).life
    assert last.words.startswith("was ours nothing, theirs 5; is ours nothing, theirs 6:")


def test_a_correction_counts_once_the_books_have_its_event(database_url: str) -> None:
    live(database_url, [*BEGINNING, said("deposit", "d1", amount="50")])
    run(database_url, result(ONE))
    lines = ["anna wallet USD 5", "@house suspense USD -5"]
    written = tuple(line_of(line) for line in lines)
    working.propose(database_url, ONE.key, "maria", "missed", working.Proposed(written))
    done = working.do(database_url, ONE.key, "approved", "noor", "")
    assert run(database_url, result(ONE)).acts == {"seen_again": 1}, "it is not booked yet"
    assert done.adjustment is not None
    live(database_url, [done.adjustment.encode()], len(BEGINNING) + 1)
    behind = run(database_url, result(ONE))
    assert behind.acts == {"corrected": 1, "reopened": 1}, "it was booked, and is still there"


def test_a_run_that_is_behind_the_correction_does_not_see_it(database_url: str) -> None:
    live(database_url, [*BEGINNING, *(said("deposit", f"d{n}") for n in range(9))])
    run(database_url, result(ONE))
    done = _corrected(database_url)
    live(database_url, [done.encode()], len(BEGINNING) + 9)
    assert run(database_url, result(ONE)).acts == {"seen_again": 1}, "the run is of event 9"


def _corrected(url: str) -> str:
    working.propose(url, ONE.key, "maria", "missed", working.Proposed())
    done = working.do(url, ONE.key, "approved", "noor", "")
    assert done.adjustment is not None
    return done.adjustment


def test_a_match_that_people_agree_to_is_told_to_later_runs_until_it_is_refused(
    database_url: str,
) -> None:
    run(database_url, result(ONE, proposals=[candidate()]))
    key = candidate().key
    assert agreed(database_url, "main") == []
    proposed = working.Proposed(match=key[:5])
    working.propose(database_url, ONE.key, "maria", "the same", proposed)
    assert agreed(database_url, "main") == [], "nobody has checked it"
    done = working.do(database_url, ONE.key, "approved", "noor", "")
    assert done.adjustment is None
    assert agreed(database_url, "main") == [key]
    assert agreed(database_url, "other") == []
    assert run(database_url, result(applied=[key])).acts == {"corrected": 1}
    assert agreed(database_url, "main") == [key]
    working.do(database_url, ONE.key, "closed", "noor", "agreed")
    assert agreed(database_url, "main") == [key]
    run(database_url, result(ONE, agreed=[key]))
    assert state(database_url, ONE) == "open"
    assert agreed(database_url, "main") == [], "it did not hold"


def _agreed(url: str) -> str:
    run(url, result(ONE, proposals=[candidate()]))
    working.propose(url, ONE.key, "maria", "the same", working.Proposed(match=candidate().key))
    working.do(url, ONE.key, "approved", "noor", "")
    return candidate().key


def test_a_match_is_in_force_only_once_a_run_has_applied_it(database_url: str) -> None:
    key = _agreed(database_url)
    elsewhere = replace(result(agreed=[key]), inputs=(), scopes=())
    assert run(database_url, elsewhere).acts == {}, "it was told, and had nothing to match"
    assert state(database_url, ONE) == "approved"
    assert run(database_url, result(agreed=[key])).acts == {"gone": 1}
    assert agreed(database_url, "main") == [], "what is gone has no match any more"


@pytest.mark.parametrize("closed", [False, True])
def test_a_match_that_was_applied_can_be_refused_after_all(
    database_url: str, *, closed: bool
) -> None:
    key = _agreed(database_url)
    run(database_url, result(applied=[key]))
    if closed:
        working.do(database_url, ONE.key, "closed", "noor", "agreed")
    done = working.do(database_url, ONE.key, "refused", "noor", "it was another one")
    assert done.state == "open"
    assert agreed(database_url, "main") == []
    assert run(database_url, result(ONE)).acts == {"seen_again": 1}


def test_what_was_booked_is_not_refused_any_more(database_url: str) -> None:
    live(database_url, [*BEGINNING, said("deposit", "d1", amount="50")])
    run(database_url, result(ONE))
    live(database_url, [_corrected(database_url).encode()], len(BEGINNING) + 1)
    assert run(database_url, result()).acts == {"corrected": 1}
    with pytest.raises(ActRefused, match="it is corrected, and there is no"):
        working.do(database_url, ONE.key, "refused", "noor", "wrong")


def test_a_run_that_applied_a_match_which_was_refused_meanwhile_is_not_kept(
    database_url: str,
) -> None:
    key = _agreed(database_url)
    working.do(database_url, ONE.key, "refused", "maria", "another one")
    with pytest.raises(ConfigurationError, match=f"the match {key}, .* is agreed to no more"):
        run(database_url, result(applied=[key]))
    assert state(database_url, ONE) == "open"


def test_what_is_seen_again_with_other_amounts_is_kept(database_url: str) -> None:
    run(database_url, result(ONE))
    assert run(database_url, result(difference("B-1", theirs=6))).acts == {"seen_again": 1}
    (*_, last) = working.shown(database_url, ONE.key).life
    assert (last.kind, last.number) == ("seen_again", 2)
    assert last.words == "was ours nothing, theirs 5; is ours nothing, theirs 6"


def test_a_run_of_one_pool_waits_for_nobody_at_another(database_url: str) -> None:
    elsewhere = difference(pool="other")
    keep(database_url, _of_pool("other", elsewhere), rules(), "rosa")
    run(database_url, result(ONE))
    with stored.opened(database_url, "test") as connection:
        with stored.adding(connection, "main"):
            working.do(database_url, elsewhere.key, "commented", "noor", "asked them")
            with pytest.raises(LivesHeld, match="is adding to the breaks of pool main"):
                working.do(database_url, ONE.key, "commented", "noor", "asked them")
        working.do(database_url, ONE.key, "commented", "noor", "asked them")


def test_whoever_hangs_while_adding_lets_go(database_url: str) -> None:
    for is_bounded in (True, False):
        with stored.opened(database_url, "test", is_bounded=is_bounded) as connection:
            for setting in (
                *("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"),
            ):
                row = connection.execute("SELECT current_setting(%s)", [setting]).fetchone()
                assert row is not None
                assert row[0] != "0", setting


def test_a_run_reads_no_closed_break_that_it_did_not_find(database_url: str) -> None:
    run(database_url, result(ONE, TWO))
    explained(database_url, ONE)
    working.do(database_url, ONE.key, "closed", "noor", "known")
    with stored.opened(database_url, "test") as connection:
        assert [row.break_key for row in kept(connection, "main", [])] == [TWO.key]
        assert len(kept(connection, "main", [ONE.key])) == 2


def test_what_may_be_a_match_is_still_offered_after_a_run_of_another_day(
    database_url: str,
) -> None:
    run(database_url, result(ONE, proposals=[candidate()]))
    later = replace(candidate(), theirs=(replace(candidate().theirs[0], reference="B-9"),))
    other = difference("B-9", at=NOON + 24 * HOUR)
    begins, ends = NOON + 20 * HOUR, NOON + 30 * HOUR
    apart = replace(later, ours=(replace(later.ours[0], reference="d-9"),))
    run(database_url, result(other, proposals=[apart], begins=begins, ends=ends))
    offered = working.shown(database_url, ONE.key).candidates
    assert [each.match_key for each in offered] == [candidate().key]
    run(database_url, result())
    run(database_url, result(ONE))
    assert working.shown(database_url, ONE.key).candidates == [], "it was opened again without it"


def test_a_run_that_fails_leaves_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.store.back_office.runs._EVENTS", "COPY nowhere FROM STDIN")
    with pytest.raises(Exception, match="nowhere"):
        run(database_url, result(ONE))
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM back_office.run").fetchone() == (0,)
    with stored.opened(database_url, "test") as connection:
        assert stored.listed(connection, stored.Filter()) == []


def test_of_runs_that_look_all_the_time_only_those_that_find_a_change_are_kept(
    database_url: str,
) -> None:
    def again(found: Result) -> Noted | None:
        return keep_changes(database_url, found, rules(), "rosa")

    assert again(result()) is None, "nothing was found, and nothing was there"
    first = again(result(broken_control()))
    assert first is not None
    assert (first.run, first.acts, first.left_open) == (1, {"found": 1}, 1)
    assert again(result(broken_control())) is None, "the same again"
    other = replace(broken_control(), ours=Decimal(2))
    changed = again(result(other))
    assert changed is not None
    assert changed.run == 2
    assert again(result(other)) is None
    assert again(replace(result(), sequence=8)) is None, "another run took the books further"
    mended = again(result())
    assert mended is not None
    assert mended.acts == {"gone": 1}
    assert again(result()) is None
