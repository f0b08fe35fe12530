"""What a request asks for: parameters read, held against what a listing knows, and put in words."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.requests import Request

from ledger.web.api.formats import Format
from ledger.web.problems import Problem

LIMIT_MAX = 1_000
"""Rows of a page at most."""

SEQUENCE_MAX = 2**63 - 1
ID = r"^[@A-Za-z0-9._:~-]{1,80}$"
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_AT = (
    "a sequence, or a moment of pool time in RFC 3339 (`2026-01-05T12:00:00Z`): the books as they"
    " were after that event, or after the last event of that moment"
)

PoolName = Annotated[
    str,
    Path(pattern=ID, description="A pool; `~` stands for the slash in `@unrouted/0`."),
]
_MOMENT_PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)
_AT_PATTERN = f"^([0-9]{{1,19}}|{_MOMENT_PATTERN})$"
"""For the specification; what is wrong is told in words of ours."""

At = Annotated[
    str | None,
    Query(
        description=f"As of {_AT}. Default: now.",
        max_length=40,
        json_schema_extra={"pattern": _AT_PATTERN},
    ),
]
AtClock = Annotated[
    str | None,
    Query(
        description="As of a moment of the clock in RFC 3339 (`2026-01-05T12:00:00Z`)."
        " Default: now.",
        max_length=40,
        json_schema_extra={"pattern": f"^{_MOMENT_PATTERN}$"},
    ),
]
From = Annotated[
    str | None,
    Query(
        alias="from",
        description="Only events from this sequence on, or after this moment of pool time.",
        max_length=40,
        json_schema_extra={"pattern": _AT_PATTERN},
    ),
]
Limit = Annotated[
    int, Query(ge=1, le=LIMIT_MAX, description="Rows at most; a page may be shorter.")
]
After = Annotated[
    str | None,
    Query(
        description="A cursor, from `next` of the page before.",
        max_length=1000,
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    ),
]
NewestFirst = Annotated[bool, Query(description="From the newest event down.")]
AskedFormat = Annotated[Format | None, Query(alias="format", description="Instead of `Accept`.")]


def filter_of(columns: Iterable[str]) -> Any:  # noqa: ANN401 - an annotation
    """The annotation of a filter by columns."""
    words = " or ".join(f"`{column}`" for column in columns)
    return Annotated[str | None, Query(description=f"Only rows with this {words}.", pattern=ID)]


def pool_of(name: str) -> str:
    """A pool as the books name it; `~..` is one whose name would lead upwards in a path."""
    return name[1:] if name in ("~.", "~..") else name.replace("~", "/")


def is_id_or_empty(part: object) -> bool:
    """It may be a part of the key of a row."""
    return isinstance(part, str) and (part == "" or re.fullmatch(ID, part) is not None)


def is_count(part: object) -> bool:
    """It may be a sequence, or a number of rows."""
    return isinstance(part, int) and 0 <= part <= SEQUENCE_MAX


def moment_or_sequence(parameter: str, text: str) -> int | datetime:
    """What `at` and `from` take.

    Raises:
        Problem: It is neither.
    """
    if re.fullmatch(r"\d{1,19}", text, re.ASCII) and int(text) <= SEQUENCE_MAX:
        return int(text)
    if _RFC_3339.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise wrong({parameter: f"expected {_AT}"})


def moment_of_clock(parameter: str, text: str) -> datetime:
    """What `at` takes where the past is one of the clock.

    Raises:
        Problem: It is none, or it has not come yet.
    """
    found = moment_or_sequence(parameter, text)
    if not isinstance(found, datetime):
        raise wrong({parameter: "expected a moment of the clock: work on breaks has no events"})
    if found > datetime.now(UTC):
        raise Problem("not_there", f"{text} has not come yet")
    return found


def wrong(errors: Mapping[str, str]) -> Problem:
    """The problem of parameters that are not as expected."""
    names = ", ".join(errors)
    return Problem(
        "invalid_parameter",
        f"wrong: {names}",
        {"errors": [{"parameter": name, "says": says} for name, says in errors.items()]},
    )


def require_known(request: Request, known: Iterable[str]) -> None:
    """Refuse parameters that would have no effect, and those given twice.

    Raises:
        Problem: There is one.
    """
    names = sorted(known)
    errors: dict[str, str] = {}
    for name in request.query_params:
        if name not in names:
            errors[name[:80]] = f"unknown; there are {', '.join(names) or 'none'}"
        elif len(request.query_params.getlist(name)) > 1:
            errors[name] = "given more than once"
    if errors:
        raise wrong(errors)
