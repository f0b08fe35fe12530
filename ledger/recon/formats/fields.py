"""What stands in a field of an outside file to exact numbers, times and names, as a mapping says.

A field comes as text from CSV, and as what they know from JSON and Parquet. A reader here takes
any of these, or raises `Unreadable` with what it expected; the row's own reader adds the place.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ledger.recon.formats.tables.mapping import SourceMapping

TEXT_MAX = 60
"""Characters of a number, and of what a message repeats of a field."""

_EXPONENT_MAX = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"-?[0-9]{1,20}")
_PER_MICROSECOND = {
    "epoch_s": (1_000_000, 1),
    "epoch_ms": (1_000, 1),
    "epoch_us": (1, 1),
    "epoch_ns": (1, 1_000),
}

Convert = Callable[[Any], Any]


class Unreadable(Exception):
    """A field does not say what it should; the message is what was found and expected."""

    def __init__(self, found: object, expected: str) -> None:
        text = "missing or empty" if found is None or found == "" else repr(found)
        short = text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."
        super().__init__(f"is {short}, expected {expected}")


class Field(NamedTuple):
    """One of our fields.

    Attributes:
        name: As in `SourceMapping.columns`.
        convert: From what stands there; called for what is not empty only.
        required: Whether every row has it.
        may_lack: Whether an empty constant may say that no row has it.
        beside: The field without which this one is not looked for under its own name, as it would
            mean something else there: `side` on a tape without accounts is the taker's.
    """

    name: str
    convert: Convert
    required: bool = False
    beside: str = ""
    may_lack: bool = False


def name(raw: object) -> str:
    """An id or another text, without the blanks around it; whole numbers are ids as well."""
    if isinstance(raw, str) and (text := raw.strip()):
        return text
    if type(raw) is int:
        return str(raw)
    raise Unreadable(raw, "a text")


def translated(table: Mapping[str, str]) -> Convert:
    """A name in the source's words to ours; one that the table does not have stays."""
    known: dict[str, str] = {}

    def translate(raw: object) -> str:
        if isinstance(raw, str) and (found := known.get(raw)) is not None:
            return found
        text = name(raw)
        return known.setdefault(text, table.get(text, text))

    return translate


def numbers(mapping: SourceMapping) -> Convert:
    """Reader of exact numbers with the marks of the mapping.

    Digits are grouped by three throughout or not at all. An exponent is taken where it keeps the
    number between 10^-40 and 10^40.
    """
    mark, thousands = re.escape(mapping.decimal_mark), re.escape(mapping.thousands_mark)
    grouped = rf"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+|" if thousands else ""
    pattern = rf"[-+]?(?:{grouped}[0-9]+)(?:{mark}[0-9]+)?(?:[eE][-+]?[0-9]{{1,2}})?"
    is_number = re.compile(pattern).fullmatch
    is_plain = mapping.decimal_mark == "." and not thousands
    is_short = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,18})?" if is_plain else r"(?!)").fullmatch
    expected = f"a decimal number such as {_example(mapping)}"

    def number(raw: object) -> Decimal:
        if isinstance(raw, str):
            if is_short(raw):
                return Decimal(raw)
            text = raw.strip()
            if is_number(text) is None or len(text) > TEXT_MAX:
                raise Unreadable(raw, expected)
            if not is_plain:
                text = text.replace(mapping.thousands_mark, "").replace(mapping.decimal_mark, ".")
            value = Decimal(text)
        elif isinstance(raw, Decimal) and raw.is_finite():
            value = raw
        elif type(raw) is int and raw.bit_length() <= 3 * TEXT_MAX:
            value = Decimal(raw)
        elif isinstance(raw, float):
            raise Unreadable(raw, "an exact number: a text or a decimal, no binary double")
        else:
            raise Unreadable(raw, expected)
        if value and not -_EXPONENT_MAX <= value.adjusted() < TEXT_MAX:
            raise Unreadable(raw, "a number between 10^-40 and 10^60")
        return value

    return number


def _example(mapping: SourceMapping) -> str:
    return f"-1{mapping.thousands_mark}234{mapping.decimal_mark}50"


def positives(mapping: SourceMapping) -> Convert:
    """As `numbers`, above zero."""
    number = numbers(mapping)

    def positive(raw: object) -> Decimal:
        value: Decimal = number(raw)
        if value <= 0:
            raise Unreadable(raw, "a number above zero")
        return value

    return positive


def words(mapping: SourceMapping) -> Convert:
    """Reader of a side: 1 for one of `plus`, -1 for one of `minus`."""
    signs = dict.fromkeys(mapping.plus, 1) | dict.fromkeys(mapping.minus, -1)

    def sign(raw: object) -> int:
        found = signs.get(name(raw))
        if found is None:
            raise Unreadable(raw, f"one of {', '.join(signs)}")
        return found

    return sign


def fees(mapping: SourceMapping) -> Convert:
    """Reader of fees: paid is positive."""
    number = numbers(mapping)
    if mapping.fees == "paid_positive":
        return number
    return lambda raw: number(raw).copy_negate()


def times(mapping: SourceMapping) -> Convert:
    """Reader of times, in UTC to the microsecond; a time without zone is one of `mapping.zone`."""
    zone = UTC if mapping.zone == "UTC" else ZoneInfo(mapping.zone)
    if mapping.time == "iso":
        of_text: Convert = _iso
    elif mapping.time in _PER_MICROSECOND:
        of_text = _epoch(*_PER_MICROSECOND[mapping.time])
    else:
        of_text = _formatted(mapping.time)

    def moment(raw: object) -> datetime:
        try:
            at: datetime = of_text(raw.strip()) if isinstance(raw, str) else _known(raw, of_text)
            if at.tzinfo is UTC:
                return at
            return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
        except OverflowError as error:
            raise Unreadable(raw, "a time in the years 1 to 9999") from error

    return moment


def _known(raw: object, of_text: Convert) -> datetime:
    """A time that JSON or Parquet has as something else than a text."""
    if isinstance(raw, datetime):
        return raw
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day)  # noqa: DTZ001 - the zone is added above
    if type(raw) is int:
        at: datetime = of_text(str(raw))
        return at
    raise Unreadable(raw, "a time")


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise Unreadable(text, "an ISO 8601 time such as 2026-03-01T09:30:00Z") from error


def _epoch(factor: int, divisor: int) -> Convert:
    def at(text: str) -> datetime:
        if _WHOLE.fullmatch(text) is None:
            raise Unreadable(text, "a whole number since 1970")
        return _EPOCH + timedelta(microseconds=int(text) * factor // divisor)

    return at


def _formatted(pattern: str) -> Convert:
    def at(text: str) -> datetime:
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is added by the caller
        except ValueError as error:
            raise Unreadable(text, f"a time as {pattern}") from error

    return at
