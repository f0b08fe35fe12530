"""Files as lines with their numbers, and text as exact numbers and times.

Rules of this file:

* Every fault of a file is an `ImportFailed` that names file and line, what was found and expected.
* Numbers are `Decimal`, never float, with all the digits that stand in the file.
* What the wire cannot carry is a fault of the line too: numbers of more than 50 digits or finer
  than 18 decimals, times outside the years 1 to 9999.
* Where a source is known to print binary doubles, `double` rounds a number of more than 15
  significant digits to 15, those that a double holds for certain: `3135809.3999999999` is read as
  3135809.4.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import TextIO

from ledger.core.units import SCALE_MAX
from ledger.errors import ImportFailed

DOUBLE_DIGITS = 15
"""Significant decimal digits that every binary double gives back unchanged."""

_DOUBLE = Context(prec=DOUBLE_DIGITS, rounding=ROUND_HALF_EVEN)
_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_LENGTH_MAX = 60
"""Characters of a number in a file."""

_DIGITS_MAX = 50
"""Of a number in a file, written out: the wire takes 60, and sums must stay below."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999, in microseconds since 1970."""
_GZIP_MAGIC = b"\x1f\x8b"


def failure(path: Path, line: int, message: str) -> ImportFailed:
    """The fault of one line of a file."""
    return ImportFailed(f"{path}, line {line}: {message}")


@contextmanager
def opened(path: Path, encoding: str = "utf-8") -> Iterator[TextIO]:
    """The file as text, unpacked where it is gzip by its first two bytes (not by its name).

    Raises:
        ImportFailed: It cannot be opened, unpacked or read in this encoding.
    """
    try:
        with unpacked(path) as binary:
            yield io.TextIOWrapper(binary, encoding=encoding, newline="")
    except UnicodeDecodeError as error:
        message = f"is not {encoding.upper()} text ({error.reason})"
        raise failure(path, _undecodable_line(path, encoding), message) from error


@contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of the file, unpacked where it is gzip.

    Raises:
        ImportFailed: It cannot be opened or unpacked.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            yield io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw
    except (OSError, EOFError, zlib.error) as error:
        message = f"{path}: cannot be read ({error}); expected a whole text or gzip file"
        raise ImportFailed(message) from error


def _undecodable_line(path: Path, encoding: str) -> int:
    """Number of the first line that cannot be read: once more, for text is read in chunks."""
    with unpacked(path) as binary:
        for number, line in enumerate(binary, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return number
    return 1


def first_line(path: Path) -> str:
    """The first line that is not blank, without its end; empty for an empty file."""
    with opened(path) as text:
        return next((line.strip() for line in text if line.strip()), "")


def table_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with a header, as (line, column -> text).

    Raises:
        ImportFailed: A needed column is missing, or a row has another number of fields.
    """
    with opened(path) as text:
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader, [])
            missing = [column for column in columns if column not in header]
            if missing:
                found = ", ".join(header) or "nothing"
                raise failure(path, 1, f"no column {', '.join(missing)}; found {found}")
            for fields in reader:
                if len(fields) != len(header):
                    message = f"{len(fields)} fields, expected {len(header)} as in the header"
                    raise failure(path, reader.line_num, message)
                yield reader.line_num, dict(zip(header, fields, strict=True))
        except csv.Error as error:
            raise failure(path, reader.line_num, f"is not CSV ({error})") from error


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """JSON objects, one a line, as (line, object); blank lines are passed over."""
    with opened(path) as text:
        for line, content in enumerate(text, start=1):
            if not content.strip():
                continue
            try:
                row = json.loads(content, parse_float=Decimal)
            except (ValueError, RecursionError) as error:
                raise failure(path, line, f"is not JSON ({error})") from error
            if not isinstance(row, dict):
                raise failure(path, line, "is not a JSON object")
            yield line, row


class Row:
    """One row with its place, so that a missing or wrong field can say where it stands."""

    __slots__ = ("fields", "line", "path")

    def __init__(self, path: Path, line: int, fields: Mapping[str, object]) -> None:
        self.path = path
        self.line = line
        self.fields = fields

    def failure(self, message: str) -> ImportFailed:
        """The fault of this row."""
        return failure(self.path, self.line, message)

    def text(self, name: str) -> str:
        """The field as text, as it was written.

        Raises:
            ImportFailed: It is missing or empty.
        """
        value = self.fields.get(name)
        if value is None or value == "":
            raise self.failure(f"field {name} is missing or empty")
        return str(value)

    def number(self, name: str) -> Decimal:
        """The field as an exact number.

        Raises:
            ImportFailed: It is missing or no number.
        """
        text = self.text(name)
        if len(text) > _LENGTH_MAX or _NUMBER.fullmatch(text) is None:
            raise self.failure(f"field {name} is {_cut(text)}, expected a decimal number")
        value = Decimal(text)
        if len(text) > SCALE_MAX or "e" in text.lower():
            self._require_carried(name, text, value)
        return value

    def _require_carried(self, name: str, text: str, value: Decimal) -> None:
        if decimals(value) > SCALE_MAX or len(plain(value)) > _DIGITS_MAX:
            raise self.failure(
                f"field {name} is {text}, expected at most {SCALE_MAX} decimals and {_DIGITS_MAX}"
                " digits"
            )

    def double(self, name: str) -> Decimal:
        """The field as the number that was meant, of a source that prints binary doubles."""
        return doubled(self.number(name))

    def positive(self, name: str) -> Decimal:
        """The field as an exact number above zero."""
        value = self.number(name)
        if value <= 0:
            raise self.failure(f"field {name} is {plain(value)}, expected more than zero")
        return value

    def whole(self, name: str) -> int:
        """The field as a whole number."""
        text = self.text(name)
        if _WHOLE.fullmatch(text) is None:
            raise self.failure(f"field {name} is {_cut(text)}, expected a whole number")
        return int(text)

    def moment(self, microseconds: int) -> int:
        """A time of this row, since 1970, held to the years that the wire has."""
        if _FIRST <= microseconds <= _LAST:
            return microseconds
        raise self.failure(f"{microseconds} microseconds since 1970 are not in the years 1 to 9999")

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """The field, one of the choices."""
        text = self.text(name)
        if text not in choices:
            expected = ", ".join(choices)
            raise self.failure(f"field {name} is {_cut(text)}, expected one of {expected}")
        return text


def _cut(text: str) -> str:
    return repr(text if len(text) <= _LENGTH_MAX else text[:_LENGTH_MAX] + "...")


def doubled(value: Decimal) -> Decimal:
    """The number that was meant by the print of a binary double; see the rule above."""
    noisy = len(value.as_tuple().digits) > DOUBLE_DIGITS
    return _DOUBLE.plus(value) if noisy else value


def plain(value: Decimal) -> str:
    """The number as the wire has it: no exponent, no trailing zeros, no minus zero."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimals(value: Decimal) -> int:
    """Digits after the point that the number needs."""
    _, _, fraction = plain(value).partition(".")
    return len(fraction)


def rounded(value: Decimal, scale: int) -> Decimal:
    """The number with at most `scale` digits after the point, half-even."""
    return value.quantize(Decimal(1).scaleb(-scale), context=_WIDE)


def instant(microseconds: int) -> str:
    """Time on the wire, from microseconds since 1970: `2025-10-27T16:59:59.797000Z`."""
    at = _EPOCH + timedelta(microseconds=microseconds)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(row: Row, name: str) -> int:
    """An ISO 8601 UTC field (`2024-12-02T17:20Z`, seconds optional) in microseconds since 1970."""
    text = row.text(name)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise row.failure(f"field {name} is {_cut(text)}, expected an ISO 8601 time") from error
    if parsed.utcoffset() != timedelta(0):
        raise row.failure(f"field {name} is {_cut(text)}, expected UTC (ending in Z)")
    return (parsed - _EPOCH) // timedelta(microseconds=1)
