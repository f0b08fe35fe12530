"""Errors as RFC 9457 problem details: each kind has a `type` that never changes.

Rules of this file:

* `TYPES` is the whole list; the page on the API and the specification are made from it.
* A detail says what was found and what was expected. It never holds a secret, and of a fault of
  ours nothing but the id of the request, under which the log has the rest.
"""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ledger.audit.explanation.explain import NotFound
from ledger.audit.proofs.inclusion import BooksDiffer
from ledger.errors import ConfigurationError, LedgerError, StoreError, StoreUnavailable
from ledger.store.web.connections import Busy
from ledger.store.web.rows import Detached, NotThere, UnknownPool

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:clearing:problem:"

logger = logging.getLogger("ledger.web")


class Kind(NamedTuple):
    """A kind of problem: status, title, and what a caller does about it."""

    status: int
    title: str
    remedy: str


TYPES: Mapping[str, Kind] = {
    "invalid_parameter": Kind(422, "A parameter is wrong", "Send what `errors` expects."),
    "invalid_cursor": Kind(422, "Not a cursor of this listing", "Follow `next` unchanged."),
    "not_there": Kind(422, "The books do not reach there", "Ask as of an event that they have."),
    "missing_token": Kind(401, "A token is needed", "Send `Authorization: Bearer TOKEN`."),
    "invalid_token": Kind(401, "The token opens nothing", "It may have expired: ask for another."),
    "missing_scope": Kind(403, "The token does not open this", "Ask for a token of that scope."),
    "foreign_origin": Kind(403, "A request from another site", "Use the address that was told."),
    "unknown_pool": Kind(404, "No such pool", "See `/api/v1/pools`."),
    "not_found": Kind(404, "Nothing has this address or id", "See the specification."),
    "method_not_allowed": Kind(405, "Only reading is possible", "Use GET."),
    "not_acceptable": Kind(406, "None of the formats asked for", "Ask for JSON, CSV or Arrow."),
    "too_large": Kind(422, "Too large for an answer", "Use `clearing prove event`."),
    "body_too_large": Kind(413, "The body is too long", "Send 65,536 bytes at most."),
    "not_a_form": Kind(415, "The body is no form", "Send the fields of a page's form."),
    "detached": Kind(410, "Not in the database any more", "Ask the archive."),
    "too_many_requests": Kind(429, "Too many requests", "Come again after `Retry-After`."),
    "too_many_streams": Kind(429, "Too many streams are open", "Come again after `Retry-After`."),
    "books_differ": Kind(500, "The books contradict themselves", "Run `clearing verify`."),
    "internal": Kind(500, "A fault of ours", "Tell the operator the `request_id`."),
    "busy": Kind(503, "All connections are busy", "Come again after `Retry-After`."),
    "being_made": Kind(503, "It takes a while", "Come again after `Retry-After`: it goes on."),
    "unavailable": Kind(503, "The books cannot be read now", "Come again after `Retry-After`."),
}

RETRY_S = 2
"""What `Retry-After` says where nothing better is known."""


class Problem(LedgerError):
    """A request that cannot be answered, and why.

    Attributes:
        type: One of `TYPES`.
        detail: Of this occurrence.
        members: Further members of the problem.
        headers: Of the response.
    """

    def __init__(
        self,
        type_: str,
        detail: str,
        members: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.type = type_
        self.detail = detail
        self.members = members or {}
        self.headers = headers or {}


Failed = Callable[[Request, Problem], Response]
"""Tells a person of a problem."""


def problem_of(fault: BaseException) -> Problem:
    """What a fault of the ledger is to a caller."""
    said = str(fault)
    retry = {"Retry-After": str(RETRY_S)}
    match fault:
        case Problem():
            return fault
        case UnknownPool():
            return Problem("unknown_pool", said)
        case NotThere():
            return Problem("not_there", said)
        case Detached():
            return Problem("detached", said)
        case NotFound():
            return Problem("not_found", said)
        case BooksDiffer():
            logger.error("the books differ from themselves: %s", said)
            return Problem("books_differ", said)
        case ConfigurationError():
            return Problem("invalid_parameter", said, {"errors": []})
        case Busy():
            return Problem("busy", said, headers=retry)
        case StoreUnavailable():
            logger.warning("the books cannot be read: %s", said)
            return Problem("unavailable", "the database does not answer in time", headers=retry)
        case StoreError():
            logger.error("the books cannot be read: %s", said)
            return Problem("unavailable", "the database refused: see the log", headers=retry)
        case _:
            logger.error("a fault that was not foreseen: %s", said, exc_info=fault)
            return Problem("internal", "see the log under this request id")


def in_words(fault: BaseException) -> str:
    """What is told of a fault of work that was no request; the log has the rest."""
    problem = problem_of(fault)
    return "a fault of ours: see the log" if problem.type == "internal" else problem.detail


def answer(problem: Problem, state: State | None = None) -> JSONResponse:
    """The response that tells it."""
    kind = TYPES[problem.type]
    body: dict[str, object] = {
        "type": f"{PREFIX}{problem.type}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
    }
    request_id = getattr(state, "request_id", None)
    if request_id is not None:
        body["request_id"] = request_id
    body |= problem.members
    return JSONResponse(body, kind.status, headers=dict(problem.headers), media_type=MEDIA_TYPE)
