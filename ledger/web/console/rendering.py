"""Pages: templates, the headers that every page has, and faults as pages.

Nothing on a page runs or loads from elsewhere: scripts and styles are files of this server, and the
policy in the headers of the door refuses all others, those written into a page as well. What the
database says of a fault is for the log: a page says what `ledger.web.problems` makes of it.
"""

from collections.abc import Callable, Collection, Coroutine, Hashable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from ledger.errors import ConfigurationError, LedgerError
from ledger.web.console.figures import FILTERS
from ledger.web.console.forms import keep_token, token_of
from ledger.web.console.people import acting, caller_of, has_scope, own_path
from ledger.web.console.place import Unknown, address
from ledger.web.console.worked.patience import WAIT_S, Patience, Ready, Work
from ledger.web.doorkeeper import SAFE, is_of_host
from ledger.web.problems import TYPES, Problem, problem_of

HERE = Path(__file__).parent
THEMES = ("light", "dark")
THEME_COOKIE = "clearing_theme"

HEADERS = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
"""Of pages; the door (`ledger.web.doorkeeper`) adds those of every answer."""

templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters.update(FILTERS)
templates.globals["address"] = address


def render(
    request: Request, template: str, context: Mapping[str, Any], status: int = HTTPStatus.OK
) -> HTMLResponse:
    """A page from its template."""
    theme = request.cookies.get(THEME_COOKIE)
    here = _here(request)
    shared = {
        "path": here.partition("?")[0],
        "here": here,
        "was_sent": request.method not in SAFE,
        "query": request.query_params.multi_items(),
        "theme": theme if theme in THEMES else "auto",
        "place": None,
        "who": acting(request),
        "is_in": bool(caller_of(request).scopes),
        "is_auditor": has_scope(request, "auditor"),
        "sees_breaks": has_scope(request, "back_office", "auditor"),
        "is_open": request.app.state.settings.is_open,
        "form_token": token_of(request),
    }
    text = templates.get_template(template).render({**shared, **context})
    page = HTMLResponse(text, status, HEADERS)
    keep_token(request, page)
    return page


def _here(request: Request) -> str:
    """The address of the page; where a form was sent, that of the page that it stood on.

    An address that forms are sent to cannot be opened, so nothing may lead back to it.
    """
    if request.method in SAFE:
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    said = request.headers.get("referer", "")
    if not is_of_host(said, request.headers.get("host", "")):
        return "/"
    came = urlsplit(said)
    return own_path(came.path + (f"?{came.query}" if came.query else ""))


def worked_out(
    request: Request,
    name: Hashable,
    at: int,
    work: Work,
    *,
    follows: bool,
    wait_s: float = WAIT_S,
) -> Ready | None:
    """Figures that are worked out beside the page, as `Patience.ask` has them; None: not yet."""
    patience: Patience = request.app.state.patience
    caller = caller_of(request).key
    return patience.ask(caller, name, at, work, follows=follows, wait_s=wait_s)


def fault_page(request: Request, status: int, said: str) -> HTMLResponse:
    """A page that says what was found and what to do."""
    phrase = HTTPStatus(status).phrase
    return render(request, "fault.html", {"status": status, "phrase": phrase, "said": said}, status)


def failed(request: Request, problem: Problem) -> Response:
    """What went wrong, as a page."""
    said = problem.detail
    if problem.type == "internal":
        said = f"A fault of ours: {said}, {request.state.request_id}."
    page = fault_page(request, TYPES[problem.type].status, said)
    page.headers.update(problem.headers)
    return page


class Page(APIRoute):
    """A route whose faults are pages; what may be read has HEAD as well."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Collection[str],
        **others: Any,  # noqa: ANN401 - as they come
    ) -> None:
        more = {"HEAD"} if "GET" in methods else set[str]()
        super().__init__(path, endpoint, methods={*methods, *more}, **others)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its faults caught."""
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except Unknown as fault:
                return fault_page(request, HTTPStatus.NOT_FOUND, str(fault))
            except RequestValidationError as fault:
                said = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in fault.errors())
                return fault_page(request, HTTPStatus.BAD_REQUEST, said)
            except HTTPException as fault:
                return fault_page(request, fault.status_code, str(fault.detail))
            except ConfigurationError as fault:
                return fault_page(request, HTTPStatus.BAD_REQUEST, str(fault))
            except LedgerError as fault:
                return failed(request, problem_of(fault))

        return handled


def see_other(to: str) -> RedirectResponse:
    """Where a form leads after it was taken."""
    return RedirectResponse(to, HTTPStatus.SEE_OTHER, HEADERS)
