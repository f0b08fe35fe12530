"""Rows as JSON, CSV or Arrow, as the caller accepts; figures are exact in each.

JSON has figures as strings, for most readers of JSON numbers make floats of them; CSV has the same
texts, empty for null; Arrow has decimal128(38, 18).
"""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from ledger.store.web.rows import Column, Rows
from ledger.web.problems import Problem

Format = Literal["json", "csv", "arrow"]

MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
}


class Range(NamedTuple):
    """A range of media types of an Accept header and how much it is wanted, in thousandths."""

    type: str
    wanted: int


def chosen(accept: str, asked: Format | None) -> Format:
    """The format of an answer: what `format` says, else the best of what is accepted.

    Raises:
        Problem: Nothing of ours is accepted.
    """
    if asked is not None:
        return asked
    ranges = [_range(part) for part in accept.split(",") if part.strip()] or [Range("*/*", 1000)]
    best = max(MEDIA_TYPES, key=lambda each: _wanted(ranges, MEDIA_TYPES[each]))
    if _wanted(ranges, MEDIA_TYPES[best]) == 0:
        raise Problem(
            "not_acceptable",
            f"accepted is {accept[:200]}; there are {', '.join(MEDIA_TYPES.values())}",
        )
    return best


def _range(part: str) -> Range:
    type_, *parameters = (word.strip() for word in part.lower().split(";"))
    wanted = 1000
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                wanted = round(1000 * min(1.0, max(0.0, float(value))))
            except ValueError:
                wanted = 0
    return Range(type_, wanted)


def _wanted(ranges: Sequence[Range], type_: str) -> int:
    """By the narrowest range that covers a type."""
    for covering in (type_, f"{type_.partition('/')[0]}/*", "*/*"):
        for each in ranges:
            if each.type == covering:
                return each.wanted
    return 0


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON has
    """A value as JSON has it."""
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime():
            return moment(value)
        case timedelta():
            return _duration(value)
        case list():
            return [plain(each) for each in value]
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case _:
            return value


def _duration(value: timedelta) -> str:
    """ISO 8601, in seconds, to the microsecond where it has any."""
    sign = "-" if value < timedelta(0) else ""
    micros = abs(value) // timedelta(microseconds=1)
    seconds, rest = divmod(micros, 1_000_000)
    decimals = f".{rest:06}".rstrip("0") if rest else ""
    return f"{sign}PT{seconds}{decimals}S"


def moment(at: datetime) -> str:
    """RFC 3339, in UTC, to the microsecond where it has any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def as_json(rows: Rows, around: dict[str, object], following: str | None) -> bytes:
    """An object: what goes around the rows, `rows`, and `next`."""
    names = [column.name for column in rows.columns]
    body = {
        **around,
        "rows": [dict(zip(names, map(plain, row), strict=True)) for row in rows.rows],
        "next": following,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def as_csv(rows: Rows) -> bytes:
    """RFC 4180, with a line of names; null is empty, lists are joined by spaces."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([column.name for column in rows.columns])
    writer.writerows([_cell(value) for value in row] for row in rows.rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    match plain(value):
        case None:
            return ""
        case bool(flag):
            return "true" if flag else "false"
        case list(values):
            return " ".join(map(str, values))
        case dict(object_):
            return json.dumps(object_, ensure_ascii=False)
        case other:
            return other


def names_of(columns: Sequence[Column]) -> list[str]:
    """Their names, in order."""
    return [column.name for column in columns]
