"""Forms that change something: each carries a secret of its browser that no other site can know.

The secret is a cookie that scripts cannot read and other sites do not send (SameSite=Strict), and
stands in the form once more; both must be equal. Where the browser says which site a form came
from, it must be this one.
"""

import hmac
import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, HTTPException, Request, Response

from ledger.web.doorkeeper import is_of_host

COOKIE = "clearing_form"
_LENGTH = 43

Token = Annotated[str, Form(max_length=64)]
"""The field of the secret."""


def token_of(request: Request) -> str:
    """The secret of this browser; a new one where it has none."""
    if not hasattr(request.state, "form_token"):
        kept = request.cookies.get(COOKIE, "")
        request.state.form_token = kept if len(kept) == _LENGTH else secrets.token_urlsafe(32)
    found: str = request.state.form_token
    return found


def keep_token(request: Request, response: Response) -> None:
    """Have the browser keep the secret, if it is new."""
    if request.cookies.get(COOKIE) != token_of(request):
        set_cookie(request, response, COOKIE, token_of(request))


def set_cookie(
    request: Request, response: Response, name: str, value: str, age_s: int | None = None
) -> None:
    """A cookie for this server alone, for so long; None: until the browser is closed."""
    response.set_cookie(
        name,
        value,
        max_age=age_s,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def require_token(request: Request, given: str) -> None:
    """The form is ours, and was sent from a page of ours.

    Raises:
        HTTPException: It was not.
    """
    kept = request.cookies.get(COOKIE, "")
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    is_ours = origin is None or is_of_host(origin, request.headers.get("host", ""))
    is_same = hmac.compare_digest(kept.encode(), given.encode())
    if not kept or not is_same or site != "same-origin" or not is_ours:
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            "the form did not come from a page of this console: open the page anew and send it"
            " again",
        )
