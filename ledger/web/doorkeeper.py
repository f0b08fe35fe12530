"""What every request passes first: an id, who asks, how often, from where; and headers at the end.

Rules of this file:

* Whatever is not named in `PUBLIC` needs a token, so that a new page is closed until it is opened
  by somebody who thought of it. A browser has its token in a cookie, which no script can read.
* An open server answers on loopback names alone, or else any web page could have a browser ask it
  under a name of its own; and not to what a proxy passed on, for that came from elsewhere. A
  request that could change something must come from our own pages.
* A body is a form of bounded length, and is read whole before anything parses it. NUL, which no
  text of the books has, is refused in all that is asked.
* The log has method, path, status, time, caller and id of each request: neither query nor headers.
"""

import ipaddress
import logging
import re
import time
import uuid
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders, State
from starlette.requests import Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.errors import LedgerError
from ledger.web import bodies
from ledger.web.limits import Limits
from ledger.web.problems import Failed, Problem, answer, problem_of
from ledger.web.settings import WebSettings
from ledger.web.tokens import ANYBODY, Caller, Tokens

API = "/api/"
COOKIE = "clearing_token"
SIGN_IN = "/sign-in"
PUBLIC = ("/api/v1/health", "/api/v1/openapi.json", SIGN_IN)
"""Answered without a token; as is everything under /static/."""

SAFE = ("GET", "HEAD", "OPTIONS")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OF_API = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
OF_PAGES = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
}
"""Programs and styles are files of this server; what is written into a page is refused."""

PASSED_ON = re.compile(r"forwarded|via|x-real-ip|x-forwarded-.+")
"""Headers by which a proxy says that a request is another's."""

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)

logger = logging.getLogger("ledger.web")


class Doorkeeper:
    """Middleware around the application.

    Args:
        app: What is asked once the door is passed.
        settings: Of the server.
        tokens: That open it.
        limits: Of callers.
        failed: Tells a person of a problem, outside of the API.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: WebSettings,
        tokens: Tokens,
        limits: Limits,
        failed: Failed,
    ) -> None:
        self._app = app
        self._failed = failed
        self._settings = settings
        self._tokens = tokens
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it at the door."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(scope, send, self._failed)
        try:
            has_body = _has_body(scope)
            refusal = await self._refusal(scope, passage)
            if has_body and refusal is None:
                receive = await bodies.read(receive)
            await (refusal or self._app)(scope, receive, passage.send)
        except LedgerError as fault:
            await passage.fail(problem_of(fault), receive)
        except Exception:
            logger.exception("request %s failed", passage.request_id)
            await passage.fail(Problem("internal", "see the log under this request id"), receive)
        finally:
            passage.log()

    async def _refusal(self, scope: Scope, passage: "_Passage") -> Response | None:
        """The answer at the door; None lets it in."""
        headers = Headers(scope=scope)
        if self._settings.is_open:
            _require_this_machine(headers)
        _require_own_origin(scope["method"], headers)
        bodies.require_no_nul(scope["path"].encode() + scope["query_string"])
        path: str = scope["path"]
        if path.startswith("/static/"):
            return None
        try:
            caller = await self._caller(headers, path)
        except Problem as problem:
            self._require_patience(f"address {passage.address}")
            if not self._may_sign_in(scope, problem):
                raise
            query = scope["query_string"].decode("ascii", "replace")
            back = quote(f"{path}?{query}" if query else path, safe="")
            return RedirectResponse(f"{SIGN_IN}?back={back}", 303)
        passage.state.caller = caller
        self._require_patience(caller.key if caller.scopes else f"address {passage.address}")
        return None

    def _may_sign_in(self, scope: Scope, problem: Problem) -> bool:
        """Whether a person who looks at a page gets there by a token."""
        is_page = self._settings.with_console and not scope["path"].startswith(API)
        is_unknown = problem.type in ("missing_token", "invalid_token")
        return is_page and is_unknown and scope["method"] in SAFE

    async def _caller(self, headers: Headers, path: str) -> Caller:
        """Who asks.

        Raises:
            Problem: No token came where one is needed, or one that opens nothing.
        """
        if path in PUBLIC:
            return Caller("nobody", "nobody", frozenset())
        if self._settings.is_open:
            if not _is_loopback(headers.get("host", "")):
                raise Problem(
                    "foreign_origin",
                    "this server needs no token, so it answers to the names of this machine alone",
                )
            return ANYBODY
        token = _token(headers)
        if token is None:
            raise _unauthorized("missing_token", "no token came with the request")
        caller = await self._tokens.caller(token)
        if caller is None:
            raise _unauthorized("invalid_token", "no live token is this one")
        return caller

    def _require_patience(self, key: str) -> None:
        wait_s = self._limits.wait_s(key)
        if wait_s:
            raise Problem(
                "too_many_requests",
                f"{self._settings.requests_per_minute} requests a minute are answered",
                headers={"Retry-After": str(wait_s)},
            )


class _Passage:
    """One request on its way: its id, and what was answered."""

    def __init__(self, scope: Scope, send: Send, failed: Failed) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        self.state = State(scope.setdefault("state", {}))
        self.state.request_id = self.request_id
        self.address = (scope.get("client") or ("unknown",))[0]
        self._scope = scope
        self._send = send
        self._failed = failed
        self._began = time.perf_counter()
        self._status = 0

    async def send(self, message: Message) -> None:
        """Send on, with the headers of every answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            of_api = self._scope["path"].startswith(API)
            for name, value in {**HEADERS, **(OF_API if of_api else OF_PAGES)}.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def fail(self, problem: Problem, receive: Receive) -> None:
        """Answer with a problem, unless an answer has begun; whoever reads pages gets a page."""
        if self._status:
            return
        accepts = Headers(scope=self._scope).get("accept", "")
        told: Response = answer(problem, self.state)
        if not self._scope["path"].startswith(API) and "text/html" in accepts:
            told = self._failed(Request(self._scope), problem)
        await told(self._scope, receive, self.send)

    def log(self) -> None:
        """One line."""
        caller: Caller | None = getattr(self.state, "caller", None)
        logger.info(
            "%s %s %d %d ms %s %s",
            self._scope["method"],
            quote(self._scope["path"]),
            self._status,
            round(1000 * (time.perf_counter() - self._began)),
            "-" if caller is None else quote(caller.name),
            self.request_id,
        )


def _has_body(scope: Scope) -> bool:
    """A body comes that something may read.

    Raises:
        Problem: It is none that is read here.
    """
    return scope["method"] not in SAFE and bodies.require_form(Headers(scope=scope))


def _token(headers: Headers) -> str | None:
    """The token of a request, from its header or its cookie."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return cookie_parser(headers.get("cookie", "")).get(COOKIE) or None


def _unauthorized(type_: str, detail: str) -> Problem:
    return Problem(type_, detail, headers={"WWW-Authenticate": 'Bearer realm="clearing"'})


def _require_this_machine(headers: Headers) -> None:
    """Refuse what a proxy passes on.

    Raises:
        Problem: It does, as its headers say.
    """
    said = sorted(name for name in headers if PASSED_ON.fullmatch(name))
    if said:
        raise Problem(
            "foreign_origin",
            f"this server needs no token, so it answers nothing that a proxy passes on, as"
            f" {said[0]} says; make a token with `clearing token create`, and start it anew",
        )


def _require_own_origin(method: str, headers: Headers) -> None:
    """Refuse what another site has a browser send.

    Raises:
        Problem: It would change something, and comes from elsewhere.
    """
    if method in SAFE:
        return
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "same-origin")
    own = origin is None or is_of_host(origin, headers.get("host", ""))
    if not own or site not in ("same-origin", "none"):
        raise Problem(
            "foreign_origin",
            "what changes something must come from our own pages; behind a proxy, have it pass Host"
            " on as it came",
        )


def is_of_host(origin: str, host: str) -> bool:
    """Whether an `Origin` is this host, port and all."""
    try:
        return host != "" and urlsplit(origin).netloc == host
    except ValueError:  # no address at all
        return False


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
