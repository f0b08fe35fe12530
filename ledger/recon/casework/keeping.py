"""What a run means for the breaks that are kept: new ones, those seen again, those that are gone.

A run is kept whole or not at all, and nobody adds to a life meanwhile. What the run did not look
at stays as it was: another source, other days, a control that had nothing to check. So does what a
run of a later event has judged already: a run that is behind one is kept only for sources that the
later one was not given, and says nothing of controls then.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from ledger.errors import ConfigurationError
from ledger.recon.breaks import Break
from ledger.recon.casework.adjusting import hash_of
from ledger.recon.casework.life import Act, Amounts, Kept, Refusal, Standing, State, after, of_run
from ledger.recon.controls import INTERNAL
from ledger.recon.result import Control, Result
from ledger.recon.rules import VERSION, Rules
from ledger.recon.scopes import Place, looked
from ledger.store.back_office import breaks as stored
from ledger.store.back_office import runs as rows


class Noted(NamedTuple):
    """What became of a run's breaks.

    Attributes:
        run: Its number.
        acts: How many breaks were found, seen again, and so on.
        states: Of the breaks that this run found, by key.
        left_open: Breaks of the pool that are not closed now, whichever run found them.
    """

    run: int
    acts: Mapping[Act, int]
    states: Mapping[str, State]
    left_open: int


class _Lives:
    """Gathers what follows for each break."""

    def __init__(self, made_by: str) -> None:
        self.events: list[rows.EventRow] = []
        self.acts: dict[Act, int] = {}
        self.states: dict[str, State] = {}
        self._made_by = made_by

    def follow(
        self, key: str, before: rows.KeptRow | None, steps: Sequence[tuple[Act, str]]
    ) -> None:
        standing = None if before is None else Standing(cast("State", before.state))
        number = 0 if before is None else before.events
        for act, words in steps:
            led_to = after(standing, act, self._made_by, words)
            assert not isinstance(led_to, Refusal), f"break {key}: {act}: {led_to.why}"
            standing = Standing(led_to)
            self.acts[act] = self.acts.get(act, 0) + 1
            if act == "seen_again" and not words:
                continue  # as it was: there is nothing to say of it
            number += 1
            assignee = None if before is None else before.assignee
            self.events.append(
                rows.EventRow(key, number, act, led_to, self._made_by, assignee, words)
            )
        if standing is not None:
            self.states[key] = standing.state


def agreed(url: str, pool: str) -> list[str]:
    """Keys of the matches that people agreed to, which a run of this pool has to be told."""
    with rows.auditing(url) as connection:
        return rows.agreed(connection, pool)


def past(url: str, run: int) -> rows.PastRow:
    """What has to be told to do a run again, and what it came to.

    Raises:
        ConfigurationError: No run has this number.
    """
    with rows.auditing(url) as connection:
        found = rows.past(connection, run)
    if found is None:
        raise ConfigurationError(f"there is no run {run}")
    return found


def keep_changes(url: str, result: Result, rules: Rules, made_by: str) -> Noted | None:
    """As `keep`, but only where a break is new, gone or another than before; None: nowhere.

    Nor where a run that took the books further was kept meanwhile: that one has looked, too.
    """
    with (
        stored.opened(url, "clearing reconcile") as connection,
        stored.adding(connection, result.pool),
    ):
        _, sequence = rows.furthest(connection, result.pool)
        if result.sequence < sequence:
            return None
        found = {one.key: one for one in result.breaks}
        kept, lives = _followed(url, connection, result, rules, made_by)
        left = _left(result, kept, found, lives)
        if not left.events and not left.sightings:
            return None
        return _saved(connection, result, made_by, left, lives)


def keep(url: str, result: Result, rules: Rules, made_by: str) -> Noted:
    """Keep a run, and let the life of each break that it concerns go on.

    Args:
        url: Of the database.
        result: What the run found.
        rules: That it was run by.
        made_by: Who ran it.

    Raises:
        ConfigurationError: A run of one of its sources that is kept took the books further; or a
            match that this one applied was refused meanwhile.
        StoreUnavailable: The database cannot be reached.
    """
    with (
        stored.opened(url, "clearing reconcile") as connection,
        stored.adding(connection, result.pool),
    ):
        judged = _judged(connection, result)
        if taken_back := set(result.applied).difference(rows.agreed(connection, result.pool)):
            raise ConfigurationError(
                f"the match {min(taken_back)}, which this run was told of, is agreed to no more:"
                " it is not kept; run it again"
            )
        found = {one.key: one for one in judged.breaks}
        kept, lives = _followed(url, connection, judged, rules, made_by)
        left = _left(result, kept, found, lives)
        return _saved(connection, result, made_by, left, lives)


def _judged(connection: stored.Connection, result: Result) -> Result:
    """What of a run no run of a later event has judged.

    Raises:
        ConfigurationError: Nothing: that one was given one of its sources, or this one none.
    """
    further, sequence = rows.furthest(connection, result.pool)
    if result.sequence >= sequence:
        return result
    sources = {each.source for each in result.inputs}
    if sources:
        further, sequence = rows.furthest(connection, result.pool, sources)
    if not sources or result.sequence < sequence:
        raise ConfigurationError(
            f"this run is of event {result.sequence}, and run {further} was of event"
            f" {sequence} of pool {result.pool}: what differed before says nothing of today's"
            " breaks, so it is not kept; --dry-run shows it"
        )
    later = rows.later(connection, result.pool, result.sequence)
    breaks = (each for each in result.breaks if each.source != INTERNAL and each.key not in later)
    return replace(result, breaks=tuple(breaks), controls=())


def _followed(
    url: str, connection: stored.Connection, result: Result, rules: Rules, made_by: str
) -> tuple[Mapping[str, rows.KeptRow], _Lives]:
    """What was kept before, and what follows from this run for each."""
    found = {one.key: one for one in result.breaks}
    kept = {row.break_key: row for row in rows.kept(connection, result.pool, found)}
    booked = _booked(url, result, kept.values()) | set(result.applied)
    lives = _Lives(made_by)
    copies = [key for key, row in kept.items() if row.type == "duplicate" and key not in found]
    given = rows.given(connection, copies) if copies else {}
    for key in sorted(kept.keys() | found.keys()):
        before, seen = kept.get(key), found.get(key)
        steps = of_run(
            None if before is None else _known(before),
            None if seen is None else Amounts(seen.ours, seen.theirs),
            looked=before is not None
            and _looked(before, result, rules)
            and _has_as_many(result, before.source, given.get(key, ())),
            booked=before is not None and (before.event_id or before.match_key) in booked,
        )
        lives.follow(key, before, steps)
    return kept, lives


def _saved(
    connection: stored.Connection, result: Result, made_by: str, left: rows.Found, lives: _Lives
) -> Noted:
    run, _ = rows.save(connection, _run(result, made_by), left)
    open_now = sum(state != "closed" for state in lives.states.values())
    states = {one.key: lives.states[one.key] for one in result.breaks if one.key in lives.states}
    return Noted(run, lives.acts, states, open_now)


def _booked(url: str, result: Result, kept: Iterable[rows.KeptRow]) -> set[str]:
    """Event ids of the approved corrections that the books have, just as they were approved."""
    approved = {
        row.event_id: hash_of(row.content, row.checked_by)
        for row in kept
        if row.event_id is not None and row.content is not None and row.checked_by is not None
    }
    held = rows.booked(url, result.pool, list(approved), result.sequence)
    return {event_id for event_id, content in held.items() if approved[event_id] == content}


def _known(before: rows.KeptRow) -> Kept:
    amounts = Amounts(before.ours, before.theirs)
    return Kept(cast("State", before.state), amounts, before.event_id or before.match_key)


def _looked(before: rows.KeptRow, result: Result, rules: Rules) -> bool:
    """Whether a run covers the place where a break was."""
    if before.source == INTERNAL:
        return any(_is_about(control, before.subject) for control in result.controls)
    source = rules.sources.get(before.source)
    if source is None:
        return False
    scopes = [each for each in result.scopes if each.source == before.source]
    place = Place(
        *(before.account, before.commodity, before.happened_at, before.theirs is None),
        *(before.type, before.subject),
    )
    return looked(scopes, source, place, result.asked.get(before.source, {}))


def _has_as_many(result: Result, source: str, given: Sequence[rows.Span]) -> bool:
    """Whether a run was given a file for each that a run was given before, of the same times.

    A line that stands in two of them is there once in either, so one of them says nothing.
    """
    if len(given) <= 1:
        return True
    left = sorted(
        ((each.begins, each.ends) for each in result.inputs if each.source == source),
        key=lambda span: (span[1] is not None, str(span[1])),
    )
    for span in sorted(given, key=lambda span: (span[1] is not None, str(span[1]))):
        alike = next((each for each in left if _share(each, span)), None)
        if alike is None:
            return False
        left.remove(alike)
    return True


def _share(one: rows.Span, other: rows.Span) -> bool:
    """Whether both tell of a moment, or one of them of none."""
    (begins, ends), (first, last) = one, other
    if begins is None or ends is None or first is None or last is None:
        return True
    return begins <= last and first <= ends


def _is_about(control: Control, subject: str) -> bool:
    """Whether a control that had something to check is the one that found this."""
    return control.checked > 0 and subject.partition(" ")[0] == control.name


def _run(result: Result, made_by: str) -> rows.RunRow:
    matched = sum(sum(each.matched.values()) for each in result.compared)
    return rows.RunRow(
        result.pool,
        result.sequence,
        matched,
        len(result.breaks),
        str(VERSION),
        made_by,
        bytes.fromhex(result.rules),
        bytes.fromhex(result.result_hash),
        result.agreed,
    )


def _left(
    result: Result,
    kept: Mapping[str, rows.KeptRow],
    found: Mapping[str, Break],
    lives: _Lives,
) -> rows.Found:
    sightings = {key: _sighting(seen) for key, seen in found.items()}
    return rows.Found(
        inputs=[
            rows.InputRow(
                each.source,
                each.file,
                each.lines,
                each.begins,
                each.ends,
                bytes.fromhex(each.digest),
            )
            for each in result.inputs
        ],
        controls=[rows.ControlRow(c.name, c.holds, c.checked, c.says) for c in result.controls],
        candidates=_candidates(result),
        breaks=[
            rows.NewBreakRow(
                key, seen.type, seen.source, seen.pool, seen.subject, seen.account, seen.commodity
            )
            for key, seen in found.items()
            if key not in kept
        ],
        sightings=[
            row for key, row in sightings.items() if key not in kept or _has_changed(kept[key], row)
        ],
        events=lives.events,
    )


def _sighting(seen: Break) -> rows.SightingRow:
    return rows.SightingRow(
        seen.key,
        seen.at,
        seen.severity,
        seen.ours,
        seen.theirs,
        seen.our_references,
        seen.their_references,
        seen.says,
    )


def _has_changed(before: rows.KeptRow, row: rows.SightingRow) -> bool:
    old = (before.happened_at, before.severity, before.ours, before.theirs, before.says)
    if old != (row.happened_at, row.severity, row.ours, row.theirs, row.says):
        return True
    references = (tuple(before.our_references), tuple(before.their_references))
    return references != (tuple(row.our_references), tuple(row.their_references))


def _candidates(result: Result) -> list[rows.CandidateRow]:
    written = cast("list[object]", result.as_json()["proposals"]) if result.proposals else []
    return [
        rows.CandidateRow(
            each.key,
            each.score,
            each.source,
            tuple(side.reference for side in each.ours),
            tuple(side.reference for side in each.theirs),
            json.dumps(content),
        )
        for each, content in zip(result.proposals, written, strict=True)
    ]
