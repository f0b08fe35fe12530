"""Bodies of requests: read whole, and bounded, before anything makes sense of them.

The forms of the console are all that is ever sent here, each a few hundred bytes. A parser that is
handed a body keeps what it finds, so what is too long never reaches one.
"""

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from ledger.web.problems import Problem

BODY_MAX = 65_536
"""Bytes of a body."""

FORM = "application/x-www-form-urlencoded"

_CLOSE = {"Connection": "close"}
"""The rest of the body is not waited for."""


def require_form(headers: Headers) -> bool:
    """Whether a body comes; it is a form, and says no length that is too much.

    Raises:
        Problem: It is something else, or too long.
    """
    length = headers.get("content-length")
    if length == "0" or (length is None and "transfer-encoding" not in headers):
        return False
    if length is not None and not (_is_count(length) and int(length) <= BODY_MAX):
        raise _too_long()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise Problem("not_a_form", f"expected a body of {FORM}", headers=_CLOSE)
    return True


def require_no_nul(said: bytes) -> None:
    """Refuse what the database keeps in no text.

    Args:
        said: As it came, in percent signs or without.

    Raises:
        Problem: A NUL is in it.
    """
    if b"\0" in said or b"%00" in said:
        raise Problem("invalid_parameter", "a NUL stands in it, and in no name", {"errors": []})


async def read(receive: Receive) -> Receive:
    """Read the body; what hands it on once, and then what comes behind it.

    Raises:
        Problem: It is too long, or no text.
    """
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _before(message, receive)  # nobody is there any more
        body += message.get("body", b"")
        if len(body) > BODY_MAX:
            raise _too_long()
        if not message.get("more_body", False):
            require_no_nul(body)
            return _before({"type": "http.request", "body": body, "more_body": False}, receive)


def _before(message: Message, receive: Receive) -> Receive:
    waiting = [message]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def _is_count(length: str) -> bool:
    return length.isascii() and length.isdecimal() and len(length) < 20  # noqa: PLR2004 - any bound


def _too_long() -> Problem:
    return Problem("body_too_large", f"bodies have {BODY_MAX} bytes at most", headers=_CLOSE)
