"""One endpoint for each listing: read in a snapshot, a page at a time, in the format asked for."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ledger.store.web import journals as web_journals
from ledger.store.web import states as web_states
from ledger.store.web.journals import Journal, Place
from ledger.store.web.pace import Pace
from ledger.store.web.pools import head, sequence_at
from ledger.store.web.rows import NotThere, Rows
from ledger.store.web.states import State
from ledger.store.web.sums import Read, Sum
from ledger.web.api import asking
from ledger.web.api.arrow import as_arrow
from ledger.web.api.catalogue import Listing, Source
from ledger.web.api.cursors import Part, cursor, place
from ledger.web.api.formats import MEDIA_TYPES, Format, as_csv, as_json, chosen, moment
from ledger.web.api.sums import KeptSums, Made
from ledger.web.problems import Problem
from ledger.web.settings import WebSettings

LIMIT = 100

Endpoint = Callable[..., Response | Awaitable[Response]]


class Found(NamedTuple):
    """A page: its rows, as of which event or moment, and where the next one begins."""

    rows: Rows
    sequence: int
    next: tuple[Part, ...] | None
    read: Read | None = None


class Asked(NamedTuple):
    """What a request asks of a listing.

    Attributes:
        question: What a cursor is bound to.
    """

    question: list[object]
    form: Format
    pool: str
    at: int | datetime | None
    first: int | datetime | None
    newest_first: bool
    filters: Mapping[str, str]
    after: tuple[Part, ...] | None
    limit: int


def endpoint(listing: Listing) -> Endpoint:
    """The function that answers requests for a listing; its signature names the parameters."""
    parameters = _parameters(listing)
    known = [_alias(each) for each in parameters if each.name not in ("request", "pool")]

    def asked_by(request: Request, values: Mapping[str, Any]) -> Asked:
        asking.require_known(request, known)
        form = chosen(request.headers.get("accept", ""), values["format_"])
        return _asked(listing, values, form)

    def answer(request: Request, **values: Any) -> Response:  # noqa: ANN401 - as the signature says
        asked = asked_by(request, values)
        return _page(request, listing, asked, _read(request, listing, asked))

    async def answer_of_sum(request: Request, **values: Any) -> Response:  # noqa: ANN401 - as above
        asked = asked_by(request, values)
        kept: KeptSums = request.app.state.sums
        sum_ = cast("Sum", listing.source)
        made = await kept.made(request.state.caller.key, sum_, asked.pool, _then(sum_, asked))
        return await run_in_threadpool(
            lambda: _page(request, listing, asked, _of_sum(made, sum_, asked))
        )

    made = answer_of_sum if isinstance(listing.source, Sum) else answer
    made.__name__ = listing.name
    made.__doc__ = listing.remark
    cast("Any", made).__signature__ = inspect.Signature(parameters, return_annotation=Response)
    return made


def _page(request: Request, listing: Listing, asked: Asked, found: Found) -> Response:
    following = None
    if found.next is not None:
        following = _next_address(request, cursor(asked.question, found.next))
    return response(found.rows, asked.form, _around(asked.pool, listing, found), following)


def response(
    rows: Rows, form: Format, around: dict[str, object], following: str | None
) -> Response:
    """Rows as they were asked for, with a `Link` to the next page."""
    if form == "json":
        body = as_json(rows, around, following)
    else:
        body = as_csv(rows) if form == "csv" else as_arrow(rows)
    headers = {"Vary": "Accept"}
    if "sequence" in around:
        headers["Clearing-Sequence"] = str(around["sequence"])
    if following is not None:
        headers["Link"] = f'<{following}>; rel="next"'
    return Response(body, media_type=MEDIA_TYPES[form], headers=headers)


def _parameters(listing: Listing) -> list[inspect.Parameter]:
    source = listing.source
    named: dict[str, tuple[Any, Any]] = {"request": (Request, inspect.Parameter.empty)}
    named["pool"] = (asking.PoolName, inspect.Parameter.empty)
    is_of_clock = isinstance(source, Sum) and source.is_of_clock
    named["at"] = (asking.AtClock if is_of_clock else asking.At, None)
    if isinstance(source, Journal):
        named["from_"] = (asking.From, None)
        named["newest_first"] = (asking.NewestFirst, False)
    if isinstance(source, State):
        named["account"] = (asking.filter_of(["account"]), None)
    for name, columns in source.filters.items():
        named[name] = (asking.filter_of(columns), None)
    named["limit"] = (asking.Limit, LIMIT)
    named["after"] = (asking.After, None)
    named["format_"] = (asking.AskedFormat, None)
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
        )
        for name, (annotation, default) in named.items()
    ]


def _alias(parameter: inspect.Parameter) -> str:
    return parameter.name.rstrip("_")


def _asked(listing: Listing, values: Mapping[str, Any], form: Format) -> Asked:
    names = [*listing.source.filters]
    if isinstance(listing.source, State):
        names.append("account")
    filters = {name: values[name] for name in names if values[name] is not None}
    at, first = values.get("at"), values.get("from_")
    newest_first = values.get("newest_first", False)
    question = [listing.name, values["pool"], at, first, newest_first, sorted(filters.items())]
    word = values["after"]
    return Asked(
        question,
        form,
        asking.pool_of(values["pool"]),
        None if at is None else _moment(listing.source, at),
        None if first is None else asking.moment_or_sequence("from", first),
        newest_first,
        filters,
        None if word is None else _place(listing.source, question, word),
        values["limit"],
    )


def _moment(source: Source, at: str) -> int | datetime:
    if isinstance(source, Sum) and source.is_of_clock:
        return asking.moment_of_clock("at", at)
    return asking.moment_or_sequence("at", at)


def _place(source: Source, question: list[object], word: str) -> tuple[Part, ...]:
    """Where a cursor begins."""
    found = place(question, word)
    if not _fits(source, found):
        raise Problem("invalid_cursor", "`after` is not a cursor of this listing")
    return found


def _fits(source: Source, found: tuple[Part, ...]) -> bool:
    """The parts are those of a place in such a listing."""
    match source:
        case State():
            return len(found) in (1, len(source.key)) and all(map(asking.is_id_or_empty, found))
        case Journal():
            return len(found) == len(Place._fields) and all(map(asking.is_count, found))
        case Sum():
            return (
                len(found) == 1 + len(source.key)
                and asking.is_count(found[0])
                and all(asking.is_count(part) or asking.is_id_or_empty(part) for part in found)
            )


def _next_address(request: Request, word: str) -> str:
    kept = [(name, value) for name, value in request.query_params.items() if name != "after"]
    return f"{request.url.path}?{urlencode([*kept, ('after', word)])}"


def _around(pool: str, listing: Listing, found: Found) -> dict[str, object]:
    around = {"pool": pool, "listing": listing.name, "sequence": found.sequence}
    if found.read is None:
        return around
    return {**around, "as_of": moment(found.read.moment), "run": found.read.run}


def _read(request: Request, listing: Listing, asked: Asked) -> Found:
    settings: WebSettings = request.app.state.settings
    assert not isinstance(listing.source, Sum), "sums are kept"
    with request.app.state.readers.lent() as connection:
        newest = head(connection, asked.pool)
        at = None
        if asked.at is not None:
            at = sequence_at(connection, asked.pool, asked.at, newest)
        budget_s = settings.page_budget_ms / 1000
        if isinstance(listing.source, State):
            return _of_state(connection, listing.source, asked, at, newest, budget_s)
        pace: Pace = request.app.state.pace
        first = 1
        if isinstance(asked.first, datetime):
            first = _first_after(connection, asked, newest)
        elif asked.first is not None:
            first = max(1, asked.first)
        bounds = (first, newest if at is None else at)
        return _of_journal(connection, listing.source, asked, bounds, budget_s, pace)


def _first_after(connection: Any, asked: Asked, newest: int) -> int:  # noqa: ANN401 - of the store
    """The first event after a moment; before the first moment, the first event."""
    try:
        return sequence_at(connection, asked.pool, cast("datetime", asked.first), newest) + 1
    except NotThere:
        return 1


def _of_state(
    connection: Any,  # noqa: ANN401 - of the store
    source: State,
    asked: Asked,
    at: int | None,
    newest: int,
    budget_s: float,
) -> Found:
    filters = dict(asked.filters)
    account = filters.pop("account", None)
    after = None if asked.after is None else tuple(str(part) for part in asked.after)
    wanted = web_states.Wanted(asked.pool, at, account, filters, after, asked.limit, budget_s)
    page = web_states.page(connection, source, wanted)
    return Found(Rows(page.columns, page.rows), newest if at is None else at, page.next)


def _of_journal(
    connection: Any,  # noqa: ANN401 - of the store
    source: Journal,
    asked: Asked,
    bounds: tuple[int, int],
    budget_s: float,
    pace: Pace,
) -> Found:
    start = None
    if asked.after is not None:
        sequence, given = asked.after
        start = Place(int(sequence), int(given))
    wanted = web_journals.Wanted(
        asked.pool,
        *bounds,
        asked.newest_first,
        start,
        asked.filters,
        asked.limit,
        budget_s,
    )
    page = web_journals.page(connection, source, wanted, pace)
    rows = Rows(page.columns, page.rows)
    if asked.at is not None:
        rows = _as_known_at(rows, bounds[1])
    return Found(rows, bounds[1], page.next)


def _as_known_at(rows: Rows, at: int) -> Rows:
    """Without the end of what ended later."""
    names = [column.name for column in rows.columns]
    if "closed_sequence" not in names:
        return rows
    closed = names.index("closed_sequence")
    ends = {names.index(name) for name in ("closed_sequence", "closed_at", "end_reason")}
    return Rows(
        rows.columns,
        [
            tuple(None if place in ends else value for place, value in enumerate(row))
            if row[closed] is not None and row[closed] > at
            else row
            for row in rows.rows
        ],
    )


def _then(source: Sum, asked: Asked) -> int | datetime | None:
    """Of when a page is: those of an event behind the first are of the same."""
    if asked.at is not None or asked.after is None or source.is_of_clock:
        return asked.at
    return int(asked.after[0])


def _of_sum(made: Made, source: Sum, asked: Asked) -> Found:
    found = made.matching(source, asked.filters) if asked.filters else made
    place = () if asked.after is None else asked.after[1:]
    some, last = found.behind(source, place, asked.limit)
    following = None if last is None else (found.sequence, *last)
    return Found(Rows(found.rows.columns, some), found.sequence, following, found.read)
