"""People at work on a break: each act is tried by the rules of its life, and kept or refused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, cast

from ledger.errors import ActRefused, ConfigurationError
from ledger.recon.casework.adjusting import (
    CONTRA,
    Broken,
    Line,
    drafted,
    message,
    require_name,
    suggested,
)
from ledger.recon.casework.life import Act, Refusal, Standing, State, after
from ledger.store.back_office import acts
from ledger.store.back_office import breaks as stored

_APPLICATION = "clearing reconcile"


class Done(NamedTuple):
    """An act that was kept.

    Attributes:
        number: Of the event in the break's life.
        state: That the break is in now.
        adjustment: An event for `clearing ingest`, one line of JSON, where a correction by one was
            approved.
    """

    break_key: str
    number: int
    state: State
    adjustment: str | None = None


class Proposed(NamedTuple):
    """A correction that somebody proposes.

    Attributes:
        lines: Of the adjustment; none: those that make our side theirs.
        contra: Owner and kind of the other line, where there are none.
        at: When it is to have occurred; None: when the break did, else now.
        match: Beginning of the key of a candidate that is to be agreed to, instead.
    """

    lines: Sequence[Line] = ()
    contra: str = CONTRA
    at: datetime | None = None
    match: str | None = None


class Shown(NamedTuple):
    """All that is known of a break.

    Attributes:
        life: In order.
        candidates: Matches that the newest run of its source proposed.
        adjustment: The event that would mend it, once a correction by one is approved.
    """

    of: stored.BreakRow
    life: list[stored.LifeRow]
    candidates: list[stored.CandidateRow]
    adjustment: str | None


def shown(url: str, key: str) -> Shown:
    """A break by its key, or by the beginning of it.

    Raises:
        ConfigurationError: No break has it, or more than one.
    """
    with stored.opened(url, _APPLICATION) as connection:
        return shown_over(connection, key)


def shown_over(connection: stored.Connection, key: str) -> Shown:
    """The same, over a connection that may read it.

    Raises:
        ConfigurationError: As `shown`.
    """
    of = named(connection, key)
    life = stored.life(connection, of.break_key)
    return Shown(of, life, stored.candidates(connection, of), adjustment_of(life))


def named(connection: stored.Connection, beginning: str) -> stored.BreakRow:
    """The one break whose key begins so.

    Raises:
        ConfigurationError: There is none, or more than one.
    """
    wanted = beginning.strip().lower()
    found = stored.by_key(connection, wanted) if wanted.isalnum() else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigurationError(f"no break has the key {beginning}: clearing reconcile breaks")
    raise ConfigurationError(f"several breaks have a key that begins with {beginning}: write more")


def adjustment_of(life: Sequence[stored.LifeRow]) -> str | None:
    """The event of a correction that was approved and not taken back since, else None."""
    draft: str | None = None
    checked: str | None = None
    for event in life:
        match event.kind:
            case "proposed":
                draft = None if event.event_id is None else event.content
                checked = None
            case "approved" if draft is not None:
                checked = event.made_by
            case "refused" | "reopened" | "explained" | "gone":
                draft, checked = None, None
            case _:
                pass
    return None if draft is None or checked is None else message(draft, checked)


def match_of(life: Sequence[stored.LifeRow]) -> str | None:
    """The key of a match that was proposed last and not taken back since, else None."""
    key: str | None = None
    for event in life:
        match event.kind:
            case "proposed":
                key = event.match_key
            case "refused" | "reopened" | "explained" | "gone":
                key = None
            case _:
                pass
    return key


@contextmanager
def _adding(url: str, key: str) -> Iterator[tuple[stored.Connection, stored.BreakRow]]:
    """A transaction in which nobody else adds to the life of a break, and the break in it.

    Begun within seconds, or not at all.
    """
    with stored.opened(url, _APPLICATION, is_bounded=True) as connection:
        pool = named(connection, key).pool
        with stored.adding(connection, pool):
            yield connection, named(connection, key)


def do(url: str, key: str, act: Act, who: str, words: str, *, seen: int | None = None) -> Done:
    """Comment, explain, approve, refuse or close.

    Args:
        seen: Number of the last event of its life that the person saw; None: not asked.

    Raises:
        ActRefused: The break's life does not allow it, or not to this person; or something came
            after what was seen.
        ConfigurationError: There is no such break, or no such name.
    """
    require_name(who)
    with _adding(url, key) as (connection, of):
        done = _kept(connection, of, act, who, words, None, seen)
        if act != "approved":
            return done
        return done._replace(adjustment=adjustment_of(stored.life(connection, of.break_key)))


def assign(
    url: str, key: str, who: str, to: str | None, words: str, *, seen: int | None = None
) -> Done:
    """Say who works on a break from now on; None: nobody. `seen` is as of `do`.

    Raises:
        ActRefused, ConfigurationError: As `do`.
    """
    require_name(who)
    if to is not None:
        require_name(to, "--to")
    with _adding(url, key) as (connection, of):
        assigned = of._replace(assignee=to)
        return _kept(connection, assigned, "assigned", who, words, None, seen)


def propose(
    url: str, key: str, who: str, reason: str, wanted: Proposed, *, seen: int | None = None
) -> Done:
    """Propose a correction: an adjustment, or a match to be agreed to. `seen` is as of `do`.

    Raises:
        ActRefused, ConfigurationError: As `do`; or the lines are none that the ledger could book.
    """
    require_name(who)
    with _adding(url, key) as (connection, of):
        number, _ = _tried(connection, of, "proposed", who, reason, seen)
        if wanted.match is not None:
            correction = _match(connection, of, wanted.match, who)
        else:
            correction = _adjustment(connection, of, number, who, reason, wanted)
        return _kept(connection, of, "proposed", who, reason, correction, seen)


def _kept(
    connection: stored.Connection,
    of: stored.BreakRow,
    act: Act,
    who: str,
    words: str,
    correction: acts.CorrectionRow | None,
    seen: int | None,
) -> Done:
    """Let an act follow, if the rules allow it."""
    number, led_to = _tried(connection, of, act, who, words, seen)
    event = acts.ActRow(of.break_key, number, act, led_to, who, of.assignee, words)
    acts.add(connection, event, correction)
    return Done(of.break_key, number, led_to)


def _tried(
    connection: stored.Connection,
    of: stored.BreakRow,
    act: Act,
    who: str,
    words: str,
    seen: int | None,
) -> tuple[int, State]:
    """The number that an act would have, and the state that it would lead to."""
    row = acts.standing(connection, of.break_key)
    assert row is not None, f"break {of.break_key} has no life"
    if seen is not None and seen != row.number:
        raise ActRefused(
            f"break {of.break_key} has changed since you looked: you saw its life up to event"
            f" {seen}, it has come to event {row.number}; nothing was done, look again"
        )
    standing = Standing(cast("State", row.state), row.maker, row.missed_by, row.is_match)
    led_to = after(standing, act, who, words)
    if isinstance(led_to, Refusal):
        raise ActRefused(f"break {of.break_key}: {led_to.why}")
    return row.number + 1, led_to


def _match(
    connection: stored.Connection, of: stored.BreakRow, beginning: str, who: str
) -> acts.CorrectionRow:
    """The candidate whose key begins so, of those that concern the break."""
    known = stored.candidates(connection, of)
    found = [one for one in known if one.match_key.startswith(beginning.lower())]
    if len(found) != 1:
        keys = ", ".join(one.match_key for one in known) or "none"
        raise ConfigurationError(
            f"--match {beginning} names {len(found)} candidates of break {of.break_key}, expected"
            f" one; it has {keys}"
        )
    return acts.CorrectionRow(None, found[0].match_key, found[0].content, who)


def _adjustment(
    connection: stored.Connection,
    of: stored.BreakRow,
    number: int,
    who: str,
    reason: str,
    wanted: Proposed,
) -> acts.CorrectionRow:
    broken = Broken(
        *(of.break_key, of.type, of.pool, of.subject, of.account, of.commodity),
        *(of.ours, of.theirs, of.our_references, of.happened_at),
    )
    lines = wanted.lines
    if not lines:
        lines = suggested(broken, wanted.contra)
        if not stored.is_asset(connection, of.pool, of.commodity):
            raise ConfigurationError(
                f"break {of.break_key} is of {of.commodity}, in which nobody has a balance: write"
                " the lines of its correction, contracts with their cost, --line"
            )
    at = wanted.at or of.happened_at or datetime.now(UTC)
    event_id, draft = drafted(broken, lines, number, who, reason, at)
    return acts.CorrectionRow(event_id, None, draft, who)
