"""The web application put together: the API under `/api/v1`, the console under `/` when installed.

How the console plugs in. Its package `ledger.web.console` brings

* `routes.router`, an `APIRouter`, included under `/`;
* `templates/`, found by `request.app.state.templates` (Jinja, escaping by default);
* `static/`, served under `/static`.

All it needs stands on `request.app.state`: `settings`, `readers` and `auditors`
(`with auditors.lent() as connection:` gives a connection in a read-only transaction, in the role
clearing_reader or clearing_auditor, to hand to a function of `ledger.store`).
"""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from ledger.store.web_connections import Readers, Role
from ledger.web.api import routes
from ledger.web.settings import WebSettings

CONSOLE = Path(__file__).parent / "console"


def create_app(settings: WebSettings) -> FastAPI:
    """The application; it connects when it is first asked something."""
    readers = _readers(settings, "clearing_reader")
    auditors = _readers(settings, "clearing_auditor")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        readers.close()
        auditors.close()

    app = FastAPI(
        title="Clearing ledger",
        version=version("clearing-ledger"),
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page fetches programs from elsewhere
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.readers = readers
    app.state.auditors = auditors
    app.include_router(routes.router, prefix="/api/v1")
    _plug_in_console(app)
    return app


def _readers(settings: WebSettings, role: Role) -> Readers:
    return Readers(
        settings.database_url,
        role,
        size=settings.connections_max,
        wait_s=settings.connection_wait_s,
        statement_s=settings.statement_s,
    )


def _plug_in_console(app: FastAPI) -> None:
    """Add the console where it is installed; without it the API is all there is."""
    if (CONSOLE / "static").is_dir():
        app.mount("/static", StaticFiles(directory=CONSOLE / "static"), name="static")
    if (CONSOLE / "templates").is_dir():
        app.state.templates = Jinja2Templates(directory=CONSOLE / "templates")
    if (
        importlib.util.find_spec("ledger.web.console") is not None
        and importlib.util.find_spec("ledger.web.console.routes") is not None
    ):
        console = importlib.import_module("ledger.web.console.routes")
        app.include_router(console.router, include_in_schema=False)
