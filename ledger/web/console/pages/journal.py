"""Pages of the journal: the postings that a figure is made of, and one event with all it led to."""

import re
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse

from ledger.core.accounts import KINDS_OF_HOUSE, KINDS_OF_PARTICIPANT
from ledger.errors import ConfigurationError
from ledger.store.console import postings as console_postings
from ledger.store.console import records as console_records
from ledger.store.console.pools import Connection
from ledger.store.console.records import Numbered
from ledger.web.console.books import reading
from ledger.web.console.later import later
from ledger.web.console.pages.overview import At
from ledger.web.console.people import has_scope
from ledger.web.console.place import Place, PoolName, Sequence, Unknown, address
from ledger.web.console.rendering import Page, render, see_other
from ledger.web.console.worked.totals import by_commodity

router = APIRouter(route_class=Page)

Word = Annotated[str, Query(max_length=64)]
Bound = Annotated[str, Query(pattern=r"^[0-9]{0,18}$")]
_AFTER = re.compile(r"(\d{1,18})\.(\d{1,9})", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_EXPLAINED = {
    each.letter: each
    for each in (console_records.DELEVERAGINGS, console_records.CALLS, console_records.MOVEMENTS)
}
KINDS = sorted(KINDS_OF_HOUSE | KINDS_OF_PARTICIPANT)


class Wanted(NamedTuple):
    """The filter as the page's form says it; empty takes any."""

    account: str
    kind: str
    instrument: str
    asset: str
    first: str
    last: str

    def up_to(self, at: int) -> console_postings.Filter:
        """The same for the books, which end at an event."""
        return console_postings.Filter(
            self.account or None,
            self.kind or None,
            self.instrument or None,
            self.asset or None,
            int(self.first or 1),
            min(int(self.last or at), at),
        )


def _accounts(
    account: Word = "", kind: Word = "", instrument: Word = "", asset: Word = ""
) -> tuple[str, str, str, str]:
    return account, kind, instrument, asset


def _wanted(
    accounts: Annotated[tuple[str, str, str, str], Depends(_accounts)],
    first: Bound = "",
    last: Bound = "",
) -> Wanted:
    return Wanted(*accounts, first, last)


@router.get("/pools/{pool}/postings")
def postings(
    request: Request,
    pool: PoolName,
    asked: Annotated[Wanted, Depends(_wanted)],
    at: At = None,
    after: Word = "",
) -> HTMLResponse:
    """Postings, the newest first."""
    with reading(request, pool, at) as (connection, place):
        wanted = asked.up_to(place.at)
        found = console_postings.page(connection, place.shard, wanted, _address_of(after))
    said = asked._asdict()
    following = None
    if found.after is not None:
        following = place.postings(**said, after="{}.{}".format(*found.after))
    return render(
        request,
        "postings.html",
        {
            "place": place,
            "said": said,
            "kinds": KINDS,
            "found": found,
            "following": following,
            "is_first": not after,
        },
    )


def _address_of(after: str) -> tuple[int, int] | None:
    if not after:
        return None
    found = _AFTER.fullmatch(after)
    if found is None:
        raise ConfigurationError(f"after={after}: expected SEQUENCE.LINE like 120.2")
    return int(found[1]), int(found[2])


@router.get("/pools/{pool}/events/{sequence}")
def event(request: Request, pool: PoolName, sequence: Sequence, at: At = None) -> HTMLResponse:
    """One event: the message as it came, its entry, its records, its hashes."""
    with reading(request, pool, at) as (connection, place):
        found = console_postings.event(connection, place.shard, sequence)
        if found is None:
            raise Unknown(f"pool {pool} has no event {sequence} here; it has 1 to {place.head}")
        if sequence > place.at:
            return later(request, place, f"Event {sequence}", sequence, "events", sequence)
        legs = console_postings.legs_of(connection, place.shard, sequence)
        records = console_postings.records_of(connection, place.shard, sequence)
    return render(
        request,
        "event.html",
        {
            "place": place,
            "event": found,
            "legs": legs,
            "sums": by_commodity(legs),
            "records": records,
            "legs_max": console_postings.EVENT_POSTINGS_MAX,
            "records_max": console_postings.EVENT_RECORDS_MAX,
        },
    )


@router.get("/pools/{pool}/find")
def find(request: Request, pool: PoolName, q: Word = "", at: At = None) -> RedirectResponse:
    """Leads to whatever an id names: a sequence, a record, an event, a participant.

    To the explanation of a record where the token opens it, else to the event that it came with.
    """
    asked = q.strip()
    with reading(request, pool, at) as (connection, place):
        if _NUMBER.fullmatch(asked):
            return see_other(place.event(int(asked)))
        letter, _, number = asked.partition("-")
        if _NUMBER.fullmatch(number) and letter == console_records.LIQUIDATIONS.letter:
            return see_other(place.to("liquidations", asked))
        if _NUMBER.fullmatch(number) and letter in _EXPLAINED:
            if has_scope(request, "auditor"):
                return see_other(place.to("explain", asked))
            return see_other(_of_record(connection, place, _EXPLAINED[letter], int(number)))
        sequence = console_postings.sequence_of(connection, place.shard, asked)
    if sequence is not None:
        return see_other(place.event(sequence))
    return see_other(address("pools", pool, "participants", find=asked, at=at))


def _of_record(connection: Connection, place: Place, of: Numbered, number: int) -> str:
    """The address of the event that a record came with.

    Raises:
        Unknown: There is no such record here.
    """
    found = console_records.numbered(connection, place.shard, of, [number])
    if not found:
        raise Unknown(f"pool {place.pool} has no {of.letter}-{number} here")
    return place.event(found[0]["sequence"])
