"""Pages of participants: who there is, and what one of them has, owes and did, at any event."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, JSONResponse

from ledger.store.console import participants as console_participants
from ledger.store.console import postings as console_postings
from ledger.store.console import records as console_records
from ledger.store.console.pools import Connection
from ledger.web.console.books import reading
from ledger.web.console.charts import Line, chart
from ledger.web.console.exact import added
from ledger.web.console.later import later
from ledger.web.console.pages.overview import At
from ledger.web.console.place import AccountName, Place, PoolName, Unknown
from ledger.web.console.rendering import Page, render

router = APIRouter(route_class=Page)

Name = Annotated[str, Query(max_length=64)]
POINTS = 48
STATEMENT_ROWS = 25
CASH_KINDS = ("wallet", "isolated", "hold")


@router.get("/pools/{pool}/participants")
def participants(
    request: Request, pool: PoolName, at: At = None, after: Name = "", find: Name = ""
) -> HTMLResponse:
    """Participants by id, a page at a time; those that came later are none yet."""
    budget_s = request.app.state.settings.page_budget_ms / 1000
    with reading(request, pool, at) as (connection, place):
        found = console_participants.page(
            connection, place.shard, place.at, after, find, budget_s=budget_s
        )
    rows = [_summary(name, held, place.asset) for name, held in found.held.items()]
    return render(
        request,
        "participants.html",
        {
            "place": place,
            "rows": rows,
            "find": find,
            "after": after,
            "following": found.following,
        },
    )


def _summary(name: str, held: Sequence[Mapping[str, Any]], asset: str) -> dict[str, Any]:
    """A line of the list."""

    def cash(kind: str) -> Decimal:
        found = (row["balance"] for row in held if row["kind"] == kind and row["asset"] == asset)
        return added(found)

    return {
        "account": name,
        "wallet": cash("wallet"),
        "isolated": cash("isolated"),
        "hold": cash("hold"),
        "others": sorted(
            {row["asset"] for row in held if row["kind"] == "wallet" and row["balance"]} - {asset}
        ),
        "positions": [row for row in held if row["kind"] == "position" and row["balance"]],
        "sequence": max((row["sequence"] for row in held), default=None),
    }


@router.get("/pools/{pool}/participants/{account}")
def participant(
    request: Request, pool: PoolName, account: AccountName, at: At = None
) -> HTMLResponse:
    """One participant."""
    with reading(request, pool, at) as (connection, place):
        if not console_participants.is_known(connection, place.shard, account):
            raise Unknown(f"account {account!r} has no posting in pool {pool}")
        held = console_participants.held(connection, place.shard, place.at, [account])
        if not held:
            came = console_participants.first_event(connection, place.shard, account)
            return later(request, place, f"Participant {account}", came, "participants", account)
        margin = console_participants.margin(connection, pool, place.at, account)
        positions = console_participants.positions(connection, pool, place.at, account)
        terms = console_records.instruments(connection, place.shard, place.at)
        movements = _movements(connection, place, account)
    return render(
        request,
        "participant.html",
        {
            "place": place,
            "account": account,
            "cash": [row for row in held if row["asset"] and row["kind"] != "variation"],
            "margin": margin,
            "positions": positions,
            "terms": {row["name"]: row["content"] for row in terms},
            "movements": movements,
        },
    )


def _movements(connection: Connection, place: Place, account: str) -> list[console_postings.Leg]:
    """The newest postings to its cash, in one statement."""
    found: list[console_postings.Leg] = []
    for kind in CASH_KINDS:
        wanted = console_postings.Filter(owner=account, kind=kind, last=place.at)
        found += console_postings.page(connection, place.shard, wanted, None, STATEMENT_ROWS).legs
    found.sort(key=lambda leg: (leg.sequence, leg.line), reverse=True)
    return found[:STATEMENT_ROWS]


@router.get("/pools/{pool}/participants/{account}/history.json")
def history(request: Request, pool: PoolName, account: AccountName, at: At = None) -> JSONResponse:
    """Equity and requirements of a participant at even distances, from its first event on."""
    with reading(request, pool, at) as (connection, place):
        first = console_participants.first_event(connection, place.shard, account)
        sequences = console_records.evenly(first, place.head, POINTS)
        rows = console_participants.history(connection, pool, place.shard, account, sequences)
    lines = [
        Line(f"equity, {place.asset}", [row["equity"] for row in rows]),
        Line("initial margin", [row["initial_margin"] for row in rows], "line", "third"),
        Line("maintenance margin", [row["maintenance_margin"] for row in rows], "line", "loss"),
    ]
    links = [place.to("participants", account, at=row["at"]) for row in rows]
    return chart("sequence", [row["at"] for row in rows], lines, links)
