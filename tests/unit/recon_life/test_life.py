"""The life of a break: every act in every state, who may do it, and what a run makes of it."""

import itertools
from decimal import Decimal

import pytest

from ledger.recon.casework.life import (
    ACTS,
    OF_RUNS,
    STATES,
    TABLE,
    Act,
    Amounts,
    Kept,
    Refusal,
    Standing,
    State,
    after,
    of_run,
    same,
)

WRITTEN = """
                   | seen gone reop corr | asgn comm expl prop appr refu clos
open               | open gone -    -    | =    =    ew   cw   -    -    -
explanation_waits  | =    gone open -    | =    =    -    -    expd open -
correction_waits   | =    gone open -    | =    =    -    -    appd open -
explained          | =    gone open -    | =    =    ew   cw   -    open clsd
approved           | =    gone open cord | =    =    -    -    -    open -
corrected          | -    -    open -    | =    =    -    -    -    open clsd
gone               | -    -    open -    | =    =    -    -    -    -    clsd
closed             | -    -    open -    | -    =    -    -    -    open -
"""
"""The table once more, as people drew it; `=` stays, `-` is refused."""

_SHORT: dict[str, State] = {
    "ew": "explanation_waits",
    "cw": "correction_waits",
    "expd": "explained",
    "appd": "approved",
    "cord": "corrected",
    "clsd": "closed",
    "open": "open",
    "gone": "gone",
}
_COLUMNS: tuple[Act, ...] = (
    *("seen_again", "gone", "reopened", "corrected"),
    *("assigned", "commented", "explained", "proposed", "approved", "refused", "closed"),
)
ONE, TWO = Amounts(Decimal(1), Decimal(3)), Amounts(Decimal(2), None)


def drawn() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for line in WRITTEN.strip("\n").splitlines()[1:]:
        state, *cells = line.replace("|", " ").split()
        for act, cell in zip(_COLUMNS, cells, strict=True):
            if cell != "-":
                found[state, act] = state if cell == "=" else _SHORT[cell]
    return found


def test_the_table_is_the_one_that_was_drawn() -> None:
    assert {key: to for key, to in TABLE.items() if key[0] is not None} == drawn()
    assert {act: to for (state, act), to in TABLE.items() if state is None} == {"found": "open"}


@pytest.mark.parametrize("state", STATES)
def test_every_act_leads_where_the_table_says_or_is_refused_with_what_can_be_done(
    state: State,
) -> None:
    for act in ACTS:
        standing = Standing(state, maker="maria", missed_by="rosa", is_match=True)
        led_to = after(standing, act, "noor", "because")
        if (state, act) in TABLE:
            assert led_to == TABLE[state, act]
        else:
            assert isinstance(led_to, Refusal)
            assert "it is" in led_to.why
            assert ": " in led_to.why


def test_a_break_that_nobody_found_has_no_life() -> None:
    assert after(None, "found", "maria", "") == "open"
    for act in set(ACTS) - {"found"}:
        assert after(None, act, "maria", "x") == Refusal("there is no such break")


def test_every_state_is_reached_and_left_again() -> None:
    reached: set[State] = {"open"}
    while more := {to for (state, _), to in TABLE.items() if state in reached} - reached:
        reached |= more
    assert reached == set(STATES)
    for state in STATES:
        assert {to for (at, _), to in TABLE.items() if at == state} - {state}, state


@pytest.mark.parametrize("who", ["maria", "Maria", "MARIA"])
def test_a_maker_approves_nothing_of_his_own(who: str) -> None:
    for state in ("explanation_waits", "correction_waits"):
        refused = after(Standing(state, maker="maria"), "approved", who, "")
        assert refused == Refusal(f"{who} made it: another than its maker approves it")
        assert not isinstance(
            after(Standing(state, maker="maria"), "approved", "noor", ""), Refusal
        )


@pytest.mark.parametrize("state", ["corrected", "closed"])
def test_a_match_is_refused_after_all_and_what_was_booked_is_not(state: State) -> None:
    assert after(Standing(state, is_match=True), "refused", "noor", "another") == "open"
    assert isinstance(after(Standing(state), "refused", "noor", "another"), Refusal)


def test_a_maker_takes_back_his_own() -> None:
    assert after(Standing("correction_waits", maker="maria"), "refused", "maria", "wrong") == "open"


def test_what_is_gone_is_closed_by_another_than_who_ran_the_run_that_missed_it() -> None:
    gone = Standing("gone", missed_by="maria")
    refused = after(gone, "closed", "maria", "paid")
    assert refused == Refusal("maria ran the run that found it gone: another closes it")
    assert after(gone, "closed", "noor", "paid") == "closed"


@pytest.mark.parametrize(
    ("state", "act"),
    [
        ("open", "commented"),
        ("open", "explained"),
        ("open", "proposed"),
        ("correction_waits", "refused"),
        ("corrected", "closed"),
    ],
)
def test_what_has_to_be_said_is_asked_for(state: State, act: Act) -> None:
    for words in ("", "  "):
        refused = after(Standing(state, maker="maria"), act, "noor", words)
        assert refused == Refusal(f"say why: what is {act} needs words")


def acts(kept: Kept | None, found: Amounts | None, **given: bool) -> list[Act]:
    conditions = {"looked": True, "booked": False} | given
    return [act for act, _ in of_run(kept, found, **conditions)]


def test_a_run_finds_sees_again_misses_and_opens_again() -> None:
    assert acts(None, ONE) == ["found"]
    assert acts(None, None) == []
    assert acts(Kept("open", ONE), ONE) == ["seen_again"]
    assert acts(Kept("open", ONE), TWO) == ["seen_again"]
    assert acts(Kept("open", ONE), None) == ["gone"]
    for state in ("gone", "closed", "corrected"):
        assert acts(Kept(state, ONE), ONE) == ["reopened"]
        assert acts(Kept(state, ONE), None) == []


def test_what_a_run_did_not_look_at_stays_as_it_was() -> None:
    for state in STATES:
        assert acts(Kept(state, ONE), None, looked=False) == []


def test_amounts_that_change_open_what_was_said_of_them() -> None:
    for state in ("explanation_waits", "correction_waits", "explained", "approved"):
        assert acts(Kept(state, ONE), ONE) == ["seen_again"]
        ((act, words),) = of_run(Kept(state, ONE), TWO, looked=True, booked=False)
        assert act == "reopened"
        assert words == (
            "was ours 1, theirs 3; is ours 2, theirs nothing: what was said of it no longer holds"
        )


def test_a_correction_that_is_booked_corrects_and_opens_again_what_is_still_there() -> None:
    kept = Kept("approved", ONE, "adj-1")
    assert acts(kept, None, booked=True) == ["corrected"]
    assert acts(kept, None, booked=True, looked=False) == ["corrected"]
    assert acts(kept, ONE, booked=True) == ["corrected", "reopened"]
    assert acts(kept, ONE) == ["seen_again"]
    assert acts(kept, None) == ["gone"]


def test_what_a_run_does_the_table_knows() -> None:
    for state, found, looked, booked in itertools.product(
        STATES, (ONE, TWO, None), (True, False), (True, False)
    ):
        now = state
        for act, _ in of_run(Kept(state, ONE, "x"), found, looked=looked, booked=booked):
            assert act in OF_RUNS
            led_to = after(Standing(now), act, "maria", "")
            assert not isinstance(led_to, Refusal), (state, act, led_to)
            now = led_to


def test_names_are_the_same_whatever_their_case() -> None:
    assert same("maria", "MARIA")
    assert not same("maria", "noor")
    assert not same(None, "noor")
