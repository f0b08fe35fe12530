"""The web application put together: the API under `/api/v1`, the console under `/` when installed.

How the console plugs in. Its package `ledger.web.console` brings

* `routes.router`, an `APIRouter`, included under `/`; `routes.failed(request, problem)` answers
  with a page what goes wrong outside of the API; `routes.share(state)` puts what its pages share on
  the state of the application, and returns what is to be closed at its end;
* `static/`, served under `/static`.

All it needs stands on `request.app.state`: `settings`, `tokens`, `readers` and `auditors`
(`with auditors.lent() as connection:` gives a connection in a read-only transaction, in the role
clearing_reader or clearing_auditor, to hand to a function of `ledger.store`), and of each request
on `request.state`: `caller` (name and scopes) and `request_id`.
"""

import importlib
import importlib.util
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from ledger.errors import LedgerError
from ledger.store.web.connections import Readers, Role
from ledger.store.web.pace import Pace
from ledger.store.web.tokens import LiveToken, live
from ledger.web.api import asking, routes
from ledger.web.api.openapi import specification
from ledger.web.api.streams import Following
from ledger.web.api.sums import KeptSums
from ledger.web.doorkeeper import API, Doorkeeper
from ledger.web.limits import Limits
from ledger.web.makers import MAKERS, Makers
from ledger.web.problems import Failed, Problem, answer, problem_of
from ledger.web.settings import WebSettings
from ledger.web.tokens import Tokens

CONSOLE = Path(__file__).parent / "console"
SPECIFICATION = "/api/v1/openapi.json"

_TYPES = {404: "not_found", 405: "method_not_allowed"}


def create_app(settings: WebSettings) -> FastAPI:
    """The application; it connects when it is first asked something."""
    readers = _readers(settings, "clearing_reader")
    auditors = _readers(settings, "clearing_auditor")
    token_readers = _readers(settings, "clearing_auditor", 1)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        for each in (*app.state.held, readers, auditors, token_readers):
            each.close()

    app = FastAPI(
        title="Clearing ledger",
        version=version("clearing-ledger"),
        lifespan=lifespan,
        openapi_url=None,  # served below, for it takes words from the database
        docs_url=None,  # its page fetches programs from elsewhere
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.readers = readers
    app.state.auditors = auditors
    app.state.tokens = Tokens(lambda: _live_tokens(token_readers), settings.tokens_kept_s)
    app.state.pace = Pace()
    sum_readers = _readers(settings, "clearing_reader", MAKERS, settings.sum_statement_s)
    app.state.sums = KeptSums(
        Makers(sum_readers),
        settings.sum_wait_s,
        is_stopping=lambda: bool(app.state.is_stopping()),
    )
    app.state.following = Following(
        _readers(settings, "clearing_auditor", settings.stream_connections_max), settings
    )
    app.state.held = [app.state.tokens, app.state.following, app.state.sums]
    app.state.is_stopping = lambda: False
    app.include_router(routes.router, prefix="/api/v1")
    _serve_specification(app, readers)
    failed = _plug_in_console(app) if settings.with_console else _plainly
    _tell_problems(app, failed)
    app.add_middleware(
        Doorkeeper,
        settings=settings,
        tokens=app.state.tokens,
        limits=Limits(settings.requests_per_minute, settings.requests_burst),
        failed=failed,
    )
    return app


def _readers(
    settings: WebSettings, role: Role, size: int | None = None, statement_s: int | None = None
) -> Readers:
    return Readers(
        settings.database_url,
        role,
        size=size or settings.connections_max,
        wait_s=settings.connection_wait_s,
        statement_s=statement_s or settings.statement_s,
    )


def _live_tokens(readers: Readers) -> Sequence[LiveToken]:
    with readers.lent() as connection:
        return live(connection)


def _serve_specification(app: FastAPI, readers: Readers) -> None:
    made: list[dict[str, Any]] = []

    def answered() -> JSONResponse:
        if not made:
            made.append(specification(app, readers))
        return JSONResponse(made[0])

    app.add_api_route(SPECIFICATION, answered, methods=["GET", "HEAD"], include_in_schema=False)


def _tell_problems(app: FastAPI, failed: Failed) -> None:
    """Every fault is told as a problem, in the API as its JSON."""

    def told(request: Request, problem: Problem) -> Response:
        if request.url.path.startswith(API):
            return answer(problem, request.state)
        return failed(request, problem)

    def of_ledger(request: Request, fault: Exception) -> Response:
        return told(request, problem_of(fault))

    def of_parameters(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, RequestValidationError), "registered for no other"
        errors = {
            ".".join(str(part) for part in each["loc"][1:]): str(each["msg"])
            for each in fault.errors()
        }
        return told(request, asking.wrong(errors))

    def of_http(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, HTTPException), "registered for no other"
        type_ = _TYPES.get(fault.status_code, "invalid_parameter")
        headers = dict(fault.headers or {})
        return told(request, Problem(type_, str(fault.detail), headers=headers))

    app.add_exception_handler(LedgerError, of_ledger)
    app.add_exception_handler(RequestValidationError, of_parameters)
    app.add_exception_handler(HTTPException, of_http)


def _plug_in_console(app: FastAPI) -> Failed:
    """Add the console where it is installed; without it the API is all there is."""
    if (CONSOLE / "static").is_dir():
        app.mount("/static", StaticFiles(directory=CONSOLE / "static"), name="static")
    if (
        importlib.util.find_spec("ledger.web.console") is None
        or importlib.util.find_spec("ledger.web.console.routes") is None
    ):
        return _plainly
    console = importlib.import_module("ledger.web.console.routes")
    app.state.held.append(console.share(app.state))
    app.include_router(console.router, include_in_schema=False)
    failed: Failed = console.failed
    return failed


def _plainly(request: Request, problem: Problem) -> Response:
    return answer(problem, request.state)
