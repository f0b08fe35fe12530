"""The life of a break as a pure state machine: what may happen to it, by whom, and what follows.

Theory: a break has one state, and a table says which act leads where. What is not in the table is
refused, and the refusal says why and what can be done. Nothing here knows a clock or a database.

Rules of this file:

* Runs find, see again, miss and correct; people assign, comment, explain, propose, approve, refuse
  and close. Neither can do the other's part.
* An explanation or a correction stands once somebody else than its maker has approved it. Names
  are compared without regard to case.
* An explanation is of the amounts it was given for. When they change, the break is open again.
* `gone` is not closed: a run that looked for a break where it was, and found it no more, says so.
  What a run did not look at (another source, other days) stays as it was.
* A match hides what it matches from later runs, so it can be refused as long as it is applied: also
  once its break is corrected or closed. An adjustment that was booked is taken back by another.
* Closed are only breaks that are explained, corrected or gone, by a person who says why; one that
  is gone not by the person who ran the run that missed it.
* A break that is found again is open again, whatever was said of it before. So no break vanishes
  into a list of known ones.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

State = Literal[
    "open",
    "explanation_waits",
    "correction_waits",
    "explained",
    "approved",
    "corrected",
    "gone",
    "closed",
]
"""`approved`: of a correction, which is not in the books yet."""

Act = Literal[
    "found",
    "seen_again",
    "gone",
    "reopened",
    "corrected",
    "assigned",
    "commented",
    "explained",
    "proposed",
    "approved",
    "refused",
    "closed",
]

STATES: tuple[State, ...] = get_args(State)
ACTS: tuple[Act, ...] = get_args(Act)
OF_RUNS: tuple[Act, ...] = ("found", "seen_again", "gone", "reopened", "corrected")

_EVERYWHERE: Mapping[Act, State | None] = {"assigned": None, "commented": None}
"""Acts that leave the state as it is, in each but `closed`."""

_MOVES: Mapping[State, Mapping[Act, State]] = {
    "open": {
        "seen_again": "open",
        "gone": "gone",
        "explained": "explanation_waits",
        "proposed": "correction_waits",
    },
    "explanation_waits": {
        "seen_again": "explanation_waits",
        "gone": "gone",
        "reopened": "open",
        "approved": "explained",
        "refused": "open",
    },
    "correction_waits": {
        "seen_again": "correction_waits",
        "gone": "gone",
        "reopened": "open",
        "approved": "approved",
        "refused": "open",
    },
    "explained": {
        "seen_again": "explained",
        "gone": "gone",
        "reopened": "open",
        "explained": "explanation_waits",
        "proposed": "correction_waits",
        "refused": "open",
        "closed": "closed",
    },
    "approved": {
        "seen_again": "approved",
        "gone": "gone",
        "reopened": "open",
        "refused": "open",
        "corrected": "corrected",
    },
    "corrected": {"reopened": "open", "refused": "open", "closed": "closed"},
    "gone": {"reopened": "open", "closed": "closed"},
    "closed": {"reopened": "open", "refused": "open", "commented": "closed"},
}

TABLE: Mapping[tuple[State | None, Act], State] = {
    (None, "found"): "open",
    **{(state, act): after for state, moves in _MOVES.items() for act, after in moves.items()},
    **{(state, act): state for state in STATES if state != "closed" for act in _EVERYWHERE},
}
"""Which state an act leads to; what is not here is refused. In the states of `_BY_MATCH` only a
match is refused: what was booked is in the books."""

_BY_MATCH: tuple[State, ...] = ("corrected", "closed")

_CAN: Mapping[State, str] = {
    "open": "explain it, or propose a correction",
    "explanation_waits": "somebody else than its maker approves or refuses the explanation",
    "correction_waits": "somebody else than its maker approves or refuses the correction",
    "explained": "close it, propose a correction, or refuse the explanation after all",
    "approved": "ingest its adjustment and run again, or refuse the correction after all",
    "corrected": "close it; a match that people agreed to can be refused after all",
    "gone": "close it; a run that finds it again opens it",
    "closed": "comment on it; a run that finds it again opens it, and a match can be refused",
}
_BECAUSE: Mapping[Act, str] = {
    "approved": "nothing waits for a checker",
    "refused": "there is no explanation or correction to refuse",
    "closed": "a break is closed once it is explained, corrected or gone",
    "explained": "it needs no explanation now",
    "proposed": "it needs no correction now",
    "assigned": "there is nothing left to work on",
}


class Standing(NamedTuple):
    """What counts of a break's life so far.

    Attributes:
        state: That its last event led to.
        maker: Who made what waits for a checker, or was approved; None: nothing does.
        missed_by: Who ran the run that found it gone; None: it is not.
        is_match: What stands is a match that people agreed to.
    """

    state: State
    maker: str | None = None
    missed_by: str | None = None
    is_match: bool = False


class Refusal(NamedTuple):
    """Why an act is not taken, and what could be done instead."""

    why: str


def after(standing: Standing | None, act: Act, who: str, words: str) -> State | Refusal:
    """The state that an act leads to, or why it is refused.

    Args:
        standing: None where there is no such break yet.
        act: What is done.
        who: By whom; of a run, who ran it.
        words: What is said with it; empty only where nothing has to be said.
    """
    if standing is None:
        return TABLE.get((None, act)) or Refusal("there is no such break")
    led_to = TABLE.get((standing.state, act))
    if act == "refused" and standing.state in _BY_MATCH and not standing.is_match:
        led_to = None
    if led_to is None:
        because = _BECAUSE.get(act, f"{act} does not follow")
        return Refusal(f"it is {said(standing.state)}, and {because}: {_CAN[standing.state]}")
    if act == "approved" and same(standing.maker, who):
        return Refusal(f"{who} made it: another than its maker approves it")
    if act == "closed" and standing.state == "gone" and same(standing.missed_by, who):
        return Refusal(f"{who} ran the run that found it gone: another closes it")
    if act in {"commented", "explained", "proposed", "refused", "closed"} and not words.strip():
        return Refusal(f"say why: what is {act} needs words")
    return led_to


def may(standing: Standing, act: Act, who: str) -> bool:
    """Whether a person may do something, who says why."""
    return not isinstance(after(standing, act, who, "why"), Refusal)


def same(one: str | None, other: str) -> bool:
    """Whether two names are of one person."""
    return one is not None and one.casefold() == other.casefold()


def said(state: State) -> str:
    """A state in words."""
    words = {
        "explanation_waits": "waiting for a checker of its explanation",
        "correction_waits": "waiting for a checker of its correction",
        "approved": "waiting for its correction to take effect",
    }
    return words.get(state, state)


class Amounts(NamedTuple):
    """Both sides of a break, natural units; None: missing there."""

    ours: Decimal | None
    theirs: Decimal | None

    def __str__(self) -> str:
        """As people read it."""
        ours, theirs = ("nothing" if one is None else f"{one:f}" for one in self)
        return f"ours {ours}, theirs {theirs}"


class Kept(NamedTuple):
    """What is known of a break before a run.

    Attributes:
        amounts: As last found.
        remedy: Event id of the adjustment, or key of the match, that was approved.
    """

    state: State
    amounts: Amounts
    remedy: str | None = None


def of_run(
    kept: Kept | None, found: Amounts | None, *, looked: bool, booked: bool
) -> tuple[tuple[Act, str], ...]:
    """What a run makes of a break: acts in order, with their words.

    Args:
        kept: None where no run found it before.
        found: What this run found; None: it did not.
        looked: The run covers the place where it was.
        booked: The remedy that was approved has taken effect.
    """
    if kept is None:
        return () if found is None else (("found", ""),)
    acts: list[tuple[Act, str]] = []
    state = kept.state
    if state == "approved" and booked:
        acts.append(("corrected", f"{kept.remedy} has taken effect"))
        state = "corrected"
    if found is not None:
        acts.append(_found_again(kept, state, found))
    elif looked and (state, "gone") in TABLE:
        acts.append(("gone", "the run looked for it, and found it no more"))
    return tuple(acts)


def _found_again(kept: Kept, state: State, found: Amounts) -> tuple[Act, str]:
    if state in {"corrected", "gone", "closed"}:
        return "reopened", f"found again after it was {state}: {found}"
    if found != kept.amounts and (state, "reopened") in TABLE:
        return "reopened", f"was {kept.amounts}; is {found}: what was said of it no longer holds"
    changed = "" if found == kept.amounts else f"was {kept.amounts}; is {found}"
    return "seen_again", changed
