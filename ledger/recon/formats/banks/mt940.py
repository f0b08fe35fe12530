"""SWIFT MT940, the customer statement message, as the library mt-940 reads its tags.

Rules of this file:

* A statement begins at `:20:` and has one opening (`:60F:`, or `:60M:` on a later page) and one
  closing (`:62F:`, `:62M:`). Envelopes of SWIFT blocks around it say nothing.
* A line `:61:` is a movement: `C` and `RD` (a debit taken back) are positive, `D` and `RC`
  negative. Each one that stands in the file comes out, or the reading stops.
* The reference is the bank's (behind `//`). Ours is the end-to-end one of `:86:` (`/EREF/` or
  `EREF+`), else the customer's of `:61:`, which has 16 characters only.
* Days are taken in the mapping's zone. Entries count by the day of entry, else the value day. A
  statement begins on the day of its opening balance, or on the next one where nothing was entered
  on that day; it ends with the day of its closing balance.
"""

import io
import logging
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import ConfigurationError, ImportFailed
from ledger.importers.reading import failure, opened
from ledger.recon.formats.days import begin_of, end_of
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.lines import Movement, Statement

_ENDS = ("-}", "{")
_TAG = re.compile(r":[0-9]{2}[A-Z]?:")
_SUBFIELD = re.compile(r"\?(?:2[0-9]|6[0-3])")
_END_TO_END = re.compile(r"/EREF/([^/?]+)|EREF\+(.+?)(?=[A-Z]{4}\+|\?|$)")
_NO_REFERENCE = {"", "EREF", "NONREF", "NOTPROVIDED"}
_OPENINGS = ("final_opening_balance", "intermediate_opening_balance", "opening_balance")
_CLOSINGS = ("final_closing_balance", "intermediate_closing_balance", "closing_balance")


class _Block(NamedTuple):
    """The lines of one statement with their numbers in the file."""

    lines: list[tuple[int, str]]

    @property
    def line(self) -> int:
        return self.lines[0][0]

    def tagged(self, tag: str) -> list[int]:
        """Where this tag stands."""
        return [number for number, text in self.lines if text.startswith(tag)]

    def line_of(self, value: str) -> int:
        """Where a value of a tag begins."""
        first = value.splitlines()[0] if value else ""
        return next((number for number, text in self.lines if first in text), self.line)


def mt940(path: Path, mapping: SourceMapping) -> Iterator[Statement]:
    """The statements of a file, in its order.

    Raises:
        ConfigurationError: mt-940 is not installed.
        ImportFailed: While iterating; names file and line.
    """
    for block in _blocks(path, mapping):
        yield _Reader(path, mapping, block).statement()


def _blocks(path: Path, mapping: SourceMapping) -> Iterator[_Block]:
    """The statements; what stands between the end of one and the next `:20:` is an envelope."""
    lines: list[tuple[int, str]] = []
    found = 0
    with opened(path, mapping.encoding) as text:
        for number, raw in enumerate(text, start=1):
            line = raw.rstrip()
            if lines and (line == "-" or line.startswith((":20:", *_ENDS))):
                yield _Block(lines)
                lines = []
            if line.startswith(":20:"):
                found += 1
            elif not lines:
                if _TAG.match(line):
                    message = f"{line[:40]!r}, expected :20:, which begins a statement"
                    raise failure(path, number, message)
                continue
            if line:
                lines.append((number, line))
    if lines:
        yield _Block(lines)
    if not found:
        raise ImportFailed(f"{path}: no statement; expected one that begins with :20:")


class _Reader:
    """One statement."""

    def __init__(self, path: Path, mapping: SourceMapping, block: _Block) -> None:
        self._path = path
        self._mapping = mapping
        self._block = block
        self._told = self._parsed()

    def statement(self) -> Statement:
        told = self._told.data
        opening, closing = self._balance(":60", _OPENINGS), self._balance(":62", _CLOSINGS)
        account = self._text(told, "account_identification", ":25:")
        account = self._mapping.accounts.get(account, account)
        currency = opening.amount.currency
        if closing.amount.currency != currency:
            message = f"opens in {currency} and closes in {closing.amount.currency}"
            raise failure(self._path, self._block.line, f"{message}, expected one currency")
        commodity = self._mapping.commodities.get(currency, currency)
        days = [_day(each) for each in self._told]
        movements = [
            self._movement(line, each.data, begin_of(day, self._mapping.zone), account, commodity)
            for line, day, each in zip(self._entries(), days, self._told, strict=True)
        ]
        return Statement(
            source=self._mapping.source,
            number=self._number(told),
            account=account,
            commodity=commodity,
            begins=begin_of(_first_day(opening.date, closing.date, days), self._mapping.zone),
            ends=end_of(closing.date, self._mapping.zone),
            opening=opening.amount.amount,
            closing=closing.amount.amount,
            movements=movements,
        )

    def _parsed(self) -> Any:  # noqa: ANN401 - the library's
        library = _library()
        text = "\n".join(line for _, line in self._block.lines)
        line_tag = library.tags.StatementGLS()
        try:
            return library.parse(
                io.StringIO(text),
                processors={"post_transaction_details": []},
                tags={line_tag.id: line_tag},
                options=library.Options.all(),
            )
        except RuntimeError as error:
            value = str(error.args[-1])
            line = self._block.line_of(value)
            message = f"{value[:60]!r} does not read as MT940 has this tag"
            raise failure(self._path, line, message) from error
        except (ArithmeticError, LookupError, ValueError) as error:
            message = f"the statement does not read as MT940 ({error})"
            raise failure(self._path, self._block.line, message) from error

    def _balance(self, tag: str, names: tuple[str, ...]) -> Any:  # noqa: ANN401 - as above
        where = self._block.tagged(tag)
        found = [self._told.data[name] for name in names if name in self._told.data]
        if len(where) != 1 or len(found) != 1:
            message = f"the statement has {len(where)} balances {tag}, expected one"
            raise failure(self._path, self._block.line, message)
        return found[0]

    def _text(self, told: dict[str, Any], name: str, tag: str) -> str:
        text = str(told.get(name) or "").strip()
        if not text or len(self._block.tagged(tag)) != 1:
            raise failure(self._path, self._block.line, f"the statement has not one {tag}")
        return text

    def _number(self, told: dict[str, Any]) -> str:
        """`:28C:` without zeros in front: `41/1`."""
        parts = [told.get("statement_number"), told.get("sequence_number")]
        return "/".join(str(int(part)) for part in parts if part)

    def _entries(self) -> list[int]:
        """Lines of `:61:`, as many as movements were read."""
        where = self._block.tagged(":61:")
        if len(where) != len(self._told):
            message = f"{len(where)} lines :61: stand there, {len(self._told)} were read"
            raise failure(self._path, self._block.line, message)
        return where

    def _movement(
        self,
        line: int,
        told: dict[str, Any],
        at: Any,  # noqa: ANN401 - a time
        account: str,
        commodity: str,
    ) -> Movement:
        amount: Decimal = told["amount"].amount
        details = str(told.get("transaction_details") or "")
        flat = _SUBFIELD.sub("", details.replace("\n", ""))
        found = _END_TO_END.search(flat)
        end_to_end = (found.group(1) or found.group(2)).strip() if found else ""
        customers = str(told.get("customer_reference") or "").strip()
        ours = next((each for each in (end_to_end, customers) if each not in _NO_REFERENCE), "")
        banks = str(told.get("bank_reference") or "").strip()
        extra = str(told.get("extra_details") or "").strip()
        return Movement(
            line=line,
            reference="" if banks in _NO_REFERENCE else banks,
            ours=ours,
            at=at,
            account=account,
            commodity=commodity,
            amount=amount,
            text=" ".join([*extra.split(), *details.split()]),
        )


def _day(entry: Any) -> date:  # noqa: ANN401 - the library's
    day: date = entry.data.get("entry_date") or entry.data["date"]
    return day


def _first_day(opening: date, closing: date, days: list[date]) -> date:
    if closing < opening:
        return min([closing, *days])
    following = opening + timedelta(days=1)
    is_end_of_day = following <= closing and all(day >= following for day in days)
    return following if is_end_of_day else opening


def _library() -> Any:  # noqa: ANN401 - a module
    try:
        import mt940 as library  # noqa: PLC0415 - an optional extra
    except ImportError as missing:
        raise ConfigurationError(
            "MT940 needs mt-940, which is not installed: `pip install clearing-ledger[recon]`"
        ) from missing
    logging.getLogger("mt940").addHandler(logging.NullHandler())  # its faults are raised as well
    return library
