"""Signing in and out, the name of whoever works here, and light or dark."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ledger.errors import ConfigurationError
from ledger.web.console.forms import Token, require_token, set_cookie
from ledger.web.console.people import NAME, NAME_COOKIE, TOKEN_COOKIE, own_path
from ledger.web.console.rendering import THEME_COOKIE, THEMES, Page, render, see_other
from ledger.web.tokens import Tokens

router = APIRouter(route_class=Page)

Back = Annotated[str, Form()]
"""Where to go on; bounded as addresses and bodies are."""
_YEAR_S = 31_536_000


@router.get("/sign-in")
def sign_in_page(request: Request, back: Annotated[str, Query()] = "/") -> HTMLResponse:
    """Where a token is pasted."""
    return render(request, "sign_in.html", {"back": own_path(back), "said": None})


@router.post("/sign-in")
async def sign_in(
    request: Request,
    token: Token,
    given: Annotated[str, Form(max_length=200)],
    back: Back = "/",
) -> Response:
    """Keep the token, if it opens something."""
    require_token(request, token)
    answer = see_other(own_path(back))
    if request.app.state.settings.is_open:
        return answer  # which asks for none, and so keeps none
    tokens: Tokens = request.app.state.tokens
    if await tokens.caller(given.strip()) is None:
        said = "This token opens nothing: it is unknown, expired, or was taken back."
        told = {"back": own_path(back), "said": said}
        return render(request, "sign_in.html", told, HTTPStatus.FORBIDDEN)
    set_cookie(request, answer, TOKEN_COOKIE, given.strip())
    return answer


@router.post("/sign-out")
def sign_out(request: Request, token: Token) -> RedirectResponse:
    """Forget the token and the name."""
    require_token(request, token)
    answer = see_other("/")
    for cookie in (TOKEN_COOKIE, NAME_COOKIE):
        answer.delete_cookie(cookie, path="/")
    return answer


@router.post("/name")
def say_name(
    request: Request,
    token: Token,
    name: Annotated[str, Form(max_length=64)],
    back: Back = "/",
) -> RedirectResponse:
    """Keep the name of whoever works at this browser."""
    require_token(request, token)
    said = name.strip()
    if not NAME.fullmatch(said):
        raise ConfigurationError(f"the name {said!r}: 1 to 64 of [A-Za-z0-9._:-] are expected")
    answer = see_other(own_path(back))
    set_cookie(request, answer, NAME_COOKIE, said)
    return answer


@router.post("/theme")
def choose_theme(
    request: Request,
    token: Token,
    theme: Annotated[str, Form(max_length=5)],
    back: Back = "/",
) -> RedirectResponse:
    """Light, dark, or as the machine says."""
    require_token(request, token)
    answer = see_other(own_path(back))
    if theme in THEMES:
        set_cookie(request, answer, THEME_COOKIE, theme, _YEAR_S)
    else:
        answer.delete_cookie(THEME_COOKIE, path="/")
    return answer
