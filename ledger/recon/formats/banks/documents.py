"""ISO 20022 documents, element by element: XML in, objects of pyiso20022's classes out, with lines.

Rules of this file:

* The bytes go to expat and each element on to xsdata, which builds the classes of the version that
  the namespace names. So memory holds one statement's balances and one entry, not the document,
  and every object knows the line on which its element begins.
* A document type declaration is refused, and with it every entity: nothing is expanded, and
  nothing is fetched.
* An element that the version does not have, one that is missing, and a word that is none of its
  code list are faults of their line.
* An amount is digits, not below zero: xsdata alone would take NaN and exponents as well.
* What stands around the document, as an envelope and a business header do, says nothing here.
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ledger.errors import ConfigurationError
from ledger.importers.reading import failure, unpacked
from ledger.recon.formats.fields import TEXT_MAX

VERSIONS = tuple(f"{version:02d}" for version in range(2, 13))
"""Of a message, as its namespace ends: those that pyiso20022 has, but for the first draft, 01."""

AMOUNT = "Amt"
_NUMBER = re.compile(r"\+?(?:[0-9]{1,40}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})")
_LACKING = re.compile(r"missing \d+ required keyword-only arguments?: (.*)")

CHUNK_BYTES = 64 * 1024

Parsed = tuple[str | None, Any]
"""A qualified name and the object that xsdata made of its element."""


def elements(path: Path, message: str, wanted: tuple[str, ...]) -> Iterator[tuple[int, str, Any]]:
    """Each wanted element when it ends: the line it begins on, its name, its object.

    An object that came out is not kept in the one around it: that one's list stays empty.

    Args:
        path: Plain or gzip.
        message: Such as `camt.053.001`; any of `VERSIONS`.
        wanted: Names of elements without namespace.

    Raises:
        ConfigurationError: xsdata or pyiso20022 is not installed.
        ImportFailed: While iterating: no XML, or not as the version of the message says.
    """
    with unpacked(path) as binary:
        reading = _Reading(path, message, wanted)
        while chunk := binary.read(CHUNK_BYTES):
            reading.feed(chunk, is_last=False)
            yield from reading.take()
        reading.feed(b"", is_last=True)
        yield from reading.take()
    if not reading.documents:
        raise failure(path, 1, f"has no Document of {message}")


class _Reading:
    """One pass of expat over a file."""

    def __init__(self, path: Path, message: str, wanted: tuple[str, ...]) -> None:
        self.documents = 0
        self._path = path
        self._wanted = wanted
        self._library = _Library(path, message)
        self._found: list[tuple[int, str, Any]] = []
        self._lines: list[int] = []
        self._text: list[str] = []
        self._queue: list[Any] = []
        self._objects: list[Parsed] = []
        self._expat = expat.ParserCreate(namespace_separator="}")
        self._expat.buffer_text = True
        handlers = {
            "StartDoctypeDeclHandler": self._doctype,
            "StartElementHandler": self._start,
            "EndElementHandler": self._end,
            "CharacterDataHandler": self._text.append,
        }
        for event, handler in handlers.items():
            setattr(self._expat, event, handler)

    def feed(self, chunk: bytes, *, is_last: bool) -> None:
        try:
            self._expat.Parse(chunk, is_last)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise failure(self._path, error.lineno, f"is not XML ({reason})") from error
        except (LookupError, ValueError) as error:  # of the encoding that the first line names
            raise failure(self._path, 1, f"is not XML that can be read ({error})") from error

    def take(self) -> list[tuple[int, str, Any]]:
        """What ended since the last call."""
        found, self._found = self._found, []
        return found

    def _doctype(self, name: str, *_: object) -> None:
        line = self._expat.CurrentLineNumber
        message = f"has a document type declaration ({name}), expected none: entities are refused"
        raise failure(self._path, line, message)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._text.clear()
        line = self._expat.CurrentLineNumber
        namespace, local = _split(name)
        if not self._queue:
            if local != "Document" or not self._library.is_message(namespace):
                return
            self.documents += 1
            self._library.choose(namespace, line)
        self._lines.append(line)
        self._library.start(self._queue, self._objects, f"{{{namespace}}}{local}", attributes, line)

    def _end(self, name: str) -> None:
        if not self._queue:
            return
        namespace, local = _split(name)
        text = "".join(self._text)
        self._text.clear()
        line = self._lines.pop()
        if local == AMOUNT and text.strip() and _NUMBER.fullmatch(text.strip()) is None:
            message = f"{local}: {text.strip()[:TEXT_MAX]!r}, expected a number not below zero"
            raise failure(self._path, line, message)
        self._library.end(self._queue, self._objects, f"{{{namespace}}}{local}", text, line)
        if local in self._wanted:
            self._found.append((line, local, self._objects.pop()[1]))


def _split(name: str) -> tuple[str, str]:
    namespace, _, local = name.rpartition("}")
    return namespace, local


class _Library:
    """xsdata and the classes of pyiso20022, with faults that name the line."""

    def __init__(self, path: Path, message: str) -> None:
        try:
            from xsdata.exceptions import ParserError  # noqa: PLC0415 - an optional extra
            from xsdata.formats.dataclass.parsers.bases import (  # noqa: PLC0415 - as above
                NodeParser,
            )
            from xsdata.formats.dataclass.parsers.config import (  # noqa: PLC0415 - as above
                ParserConfig,
            )
        except ImportError as missing:
            raise ConfigurationError(
                f"{message} needs xsdata and pyiso20022, which are not installed:"
                " `pip install clearing-ledger[recon]`"
            ) from missing
        strict = ParserConfig(fail_on_unknown_properties=True, fail_on_converter_warnings=True)
        self._parser = NodeParser(config=strict)
        self._faults = (ParserError, TypeError, ValueError)
        self._path = path
        self._message = message
        self._document: Any = None

    def is_message(self, namespace: str) -> bool:
        return f":{self._message}." in namespace

    def choose(self, namespace: str, line: int) -> None:
        """Take the classes of the version that the namespace names."""
        version = namespace.rpartition(".")[2]
        module = f"pyiso20022.camt.{self._message.replace('.', '_')}_{version}"
        if version not in VERSIONS:
            expected = f"{VERSIONS[0]} to {VERSIONS[-1]}"
            message = f"is of the version {version!r} of {self._message}, expected {expected}"
            raise failure(self._path, line, message)
        self._document = importlib.import_module(module).Document

    def start(
        self,
        queue: list[Any],
        objects: list[Parsed],
        qname: str,
        attributes: dict[str, str],
        line: int,
    ) -> None:
        try:
            self._parser.start(self._document, queue, objects, qname, attributes, {})
        except self._faults as error:
            raise failure(self._path, line, f"{_plain(qname)}: {_plain(str(error))}") from error

    def end(
        self,
        queue: list[Any],
        objects: list[Parsed],
        qname: str,
        text: str,
        line: int,
    ) -> None:
        try:
            self._parser.end(queue, objects, qname, text, None)
        except self._faults as error:
            raise failure(self._path, line, f"{_plain(qname)}: {_plain(str(error))}") from error


def _plain(message: str) -> str:
    """In the words of the file: no namespaces, names of elements instead of those of classes."""
    told = " ".join(re.sub(r"\{[^}]*\}", "", message).split())
    if found := _LACKING.search(told):
        names = [name.title().replace("_", "") for name in re.findall(r"'(\w+)'", found.group(1))]
        return f"lacks {', '.join(names)}"
    return told
