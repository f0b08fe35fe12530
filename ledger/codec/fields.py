"""The field types of the wire format: decimals, ids, times, texts.

Rules of this file:

* A decimal is a JSON string of digits, `DECIMAL_PATTERN`, never a JSON number: a float cannot
  carry money.
* A time is RFC 3339 in UTC with `Z`, to the microsecond at most.
* What is accepted here has one canonical value: "1.50" and "1.5" are the same `Fixed`.

Patterns stand in the JSON Schemas; characters are checked by hand, which costs a third of a regex.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from ledger.core.units import Fixed, Microseconds

DIGITS_MAX = 60
"""Digits of a decimal; the rules bound every balance by 10^36, so more can never be valid."""

ID_LENGTH_MAX = 64
TEXT_LENGTH_MAX = 1000
DECIMAL_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"
ID_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"

_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECONDS_LENGTH = len("2026-01-01T00:00:00")
_TIME_LENGTH_MAX = len("2026-01-01T00:00:00.000000Z")


def fixed(value: object) -> Fixed:
    """A decimal string as a `Fixed`.

    Raises:
        ValueError: It is not a JSON string of the decimal pattern, or has over 60 digits.
    """
    if type(value) is not str:
        message = f"must be a JSON string holding a decimal, found {_shown(value)}"
        raise ValueError(message)
    whole, point, fraction = value.partition(".")
    digits = (whole[1:] if whole[:1] == "-" else whole) + fraction
    if (
        not (digits.isascii() and digits.isdigit())
        or len(digits) > DIGITS_MAX
        or (point and not fraction)
        or whole in ("", "-")
    ):
        message = (
            f"must be a decimal like 12.5 of at most {DIGITS_MAX} digits, found {_shown(value)}"
        )
        raise ValueError(message)
    fraction = fraction.rstrip("0")
    return Fixed(int(whole + fraction), len(fraction))


def _positive(value: object) -> Fixed:
    number = fixed(value)
    if number.coefficient <= 0:
        message = f"must be positive, found {_shown(value)}"
        raise ValueError(message)
    return number


def _not_negative(value: object) -> Fixed:
    number = fixed(value)
    if number.coefficient < 0:
        message = f"must not be negative, found {_shown(value)}"
        raise ValueError(message)
    return number


def _not_zero(value: object) -> Fixed:
    number = fixed(value)
    if not number.coefficient:
        message = f"must not be zero, found {_shown(value)}"
        raise ValueError(message)
    return number


def _fraction(value: object) -> Fixed:
    number = _not_negative(value)
    if number.coefficient > 10**number.scale:
        message = f"must be at most 1, found {_shown(value)}"
        raise ValueError(message)
    return number


def _leverage(value: object) -> Fixed:
    number = fixed(value)
    if number.coefficient < 10**number.scale:
        message = f"must be at least 1, found {_shown(value)}"
        raise ValueError(message)
    return number


def _identifier(value: str) -> str:
    if 0 < len(value) <= ID_LENGTH_MAX and _ID_CHARACTERS.issuperset(value):
        return value
    message = f"must be 1 to {ID_LENGTH_MAX} characters of [A-Za-z0-9._:-], found {_shown(value)}"
    raise ValueError(message)


def _whole(value: object) -> object:
    if type(value) is int:
        return value
    message = f"must be a JSON integer, found {_shown(value)}"
    raise ValueError(message)


def _side(value: str) -> str:
    return value if value == "@liquidation" else _identifier(value)


def _owner(value: str) -> str:
    return value if value in ("@house", "@liquidation") else _identifier(value)


def _text(value: str) -> str:
    if 0 < len(value) <= TEXT_LENGTH_MAX and value.isprintable():
        return value
    message = f"must be 1 to {TEXT_LENGTH_MAX} printable characters on one line"
    raise ValueError(message)


def microseconds(value: object) -> Microseconds:
    """An RFC 3339 time in UTC as microseconds since 1970.

    Raises:
        ValueError: Another form, another zone, or finer than a microsecond.
    """
    if (
        type(value) is str
        and value.isascii()
        and value[-1:] == "Z"
        and value[10:11] == "T"
        and value[4:5] == value[7:8] == "-"
        and value[13:14] == value[16:17] == ":"
        and value[19:20] in ("Z", ".")
        and value[11:13] < "24"  # later Pythons take 24:00:00 for the next day
        and _SECONDS_LENGTH < len(value) <= _TIME_LENGTH_MAX
        and value[20:-1].isdigit() == (value[19] == ".")
    ):
        try:
            return Microseconds((datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND)
        except ValueError:
            pass
    message = f"must be a UTC time like 2026-01-31T23:59:59.123456Z, found {_shown(value)}"
    raise ValueError(message)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= ID_LENGTH_MAX else text[:ID_LENGTH_MAX] + "..."


_DECIMAL_SCHEMA: dict[str, Any] = {"type": "string", "pattern": DECIMAL_PATTERN}

Decimal = Annotated[
    Fixed, PlainValidator(fixed), WithJsonSchema({**_DECIMAL_SCHEMA, "description": "any sign"})
]
Positive = Annotated[
    Fixed, PlainValidator(_positive), WithJsonSchema({**_DECIMAL_SCHEMA, "description": "above 0"})
]
NotNegative = Annotated[
    Fixed,
    PlainValidator(_not_negative),
    WithJsonSchema({**_DECIMAL_SCHEMA, "description": "0 or above"}),
]
Fraction = Annotated[
    Fixed, PlainValidator(_fraction), WithJsonSchema({**_DECIMAL_SCHEMA, "description": "0 to 1"})
]
Leverage = Annotated[
    Fixed,
    PlainValidator(_leverage),
    WithJsonSchema({**_DECIMAL_SCHEMA, "description": "1 or above"}),
]
NotZero = Annotated[
    Fixed, PlainValidator(_not_zero), WithJsonSchema({**_DECIMAL_SCHEMA, "description": "not 0"})
]
Identifier = Annotated[
    str,
    AfterValidator(_identifier),
    WithJsonSchema({"type": "string", "pattern": ID_PATTERN}),
]
Side = Annotated[
    str,
    AfterValidator(_side),
    WithJsonSchema({"type": "string", "pattern": rf"{ID_PATTERN}|^@liquidation$"}),
]
Owner = Annotated[
    str,
    AfterValidator(_owner),
    WithJsonSchema({"type": "string", "pattern": rf"{ID_PATTERN}|^@house$|^@liquidation$"}),
]
Text = Annotated[
    str,
    AfterValidator(_text),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": TEXT_LENGTH_MAX}),
]
Time = Annotated[
    Microseconds,
    BeforeValidator(microseconds),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": TIME_PATTERN}),
]
Version = Annotated[Literal[1], BeforeValidator(_whole)]
Scale = Annotated[int, Field(ge=0, le=18)]
Seconds = Annotated[int, Field(ge=1, le=10**9)]
Count = Annotated[int, Field(ge=1, le=10**6)]
