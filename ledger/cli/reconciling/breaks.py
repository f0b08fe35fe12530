"""The commands that look at breaks and work on them, under `clearing reconcile`."""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, get_args

import typer

from ledger.assembly import database
from ledger.cli.options import AsJson, DatabaseUrl, say, say_json
from ledger.cli.reconciling.options import (
    By,
    Key,
    Pool,
    Seen,
    age,
    amount,
    as_json,
    duration,
    moment,
    table,
    who,
)
from ledger.errors import ConfigurationError
from ledger.recon.breaks import BreakType
from ledger.recon.casework import working
from ledger.recon.casework.adjusting import CONTRA, line_of, lines_of
from ledger.recon.casework.life import STATES, Act, said
from ledger.recon.rules import SEVERITIES
from ledger.reports.output.tables_csv import unworked, write_rows
from ledger.store.back_office.breaks import BreakRow, Filter, listed, opened

Words = Annotated[str, typer.Argument(metavar="WORDS", help="What you say; kept for good.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Append the adjustment to this file as well."),
]


def breaks(
    pool: Pool = None,
    source: Annotated[str | None, typer.Option("--source", help="Of this source.")] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Of this type; may be repeated.")
    ] = None,
    severity: Annotated[
        list[str] | None, typer.Option("--severity", help="Of this severity; may be repeated.")
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="In this state; may be repeated.")
    ] = None,
    assignee: Annotated[str | None, typer.Option("--assignee", help="Of this person.")] = None,
    unassigned: Annotated[bool, typer.Option("--unassigned", help="Of nobody yet.")] = False,
    account: Annotated[str | None, typer.Option("--account", help="On this account.")] = None,
    older: Annotated[
        str | None,
        typer.Option("--older", metavar="AGE", help="First found 90m, 36h, 2d ago or longer."),
    ] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Closed ones, too.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="How many at most. Default: all.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all columns as CSV.")] = False,
    database_url: DatabaseUrl = None,
    as_json_: AsJson = False,
) -> None:
    """List breaks that are not closed, the most severe first, and the oldest first among them.

    Example: clearing reconcile breaks --severity critical --severity high --older 2d
    """
    _require_known("--type", type_, get_args(BreakType))
    _require_known("--severity", severity, SEVERITIES)
    _require_known("--state", state, STATES)
    if as_csv and as_json_:
        raise ConfigurationError("--csv and --json: one of both")
    wanted = Filter(
        pool, source, type_, severity, state, assignee, account, unassigned,
        closed or "closed" in (state or ()), None if older is None else duration(older), limit,
    )  # fmt: skip
    with database(database_url) as url, opened(url, "clearing reconcile") as connection:
        found = listed(connection, wanted)
    if as_json_:
        say_json([as_json(one) for one in found])
    elif as_csv:
        _csv(found)
    else:
        for line in table(found):
            say(line)
        say(f"{len(found)} {'break' if len(found) == 1 else 'breaks'}")


def _require_known(option: str, given: Sequence[str] | None, known: Sequence[str]) -> None:
    if unknown := set(given or ()) - set(known):
        raise ConfigurationError(f"{option} {min(unknown)}: expected {', '.join(known)}")


def _csv(found: list[BreakRow]) -> None:
    write_rows(sys.stdout, [BreakRow._fields])
    write_rows(sys.stdout, ([*map(_cell, one, as_json(one).values())] for one in found))


def _cell(raw: object, plain: object) -> str:
    """As a report writes it: words of outsiders are no formula, figures are as they are."""
    if isinstance(plain, list):
        return unworked(" ".join(plain))
    if plain is None:
        return ""
    return unworked(str(plain)) if isinstance(raw, str) else str(plain)


def show(key: Key, database_url: DatabaseUrl = None, as_json_: AsJson = False) -> None:
    """Show a break: both sides, its life, what may be its match, and its correction.

    Example: clearing reconcile show 3f0a
    """
    with database(database_url) as url:
        found = working.shown(url, key)
    if as_json_:
        say_json(
            as_json(found.of)
            | {
                "life": [_event(event._asdict()) for event in found.life],
                "candidates": [json.loads(one.content) for one in found.candidates],
                "adjustment": None if found.adjustment is None else json.loads(found.adjustment),
            }
        )
        return
    for line in _shown(found):
        say(line)


def _event(event: dict[str, object]) -> dict[str, object]:
    content = event["content"]
    made_at = event["made_at"]
    assert isinstance(made_at, datetime)
    return event | {
        "made_at": made_at.isoformat().replace("+00:00", "Z"),
        "content": json.loads(content) if isinstance(content, str) else None,
    }


def _shown(found: working.Shown) -> Iterator[str]:
    one = found.of
    state = next(state for state in STATES if state == one.state)
    yield f"break {one.break_key}, {one.type}, {one.severity}: {one.says}"
    yield f"  pool {one.pool}, source {one.source}, about {one.subject}"
    yield f"  {said(state)}; found {age(one.age)} ago, assigned to {one.assignee or 'nobody'}"
    happened = f", at {moment(one.happened_at)}" if one.happened_at else ""
    yield f"  on {one.account or 'no account'}{happened}"
    yield ""
    for side, figure, references in (
        ("ours", one.ours, one.our_references),
        ("theirs", one.theirs, one.their_references),
    ):
        written = "nothing" if figure is None else f"{amount(figure)} {one.commodity}".rstrip()
        yield f"{side:<8}{written:<28}{', '.join(references)}".rstrip()
    yield f"{'apart':<8}{amount(one.difference)} {one.commodity}".rstrip()
    yield ""
    yield f"life, for what you do by it: --seen {found.life[-1].number}"
    for event in found.life:
        by = f"run {event.run} by {event.made_by}" if event.run else event.made_by
        by += f" (login {event.login})" if event.login != event.made_by else ""
        words = f": {event.words}" if event.words else ""
        to = f" to {event.assignee or 'nobody'}" if event.kind == "assigned" else ""
        yield f"  {event.number}. {moment(event.made_at)} {event.kind}{to}, {by}{words}"
        if event.event_id is not None and event.content is not None:
            yield from (f"       {line}" for line in lines_of(event.content))
        if event.match_key is not None:
            yield f"       to agree to candidate {event.match_key}"
    for candidate in found.candidates:
        yield from _candidate(candidate.match_key, candidate.score, json.loads(candidate.content))
    if found.adjustment is not None:
        yield ""
        yield "its correction, for clearing ingest"
        yield found.adjustment


def _candidate(key: str, score: int, content: dict[str, list[dict[str, object]]]) -> Iterator[str]:
    yield ""
    yield f"candidate {key}, {score} of 100"
    for side in ("ours", "theirs"):
        for one in content[side]:
            place = f"{one['account']} " if one["account"] else ""
            figures = f"{place}{one['amount']} {one['commodity']}"
            at = f", {moment(datetime.fromisoformat(str(one['at'])))}" if one["at"] else ""
            yield f"  {side:<8}{one['reference']}: {figures}{at}, {one['says']}".rstrip(", ")
    for why in content["why"]:
        yield f"  {why['points']:>4}  {why['says']}"


def assign(
    key: Key,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="Who works on it. Default: nobody.")
    ] = None,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What you say.")] = "",
    by: By = None,
    seen: Seen = None,
    database_url: DatabaseUrl = None,
    as_json_: AsJson = False,
) -> None:
    """Say who works on a break.

    Example: clearing reconcile assign 3f0a --to maria --by noor
    """
    with database(database_url) as url:
        _tell(working.assign(url, key, who(by), to, words, seen=seen), as_json=as_json_)


def comment(
    key: Key,
    words: Words,
    by: By = None,
    seen: Seen = None,
    database_url: DatabaseUrl = None,
    as_json_: AsJson = False,
) -> None:
    """Say something about a break, which stays as it is.

    Example: clearing reconcile comment 3f0a "asked the bank" --by maria
    """
    _done("commented", key, words, by, seen, database_url, as_json=as_json_)


def explain(
    key: Key,
    words: Words,
    by: By = None,
    seen: Seen = None,
    database_url: DatabaseUrl = None,
    as_json_: AsJson = False,
) -> None:
    """Explain why both sides differ and nothing has to be corrected; another approves it.

    Example: clearing reconcile explain 3f0a "value date is tomorrow" --by maria
    """
    _done("explained", key, words, by, seen, database_url, as_json=as_json_)


def propose(
    key: Key,
    words: Words,
    line: Annotated[
        list[str] | None,
        typer.Option(
            "--line",
            metavar="LINE",
            help="Of the adjustment: 'anna wallet USD -5'. Default: two that make our side theirs.",
        ),
    ] = None,
    against: Annotated[
        str, typer.Option("--against", metavar="ACCOUNT", help="Other side of the default lines.")
    ] = CONTRA,
    at: Annotated[
        datetime | None,
        typer.Option(
            "--at",
            formats=["%Y-%m-%dT%H:%M:%S%z"],
            metavar="TIME",
            help="When it is to have occurred. Default: when the break did, else now.",
        ),
    ] = None,
    match: Annotated[
        str | None,
        typer.Option("--match", metavar="KEY", help="Agree to this candidate, instead."),
    ] = None,
    by: By = None,
    seen: Seen = None,
    database_url: DatabaseUrl = None,
    as_json_: AsJson = False,
) -> None:
    """Propose a correction: an adjustment of our books, or a match; another approves it.

    Example: clearing reconcile propose 3f0a "bank fee" --against "@house fees" --by maria
    """
    if match is not None and line:
        raise ConfigurationError("a correction is an adjustment, --line, or a match, --match")
    wanted = working.Proposed(tuple(line_of(text) for text in line or ()), against, at, match)
    with database(database_url) as url:
        _tell(working.propose(url, key, who(by), words, wanted, seen=seen), as_json=as_json_)


def approve(
    key: Key,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What you say.")] = "",
    by: By = None,
    seen: Seen = None,
    out: Out = None,
    database_url: DatabaseUrl = None,
    as_json_: AsJson = False,
) -> None:
    """Approve what another explained or proposed; of an adjustment, prints the event to ingest.

    Example: clearing reconcile approve 3f0a --seen 3 --by noor --out adjustments.jsonl
    """
    with database(database_url) as url:
        done = working.do(url, key, "approved", who(by), words, seen=seen)
    if out is not None and done.adjustment is not None:
        try:
            with out.open("a", encoding="utf-8") as file:
                file.write(done.adjustment + "\n")
        except OSError as fault:
            raise ConfigurationError(
                f"--out {out}: {fault.strerror}; it is approved, and `clearing reconcile show"
                f" {done.break_key}` prints the adjustment"
            ) from fault
    _tell(done, as_json=as_json_)


def refuse(
    key: Key,
    words: Words,
    by: By = None,
    seen: Seen = None,
    database_url: DatabaseUrl = None,
    as_json_: AsJson = False,
) -> None:
    """Refuse what was explained or proposed, also after it was approved; the break is open again.

    Example: clearing reconcile refuse 3f0a "wrong account" --by noor
    """
    _done("refused", key, words, by, seen, database_url, as_json=as_json_)


def close(
    key: Key,
    words: Words,
    by: By = None,
    seen: Seen = None,
    database_url: DatabaseUrl = None,
    as_json_: AsJson = False,
) -> None:
    """Close a break that is explained, corrected or gone; a run that finds it again opens it.

    Example: clearing reconcile close 3f0a "corrected, and the bank agrees" --by noor
    """
    _done("closed", key, words, by, seen, database_url, as_json=as_json_)


def _done(
    act: Act,
    key: str,
    words: str,
    by: str | None,
    seen: int | None,
    database_url: str | None,
    *,
    as_json: bool,
) -> None:
    with database(database_url) as url:
        _tell(working.do(url, key, act, who(by), words, seen=seen), as_json=as_json)


def _tell(done: working.Done, *, as_json: bool) -> None:
    if as_json:
        adjustment = None if done.adjustment is None else json.loads(done.adjustment)
        say_json(done._asdict() | {"adjustment": adjustment})
        return
    say(f"break {done.break_key} is {said(done.state)}")
    if done.adjustment is not None:
        say(done.adjustment)


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    for command in (
        *(breaks, show, assign, comment, explain),
        *(propose, approve, refuse, close),
    ):
        group.command()(command)
