"""What came after the event that a page stands at: not told, but where it is."""

from http import HTTPStatus

from fastapi import Request
from starlette.responses import HTMLResponse

from ledger.web.console.place import Place
from ledger.web.console.rendering import render


def later(request: Request, place: Place, what: str, sequence: int, *path: object) -> HTMLResponse:
    """A page that says when it came, and leads there.

    Args:
        request: Of the page that was asked for.
        place: Before it came.
        what: In words.
        sequence: When it came.
        path: Of its page within the pool.
    """
    there = place.then(sequence)
    context = {"place": place, "what": what, "sequence": sequence, "there": there.to(*path)}
    return render(request, "later.html", context, HTTPStatus.NOT_FOUND)
