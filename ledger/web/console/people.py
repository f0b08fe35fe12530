"""Who is at the console: the holder of a token, or whoever sits at this machine.

The door (`ledger.web.doorkeeper`) lets nobody in whom it does not know. Where the server asks for
tokens, one is pasted once on the page that signs in, and kept in a cookie that no script can read
and no other site can send. On a loopback address without tokens everybody at the machine may come
in; whoever works on breaks then says a name, which is believed.
"""

import re
from http import HTTPStatus

from fastapi import HTTPException, Request

from ledger.web.doorkeeper import COOKIE as TOKEN_COOKIE
from ledger.web.tokens import ANYBODY, Caller

NAME_COOKIE = "clearing_name"
NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")
NOBODY = Caller("nobody", "nobody", frozenset())

__all__ = ["NAME", "NAME_COOKIE", "TOKEN_COOKIE", "acting", "caller_of", "has_scope", "own_path"]


def caller_of(request: Request) -> Caller:
    """Who asks, as the door found."""
    found: Caller = getattr(request.state, "caller", NOBODY)
    return found


def acting(request: Request) -> str:
    """The name under which this person works; empty where none was said yet."""
    caller = caller_of(request)
    if caller.scopes and caller != ANYBODY:
        return caller.name
    said = request.cookies.get(NAME_COOKIE, "")
    return said if caller.scopes and NAME.fullmatch(said) else ""


def has_scope(request: Request, *scopes: str) -> bool:
    """Whether one of these scopes is among those of the token."""
    return bool(caller_of(request).scopes.intersection(scopes))


def require_scope(request: Request, *scopes: str) -> None:
    """One of these scopes opens the page.

    Raises:
        HTTPException: The token has none of them.
    """
    caller = caller_of(request)
    if not has_scope(request, *scopes):
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            f"the token {caller.name} opens {', '.join(sorted(caller.scopes)) or 'nothing'}; this"
            f" page needs {' or '.join(scopes)}",
        )


def own_path(back: str) -> str:
    """A path of this server; anything else becomes the first page."""
    is_own = back.startswith("/") and not back.startswith(("//", "/\\")) and "\\" not in back
    return back if is_own and back.isprintable() else "/"
