"""All routes of the API in one router, each with the scopes that open it."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from ledger.store.web.connections import Readers
from ledger.store.web.pools import pools as all_pools
from ledger.web.api import asking, explaining, listing, streams
from ledger.web.api.catalogue import EVERYBODY, LISTINGS
from ledger.web.api.formats import chosen
from ledger.web.problems import Problem
from ledger.web.tokens import Caller

router = APIRouter()

AUDITORS = frozenset({"auditor"})

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events without an end; `data` is a record with its event, as JSON.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def require(scopes: frozenset[str]) -> Callable[[Request], None]:
    """A dependency that refuses callers who have none of these scopes."""

    def has_scope(request: Request) -> None:
        caller: Caller = request.state.caller
        if not caller.scopes & scopes:
            raise Problem(
                "missing_scope",
                f"this needs a token with the scope {' or '.join(sorted(scopes))}; the scopes of"
                f" this one are {', '.join(sorted(caller.scopes)) or 'none'}",
            )

    return has_scope


@router.head("/health", include_in_schema=False)
@router.get("/health", tags=["server"])
async def health(request: Request) -> dict[str, str]:
    """Whether the server answers; it asks nothing of the database, and waits for no thread."""
    asking.require_known(request, [])
    return {"status": "ok"}


@router.get("/pools", tags=["listings"], dependencies=[Depends(require(EVERYBODY))])
def pools(request: Request, format_: asking.AskedFormat = None) -> Response:
    """All pools, by name."""
    asking.require_known(request, ["format"])
    form = chosen(request.headers.get("accept", ""), format_)
    readers: Readers = request.app.state.readers
    with readers.lent() as connection:
        return listing.response(all_pools(connection), form, {}, None)


for one in LISTINGS.values():
    router.add_api_route(
        f"/pools/{{pool}}/{one.name}",
        listing.endpoint(one),
        tags=["listings"],
        dependencies=[Depends(require(frozenset[str](one.scopes)))],
        response_model=None,
    )

_AUDIT: dict[str, Any] = {
    "tags": ["audit"],
    "dependencies": [Depends(require(AUDITORS))],
    "response_class": JSONResponse,
}
router.add_api_route("/explain/{id}", explaining.explain, **_AUDIT)
router.add_api_route("/pools/{pool}/checkpoints", explaining.checkpoints, **_AUDIT)
router.add_api_route("/pools/{pool}/events/{sequence}/proof", explaining.prove, **_AUDIT)
router.add_api_route(
    "/pools/{pool}/records/stream",
    streams.stream,
    tags=["records"],
    dependencies=[Depends(require(EVERYBODY))],
    response_class=Response,
    responses=_EVENTS,
)

for route in [each for each in router.routes if isinstance(each, APIRoute)]:
    if route.endpoint not in (health, streams.stream):  # the one has it; the other has no end
        router.add_api_route(
            route.path,
            route.endpoint,
            methods=["HEAD"],
            dependencies=route.dependencies,
            response_model=None,
            include_in_schema=False,
        )
