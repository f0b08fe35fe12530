"""The reconciliation workbench: breaks, both sides and candidates side by side, and their life.

What may be done follows from `ledger.recon.casework.life` alone: a page offers the acts that the
state of a break allows, and what comes is tried once more. Whoever made a correction cannot approve
it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ledger.core.accounts import HOUSE
from ledger.errors import ActRefused, ConfigurationError, LivesHeld
from ledger.recon.casework import working
from ledger.recon.casework.adjusting import CONTRA, line_of, lines_of
from ledger.recon.casework.life import STATES, Act, Standing, State, may, said, same
from ledger.store.back_office.breaks import BreakRow, Connection, Filter, LifeRow, listed, may_add
from ledger.store.console import breaks as console_breaks
from ledger.web.console.books import auditors, reading
from ledger.web.console.forms import Token, require_token
from ledger.web.console.pages.overview import At
from ledger.web.console.people import NAME, acting, has_scope, require_scope
from ledger.web.console.place import PoolName, Unknown, address
from ledger.web.console.rendering import HEADERS, Page, render, see_other

router = APIRouter(route_class=Page)

LISTED_MAX = 200
CONTRAS = tuple(f"{HOUSE} {kind}" for kind in ("suspense", "fees", "custody", "rounding"))
SEVERITIES = ("critical", "high", "medium", "low")
OF_PEOPLE: tuple[Act, ...] = (
    "assigned",
    "commented",
    "explained",
    "proposed",
    "approved",
    "refused",
    "closed",
)

_ACTS: dict[str, Act] = {
    "comment": "commented",
    "explain": "explained",
    "approve": "approved",
    "refuse": "refused",
    "close": "closed",
}
_KINDS: dict[str, Act] = {**_ACTS, "assign": "assigned", "propose": "proposed"}
"""Of every form, by the end of the address that it is sent to."""

Word = Annotated[str, Query(max_length=64)]
Said = Annotated[str, Form(max_length=2_000)]
Short = Annotated[str, Form(max_length=64)]
Seen = Annotated[int, Form(ge=0)]
"""Of the last event of its life that the page showed; without it, no act is taken."""


@router.get("/pools/{pool}/breaks")
def breaks(
    request: Request,
    pool: PoolName,
    at: At = None,
    state: Word = "",
    severity: Word = "",
    source: Word = "",
    assignee: Word = "",
) -> HTMLResponse:
    """Breaks of a pool, the most severe first."""
    require_scope(request, "back_office", "auditor")
    wanted = Filter(
        pool,
        source=source or None,
        severities=[severity] if severity else None,
        states=[state] if state else None,
        assignee=assignee or None,
        closed=state == "closed",
        limit=LISTED_MAX + 1,
    )
    with reading(request, pool, at) as (connection, place):
        rows = listed(connection, wanted)
        runs = console_breaks.runs(connection, pool)
        controls = console_breaks.controls(connection, runs[0]["run"]) if runs else []
        sources = console_breaks.sources(connection, pool)
    return render(
        request,
        "breaks.html",
        {
            "place": place,
            "rows": rows[:LISTED_MAX],
            "is_more": len(rows) > LISTED_MAX,
            "listed_max": LISTED_MAX,
            "runs": runs,
            "controls": controls,
            "sources": sources,
            "said": {
                "state": state,
                "severity": severity,
                "source": source,
                "assignee": assignee,
            },
            "states": STATES,
            "severities": SEVERITIES,
            "in_words": _in_words,
        },
    )


@router.get("/pools/{pool}/breaks/{key}")
def one_break(request: Request, pool: PoolName, key: str, at: At = None) -> HTMLResponse:
    """One break."""
    require_scope(request, "back_office", "auditor")
    return _break_page(request, pool, key, at, None)


def _break_page(
    request: Request, pool: str, key: str, at: str | None, refused: "Refused | None"
) -> HTMLResponse:
    with reading(request, pool, at) as (connection, place):
        shown = _shown(connection, pool, key)
        may_act = may_add(connection)
        candidates = [
            {"key": one.match_key, "score": one.score, **json.loads(one.content)}
            for one in shown.candidates
        ]
        events = console_breaks.sequences(
            connection, place.shard, [*shown.of.our_references, *_named(candidates)]
        )
    me = acting(request)
    waiting = _maker(shown.life)
    can = _acts(shown.of, waiting, me, is_match=working.match_of(shown.life) is not None)
    is_worker = has_scope(request, "back_office")
    typed = Typed("") if refused is None else refused.typed
    path = address("pools", pool, "breaks", key)
    return render(
        request,
        "break.html",
        {
            "path": path,  # its own also after a form was refused: what follows is read, not sent
            "here": address("pools", pool, "breaks", key, at=at),
            "query": [("at", at)] if at else [],
            "place": place,
            "one": shown.of,
            "seen": shown.of.events,
            "life": [(event, _lines(event)) for event in shown.life],
            "candidates": candidates,
            "adjustment": shown.adjustment,
            "events": events,
            "me": me,
            "may_act": may_act,
            "is_worker": is_worker,
            "can": can,
            "maker": waiting,
            "is_own": waiting is not None and same(waiting, me),
            "contras": CONTRAS,
            "contra": CONTRA,
            "refusal": None if refused is None else refused.why,
            "typed": typed,
            "is_typed_anew": bool(me and may_act and is_worker)
            and can.get(_KINDS.get(typed.act, "found"), False)
            and (not typed.match or typed.match in [one["key"] for one in candidates]),
            "in_words": _in_words,
        },
        409 if refused else 200,
    )


def _shown(connection: Connection, pool: str, key: str) -> working.Shown:
    """A break of the pool.

    Raises:
        Unknown: There is none of this key.
    """
    try:
        found = working.shown_over(connection, key)
    except ConfigurationError as fault:
        raise Unknown(f"pool {pool} has no break {key!r}") from fault
    if found.of.pool != pool:
        raise Unknown(f"break {key} is of pool {found.of.pool}, not of {pool}")
    return found


def _named(candidates: Sequence[dict[str, Any]]) -> list[str]:
    return [side["reference"] for one in candidates for side in one["ours"]]


def _lines(event: LifeRow) -> list[str]:
    """The postings of an adjustment that was proposed."""
    if event.event_id is None or event.content is None:
        return []
    return [str(line) for line in lines_of(event.content)]


def _maker(life: Sequence[LifeRow]) -> str | None:
    """Who made what waits for a checker; None: nothing does."""
    if not life or life[-1].state not in {"explanation_waits", "correction_waits"}:
        return None
    made = [event.made_by for event in life if event.kind in {"explained", "proposed"}]
    return made[-1] if made else None


def _acts(of: BreakRow, maker: str | None, me: str, *, is_match: bool) -> dict[str, bool]:
    """Which acts the state of a break allows this person."""
    state: State = next(state for state in STATES if state == of.state)
    standing = Standing(state, maker, is_match=is_match)
    return {act: may(standing, act, me) for act in OF_PEOPLE}


def _in_words(state: str) -> str:
    return said(next(one for one in STATES if one == state))


@router.get("/pools/{pool}/breaks/{key}/adjustment")
def adjustment(request: Request, pool: PoolName, key: str) -> Response:
    """The event of an approved correction, one line for `clearing ingest`."""
    require_scope(request, "back_office", "auditor")
    with auditors(request).lent() as connection:
        found = _shown(connection, pool, key)
    if found.adjustment is None:
        raise Unknown(f"break {key} has no approved adjustment")
    named = {"Content-Disposition": f'attachment; filename="{found.of.break_key}.jsonl"'}
    return Response(
        found.adjustment + "\n", media_type="application/x-ndjson", headers={**HEADERS, **named}
    )


class Typed(NamedTuple):
    """What stood in the fields of a form; of `act` as its address has it."""

    act: str
    words: str = ""
    to: str = ""
    lines: str = ""
    against: str = ""
    match: str = ""


class Refused(NamedTuple):
    """An act that was not taken, with what was typed for it."""

    why: str
    typed: Typed


class Sent(NamedTuple):
    """What every form of a break says.

    Attributes:
        seen: Number of the last event of its life that the page showed.
        at: The moment of the books that the page stood at.
    """

    pool: str
    key: str
    token: str
    seen: int
    at: str | None


def _sent(pool: PoolName, key: str, token: Token, seen: Seen = 0, at: At = None) -> Sent:
    return Sent(pool, key, token, seen, at)


@router.post("/pools/{pool}/breaks/{key}/assign")
async def assign(
    request: Request, sent: Annotated[Sent, Depends(_sent)], to: Short = "", words: Said = ""
) -> Response:
    """Say who works on it."""

    def act(url: str, who: str) -> working.Done:
        name = to.strip()
        if name and not NAME.fullmatch(name):
            raise ActRefused(f"To {name!r}: 1 to 64 of [A-Za-z0-9._:-] are expected, or nothing")
        return working.assign(url, sent.key, who, name or None, words, seen=sent.seen)

    return await _done(request, sent, act, Typed("assign", words, to))


@router.post("/pools/{pool}/breaks/{key}/propose")
async def propose(
    request: Request,
    sent: Annotated[Sent, Depends(_sent)],
    words: Said,
    lines: Said = "",
    against: Short = CONTRA,
    match: Short = "",
) -> Response:
    """Propose an adjustment, or a match."""

    def act(url: str, who: str) -> working.Done:
        wanted = working.Proposed(
            tuple(line_of(line) for line in lines.splitlines() if line.strip()),
            against,
            match=match or None,
        )
        return working.propose(url, sent.key, who, words, wanted, seen=sent.seen)

    typed = Typed("propose", words, lines=lines, against=against, match=match)
    return await _done(request, sent, act, typed)


@router.post("/pools/{pool}/breaks/{key}/{act}")
async def other(
    request: Request, sent: Annotated[Sent, Depends(_sent)], act: str, words: Said = ""
) -> Response:
    """Comment, explain, approve, refuse or close."""
    if act not in _ACTS:
        raise Unknown(f"nothing called {act!r} can be done to a break")
    return await _done(
        request,
        sent,
        lambda url, who: working.do(url, sent.key, _ACTS[act], who, words, seen=sent.seen),
        Typed(act, words),
    )


@router.get("/pools/{pool}/breaks/{key}/{act}")
def looked(pool: PoolName, key: str, act: str, at: At = None) -> RedirectResponse:
    """The address of an act, opened: leads to its break."""
    if act not in _KINDS:
        raise Unknown(f"nothing called {act!r} can be done to a break")
    return see_other(address("pools", pool, "breaks", key, at=at))


async def _done(
    request: Request, sent: Sent, act: Callable[[str, str], working.Done], typed: Typed
) -> Response:
    """Do it as whoever is here; a refusal is shown above the break."""
    may_act = await run_in_threadpool(_permitted, request, sent)
    who = acting(request)
    url: str = request.app.state.settings.database_url
    try:
        _require_worker(who, may_act=may_act)
        async with _one_of_few(request):
            await run_in_threadpool(act, url, who)
    except (ActRefused, ConfigurationError, LivesHeld) as fault:
        refused = Refused(str(fault), typed)
        return await run_in_threadpool(_break_page, request, sent.pool, sent.key, sent.at, refused)
    answer: RedirectResponse = see_other(
        address("pools", sent.pool, "breaks", sent.key, at=sent.at)
    )
    return answer


def _permitted(request: Request, sent: Sent) -> bool:
    """The form is ours, its sender may work, the break is there; whether the server may act."""
    require_token(request, sent.token)
    require_scope(request, "back_office")
    with auditors(request).lent() as connection:
        _shown(connection, sent.pool, sent.key)
        return may_add(connection)


def _require_worker(who: str, *, may_act: bool) -> None:
    if not may_act:
        raise ActRefused("nothing can be done to breaks here: the server's login may only read")
    if not who:
        raise ActRefused("say your name first: every act on a break is kept with a name")
    if not NAME.fullmatch(who):
        raise ActRefused(
            f"the token is named {who!r}, which the life of a break does not keep: ask for one"
            " with a name of letters, digits and . _ : -"
        )


@asynccontextmanager
async def _one_of_few(request: Request) -> AsyncIterator[None]:
    """A place among those who write, each over a connection of its own; no thread waits for it.

    Raises:
        LivesHeld: None became free in time.
    """
    acts: asyncio.Semaphore = request.app.state.acts
    try:
        async with asyncio.timeout(request.app.state.settings.connection_wait_s):
            await acts.acquire()
    except TimeoutError:
        raise LivesHeld("others are writing to breaks: nothing was done, try again") from None
    try:
        yield
    finally:
        acts.release()
