"""People at work on breaks: what is refused, what is listed, and many at once."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from ledger.cli import app
from ledger.errors import ActRefused, ConfigurationError, LedgerError
from ledger.recon.casework import working
from ledger.recon.casework.adjusting import line_of
from ledger.recon.casework.keeping import keep
from ledger.recon.casework.life import Act
from ledger.store.back_office import breaks as stored
from tests.integration.back_office.found import (
    broken_control,
    candidate,
    difference,
    result,
    rules,
)

ONE, OTHER, CONTROL = difference("B-1"), difference("w-1", source="whole"), broken_control()


@pytest.fixture
def kept(database_url: str) -> str:
    """A database with three breaks and a candidate, of one run by rosa."""
    found = result(ONE, OTHER, CONTROL, sources=("bank", "whole"), proposals=[candidate()])
    keep(database_url, found, rules(), "rosa")
    return database_url


def called(url: str, *words: str) -> Result:
    return CliRunner().invoke(app, ["reconcile", *words, "--database-url", url])


def printed(url: str, *words: str) -> str:
    done = called(url, *words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def listed(url: str, *words: str) -> list[str]:
    """Subjects of the breaks that are listed."""
    return [one["subject"] for one in json.loads(printed(url, "breaks", "--json", *words))]


def test_breaks_are_listed_by_severity_and_chosen_by_what_they_are(kept: str) -> None:
    assert sorted(listed(kept)) == ["B-1", "w-1", "zero_sum USD"]
    assert listed(kept)[0] == "zero_sum USD", "the critical one comes first"
    assert listed(kept, "--severity", "critical") == ["zero_sum USD"]
    assert listed(kept, "--source", "whole") == ["w-1"]
    assert listed(kept, "--type", "control", "--type", "amount") == ["zero_sum USD"]
    assert sorted(listed(kept, "--account", "anna")) == ["B-1", "w-1"]
    assert listed(kept, "--pool", "other") == []
    assert listed(kept, "--older", "1h") == []
    assert len(listed(kept, "--older", "0m")) == 3
    assert len(listed(kept, "--limit", "2")) == 2
    printed(kept, "assign", ONE.key, "--to", "maria", "--by", "noor")
    assert listed(kept, "--assignee", "maria") == ["B-1"]
    assert sorted(listed(kept, "--unassigned")) == ["w-1", "zero_sum USD"]
    printed(kept, "assign", ONE.key, "--by", "noor")
    assert listed(kept, "--assignee", "maria") == []


def test_closed_breaks_are_listed_when_asked_for(kept: str) -> None:
    keep(kept, result(), rules(), "rosa")
    printed(kept, "close", ONE.key, "paid", "--by", "noor")
    assert "B-1" not in listed(kept)
    assert "B-1" in listed(kept, "--closed")
    assert listed(kept, "--state", "closed") == ["B-1"]
    assert listed(kept, "--state", "gone") == ["zero_sum USD"]


def test_words_of_a_bank_are_no_formula_in_the_csv_and_amounts_are_as_they_are(
    database_url: str,
) -> None:
    evil = '=HYPERLINK("http://bank","pay")'
    keep(database_url, result(difference(evil, ours=None, theirs=5)), rules(), "rosa")
    found = list(csv.DictReader(io.StringIO(printed(database_url, "breaks", "--csv"))))
    assert found[0]["subject"] == f"'{evil}"
    assert found[0]["says"] == f"'{evil} differs"
    assert found[0]["their_references"] == f"'{evil}"
    assert found[0]["difference"] == "-5"


def test_the_same_breaks_come_as_csv_and_as_lines(kept: str) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(kept, "breaks", "--csv"))))
    assert sorted(row["break_key"] for row in rows) == sorted([ONE.key, OTHER.key, CONTROL.key])
    (bank,) = (row for row in rows if row["subject"] == "B-1")
    assert (bank["ours"], bank["theirs"], bank["difference"]) == ("", "5", "-5")
    lines = printed(kept, "breaks").splitlines()
    assert lines[-1] == "3 breaks"
    assert any(line.startswith(f"{ONE.key}  high      open") for line in lines)


def test_a_break_is_shown_with_both_sides_its_life_and_its_candidates(kept: str) -> None:
    shown = printed(kept, "show", ONE.key[:6])
    assert f"candidate {candidate().key}, 90 of 100" in shown
    assert "theirs  5 USD                       B-1" in shown
    found = json.loads(printed(kept, "show", ONE.key, "--json"))
    assert [event["kind"] for event in found["life"]] == ["found"]
    assert [one["key"] for one in found["candidates"]] == [candidate().key]
    assert json.loads(printed(kept, "show", OTHER.key, "--json"))["candidates"] == []


def test_who_says_what_was_seen_approves_that_and_nothing_that_came_after(kept: str) -> None:
    control = CONTROL.key
    printed(kept, "explain", control, "rounding", "--by", "maria")
    seen = printed(kept, "show", control).partition("--seen ")[2].split()[0]
    printed(kept, "refuse", control, "no", "--by", "maria")
    printed(kept, "explain", control, "nobody will look", "--by", "maria")
    for words in (("approve", control), ("refuse", control, "no"), ("assign", control)):
        done = called(kept, *words, "--seen", seen, "--by", "noor")
        assert isinstance(done.exception, ActRefused), words
        assert "you saw its life up to event 2, it has come to event 4" in str(done.exception)
    printed(kept, "approve", control, "--seen", "4", "--by", "noor")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("show", "zzzz"), "no break has the key"),
        (("show", "%"), "no break has the key"),
        (("breaks", "--state", "lost"), "--state lost: expected open,"),
        (("breaks", "--type", "foo"), "--type foo: expected missing_here,"),
        (("breaks", "--severity", "grave"), "--severity grave: expected "),
        (("breaks", "--csv", "--json"), "--csv and --json: one of both"),
        (("breaks", "--older", "soon"), "--older soon: expected a time like 90m"),
        (("comment", "KEY", "so", "--by", "maria lopez"), "--by 'maria lopez'"),
        (("assign", "KEY", "--to", "", "--by", "noor"), "--to ''"),
        (("propose", "KEY", "so", "--match", "ffff", "--by", "noor"), "names 0 candidates"),
        (("propose", "KEY", "so", "--by", "noor"), "in which nobody has a balance"),
        (("propose", "KEY", "so", "--line", "x", "--match", "y"), "an adjustment, --line, or a"),
    ],
)
def test_what_is_called_wrongly_is_told(kept: str, words: tuple[str, ...], why: str) -> None:
    done = called(kept, *(ONE.key if word == "KEY" else word for word in words))
    assert isinstance(done.exception, ConfigurationError)
    assert why in str(done.exception)


def test_who_does_not_say_who_acts_under_the_name_of_the_login(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "maria")
    printed(kept, "comment", ONE.key, "asked the bank")
    assert working.shown(kept, ONE.key).life[-1].made_by == "maria"
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54_321)
    done = called(kept, "comment", ONE.key, "asked again")
    assert isinstance(done.exception, ConfigurationError)
    assert "say who you are, --by" in str(done.exception)


def test_a_refused_act_leaves_no_trace(kept: str) -> None:
    working.do(kept, ONE.key, "explained", "maria", "value date")
    before = working.shown(kept, ONE.key).life
    for command, who in (("approve", "maria"), ("close", "noor"), ("explain", "noor")):
        done = called(kept, command, ONE.key, "so", "--by", who)
        assert isinstance(done.exception, ActRefused)
    assert working.shown(kept, ONE.key).life == before


@pytest.mark.parametrize("act", ["approved", "refused"])
def test_what_was_made_anew_is_not_decided_by_who_saw_the_old(kept: str, act: Act) -> None:
    small, large = (
        working.Proposed((line_of(f"anna wallet USD {n}"), line_of(f"@house suspense USD -{n}")))
        for n in (5, 5000)
    )
    working.propose(kept, ONE.key, "maria", "missed", small)
    seen = working.shown(kept, ONE.key).of.events
    working.do(kept, ONE.key, "refused", "maria", "mistyped")
    working.propose(kept, ONE.key, "maria", "missed", large)
    before = working.shown(kept, ONE.key).life
    with pytest.raises(ActRefused, match="up to event 2, it has come to event 4"):
        working.do(kept, ONE.key, act, "noor", "as I saw", seen=seen)
    assert working.shown(kept, ONE.key).life == before
    assert working.do(kept, ONE.key, act, "noor", "as I saw", seen=4).number == 5


def test_a_break_that_was_opened_again_is_not_closed_by_who_saw_it_before(kept: str) -> None:
    working.do(kept, ONE.key, "explained", "maria", "value date")
    seen = working.do(kept, ONE.key, "approved", "noor", "").number
    working.do(kept, ONE.key, "refused", "maria", "wrong after all")
    working.do(kept, ONE.key, "explained", "maria", "their rounding")
    working.do(kept, ONE.key, "approved", "rosa", "")
    with pytest.raises(ActRefused, match="has changed since you looked"):
        working.do(kept, ONE.key, "closed", "noor", "done", seen=seen)


def test_all_that_is_done_to_a_break_may_name_what_was_seen(kept: str) -> None:
    working.do(kept, ONE.key, "commented", "maria", "asked the bank")
    with pytest.raises(ActRefused, match="you saw its life up to event 1"):
        working.assign(kept, ONE.key, "noor", "noor", "", seen=1)
    with pytest.raises(ActRefused, match="you saw its life up to event 1"):
        working.propose(kept, ONE.key, "noor", "missed", working.Proposed(), seen=1)


def test_an_approved_adjustment_is_printed_again_until_it_is_taken_back(
    kept: str, tmp_path: Path
) -> None:
    out = tmp_path / "adjustments.jsonl"
    lines = ("--line", "anna wallet USD 5", "--line", "@house suspense USD -5")
    printed(kept, "propose", ONE.key, "missed", *lines, "--by", "maria")
    assert "adjustment" not in printed(kept, "show", ONE.key).splitlines()[-1]
    told = printed(kept, "approve", ONE.key, "--by", "noor", "--out", str(out))
    line = told.splitlines()[-1]
    assert out.read_text() == line + "\n"
    assert json.loads(line)["checked_by"] == "noor"
    assert printed(kept, "show", ONE.key).splitlines()[-1] == line
    printed(kept, "refuse", ONE.key, "wrong after all", "--by", "maria")
    assert working.shown(kept, ONE.key).adjustment is None
    printed(kept, "propose", ONE.key, "missed", *lines, "--by", "maria")
    again = json.loads(printed(kept, "approve", ONE.key, "--by", "noor", "--json"))
    assert again["adjustment"]["event_id"] != json.loads(line)["event_id"]


def test_what_many_people_say_at_once_is_all_kept_in_one_order(kept: str) -> None:
    def say(number: int) -> None:
        working.do(kept, ONE.key, "commented", f"person-{number % 4}", f"word {number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(say, range(20)))
    life = working.shown(kept, ONE.key).life
    assert [event.number for event in life] == list(range(1, 22))
    assert {event.words for event in life[1:]} == {f"word {n}" for n in range(20)}


def test_of_two_checkers_at_once_one_approves(kept: str) -> None:
    working.do(kept, ONE.key, "explained", "maria", "value date")

    def approve(who: str) -> bool:
        try:
            working.do(kept, ONE.key, "approved", who, "")
        except ActRefused:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(approve, ["noor", "rosa"])) == [False, True]


def test_the_age_of_a_break_counts_from_when_it_was_opened(kept: str) -> None:
    with psycopg.connect(kept, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT age, clock_timestamp() - opened_at FROM back_office.open_breaks"
        ).fetchall()
    assert len(rows) == 3
    assert all(timedelta(0) <= age <= later for age, later in rows)


def test_a_break_that_is_opened_again_goes_on_ageing_from_when_it_was_first_found(
    kept: str,
) -> None:
    keep(kept, result(), rules(), "rosa")
    keep(kept, result(ONE), rules(), "rosa")
    with psycopg.connect(kept, autocommit=True) as connection:
        row = connection.execute(
            "SELECT found_at < opened_at, age > clock_timestamp() - opened_at"
            "  FROM back_office.open_breaks WHERE break_key = %s",
            [ONE.key],
        ).fetchone()
    assert row == (True, True)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Rules of two pools, and a file."""
    (tmp_path / "rules.toml").write_text(
        'version = 1\n[sources.one]\nkind = "trades"\nformat = "trades-csv"\n'
        '[sources.two]\nkind = "trades"\nformat = "trades-csv"\npool = "other"\n'
    )
    (tmp_path / "one.csv").write_text("trade_id,instrument,price,quantity\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--file", "one"), "expected SOURCE=PATH"),
        (("--file", "three={folder}/one.csv"), "no source three; they have one, two"),
        (("--file", "one={folder}/gone.csv"), "there is no such file"),
        (("--file", "one={folder}/one.csv", "--file", "one={folder}/one.csv"), "named twice"),
        ((), "of the pools main, other: choose one with --pool"),
        (("--file", "one={folder}/one.csv", "--pool", "other"), "of the pool main, not other"),
        (("--file", "one={folder}/one.csv"), "these books have none yet"),
    ],
)
def test_a_run_that_is_called_wrongly_is_told_and_keeps_nothing(
    database_url: str, files: Path, words: tuple[str, ...], why: str
) -> None:
    given = [word.format(folder=files) for word in words]
    done = called(database_url, "run", str(files / "rules.toml"), *given, "--by", "rosa")
    assert isinstance(done.exception, LedgerError)
    assert why in str(done.exception)
    with stored.opened(database_url, "test") as connection:
        assert stored.counts(connection, None) == []
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM back_office.run").fetchone() == (0,)
