"""FIX messages of a file, whole and sound: framed by their separator, length and checksum checked.

A line may hold several messages, and a log's own words in front of one. The separator is the one
behind `8=FIX...`: the byte 1, as on the wire, or `|`, `^A` or `;`, as logs print it; length and
checksum are those of the wire.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import ConfigurationError
from ledger.importers.reading import failure, unpacked

SOH = b"\x01"
_MESSAGE = re.compile(rb"8=FIX[0-9A-Z.]*(\x01|\^A|\||;)9=.*?\1(10=[0-9]{3})(?:\1|\s*$)", re.DOTALL)
_LENGTH = re.compile(rb"8=[^\x01]*\x019=([0-9]+)\x01")
_SHOWN = 60


class Message(NamedTuple):
    """A message.

    Attributes:
        line: Of the file, from 1.
        place: Among the messages of the file, from 0.
        fields: Tag and value in their order.
    """

    line: int
    place: int
    fields: list[tuple[int, str]]

    def get(self, tag: int) -> str | None:
        """The first value of a tag."""
        return next((value for each, value in self.fields if each == tag), None)


def messages(path: Path, holding: re.Pattern[bytes] | None = None) -> Iterator[Message]:
    """The messages of a file, in its order.

    Args:
        path: Plain or gzip.
        holding: Only those in which this is found; the others are not looked into.

    Raises:
        ConfigurationError: simplefix is not installed.
        ImportFailed: While iterating: a line without message, or one that is not whole.
    """
    library = _library()
    place = -1
    with unpacked(path) as binary:
        for number, line in enumerate(binary, start=1):
            if not line.strip():
                continue
            end, has_message = 0, False
            for found in _MESSAGE.finditer(line):
                _require_no_message(path, number, line[end : found.start()])
                end, has_message = found.end(), True
                place += 1
                if holding is None or holding.search(found.group()):
                    yield Message(number, place, _fields(path, number, library, found))
            _require_no_message(path, number, line[end:])
            if not has_message:
                shown = line[:_SHOWN].decode(errors="replace")
                raise failure(path, number, f"{shown!r}, expected a FIX message: 8=FIX... to 10=")


def _require_no_message(path: Path, line: int, between: bytes) -> None:
    if b"8=FIX" in between:
        shown = between.strip()[:_SHOWN].decode(errors="replace")
        raise failure(path, line, f"{shown!r} is no whole FIX message: 9=, then all up to 10=")


def _fields(
    path: Path,
    line: int,
    library: Any,  # noqa: ANN401 - a module
    found: re.Match[bytes],
) -> list[tuple[int, str]]:
    """The fields of a message whose length and checksum hold."""
    separator, trailer = found.group(1), found.group(2)
    body = found.string[found.start() : found.start(2)].replace(separator, SOH)
    told = _LENGTH.match(body)
    length = len(body) - told.end() if told else -1
    if told is None or int(told.group(1)) != length:
        shown = told.group(1).decode() if told else "missing"
        raise failure(path, line, f"BodyLength (9) is {shown}, expected {length}: a cut message?")
    checksum = sum(body) % 256
    if int(trailer[3:]) != checksum:
        message = f"CheckSum (10) is {trailer[3:].decode()}, expected {checksum:03d}"
        raise failure(path, line, message)
    parser = library.FixParser()
    parser.append_buffer(body + trailer + SOH)
    try:
        read = parser.get_message()
    except (library.errors.ParsingError, ValueError) as error:
        raise failure(path, line, f"is no FIX message ({error})") from error
    if read is None:
        raise failure(path, line, "is no FIX message: it does not end")
    try:
        return [(int(tag), value.decode()) for tag, value in read.pairs]
    except UnicodeDecodeError as error:
        raise failure(path, line, f"is not UTF-8 text ({error.reason})") from error


def _library() -> Any:  # noqa: ANN401 - as above
    try:
        import simplefix  # noqa: PLC0415 - an optional extra
        import simplefix.errors  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise ConfigurationError(
            "FIX needs simplefix, which is not installed: `pip install clearing-ledger[recon]`"
        ) from missing
    return simplefix
