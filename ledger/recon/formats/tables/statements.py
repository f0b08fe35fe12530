"""Statements of a table by a mapping: movements a row, grouped by number, account and commodity.

Rules of this file:

* An amount has its sign, or a column `side` beside it, or stands in one of `credit` and `debit`.
* Balances come from rows of their own (`kind` says `opening` or `closing`; the amount of such a row
  is its `balance`, else its amount), else from columns `opening` and `closing`, which say the same
  in every row of a statement, else from a running `balance`: the first one less its movement, and
  the last one.
* A statement runs from the first to the last time in its rows, to the end of that day where all of
  them are midnight in the mapping's zone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ledger.importers.reading import failure
from ledger.recon.formats import fields
from ledger.recon.formats.days import end_of
from ledger.recon.formats.fields import Convert, Field, Unreadable
from ledger.recon.formats.tables.holdings import signed
from ledger.recon.formats.tables.mapping import RowKind, SourceMapping
from ledger.recon.formats.tables.rows import RowSource, records
from ledger.recon.lines import Movement, Statement
from ledger.recon.movements.arithmetic import exact_sum


class _Row(NamedTuple):
    """What a row says, in the order of the fields asked for."""

    kind: RowKind | None
    number: str | None
    reference: str | None
    ours: str | None
    at: datetime | None
    account: str
    commodity: str
    amount: Decimal | None
    side: int | None
    credit: Decimal | None
    debit: Decimal | None
    balance: Decimal | None
    opening: Decimal | None
    closing: Decimal | None
    text: str | None


@dataclass(slots=True)
class _Gathered:
    """A statement whose rows are still being read."""

    movements: list[Movement] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    opening: Decimal | None = None
    closing: Decimal | None = None
    balances: list[tuple[Decimal, Decimal]] = field(default_factory=list)


def statements_of(source: RowSource, path: Path, mapping: SourceMapping) -> Iterator[Statement]:
    """The statements of a file, in the order in which they begin there.

    Raises:
        ImportFailed: While iterating; names file, line and column.
    """
    gathered: dict[tuple[str, str, str], _Gathered] = {}
    for line, values in records(source, path, mapping, _fields(mapping)):
        row = _Row(*values)
        key = (row.number or "", row.account, row.commodity)
        _Gatherer(path, line, mapping, row).add(gathered.setdefault(key, _Gathered()))
    for (number, account, commodity), found in gathered.items():
        yield _statement(found, mapping, (number, account, commodity))


def _fields(mapping: SourceMapping) -> list[Field]:
    number = fields.numbers(mapping)
    return [
        Field("kind", _kinds(mapping)),
        Field("number", fields.name),
        Field("reference", fields.name),
        Field("ours", fields.name),
        Field("at", fields.times(mapping)),
        Field("account", fields.translated(mapping.accounts), required=True),
        Field("commodity", fields.translated(mapping.commodities), required=True),
        Field("amount", number),
        Field("side", fields.words(mapping)),
        Field("credit", number),
        Field("debit", number),
        Field("balance", number),
        Field("opening", number),
        Field("closing", number),
        Field("text", fields.name),
    ]


def _kinds(mapping: SourceMapping) -> Convert:
    words: dict[str, RowKind] = dict(mapping.kinds) or {
        "movement": "movement",
        "opening": "opening",
        "closing": "closing",
    }

    def kind(raw: object) -> RowKind:
        found = words.get(fields.name(raw))
        if found is None:
            raise Unreadable(raw, f"one of {', '.join(words)}")
        return found

    return kind


class _Gatherer:
    """Adds one row to its statement."""

    def __init__(self, path: Path, line: int, mapping: SourceMapping, row: _Row) -> None:
        self._path = path
        self._line = line
        self._mapping = mapping
        self._row = row

    def add(self, to: _Gathered) -> None:
        row = self._row
        if row.at is not None:
            to.times.append(row.at)
        if row.opening is not None:
            to.opening = self._same("opening", to.opening, self._held(row.opening))
        if row.closing is not None:
            to.closing = self._same("closing", to.closing, self._held(row.closing))
        match row.kind:
            case "opening":
                to.opening = self._same("opening", to.opening, self._balance())
            case "closing":
                to.closing = self._same("closing", to.closing, self._balance())
            case "movement" | None:
                self._move(to)

    def _move(self, to: _Gathered) -> None:
        row = self._row
        amount = self._amount()
        to.movements.append(
            Movement(
                line=self._line,
                reference=row.reference or "",
                ours=row.ours or "",
                at=row.at,
                account=row.account,
                commodity=row.commodity,
                amount=amount,
                text=row.text or "",
            )
        )
        if row.balance is not None:
            to.balances.append((amount, self._held(row.balance)))

    def _amount(self) -> Decimal:
        """What the row moves, as the account's holder sees it."""
        row = self._row
        told = [each is not None for each in (row.amount, row.credit, row.debit)]
        if row.amount is not None and sum(told) == 1:
            return signed(self._path, self._line, row.amount, row.side, self._mapping)
        if row.amount is None and any(told):
            credit, debit = row.credit or Decimal(0), row.debit or Decimal(0)
            if credit >= 0 and debit >= 0 and not (credit and debit):
                return self._held(exact_sum([credit, debit.copy_negate()]))
        raise failure(
            self._path,
            self._line,
            f"amount {row.amount}, credit {row.credit} and debit {row.debit}; expected an amount,"
            " or one of credit and debit, not below zero",
        )

    def _balance(self) -> Decimal:
        return self._amount() if self._row.balance is None else self._held(self._row.balance)

    def _held(self, amount: Decimal) -> Decimal:
        return signed(self._path, self._line, amount, None, self._mapping)

    def _same(self, name: str, before: Decimal | None, now: Decimal) -> Decimal:
        if before is not None and before != now:
            message = f"{name} {now:f}, expected {before:f} as above for the same statement"
            raise failure(self._path, self._line, message)
        return now


def _statement(found: _Gathered, mapping: SourceMapping, key: tuple[str, str, str]) -> Statement:
    number, account, commodity = key
    balances = found.balances
    if mapping.order == "newest_first":
        balances = balances[::-1]
    opening, closing = found.opening, found.closing
    if opening is None and balances:
        amount, balance = balances[0]
        opening = exact_sum([balance, amount.copy_negate()])
    if closing is None and balances:
        closing = balances[-1][1]
    begins, ends = _span(found.times, mapping.zone)
    return Statement(
        source=mapping.source,
        number=number,
        account=account,
        commodity=commodity,
        begins=begins,
        ends=ends,
        opening=opening,
        closing=closing,
        movements=found.movements,
    )


def _span(times: list[datetime], zone: str) -> tuple[Any, Any]:
    if not times:
        return None, None
    local = [at.astimezone(ZoneInfo(zone)) for at in times]
    are_days = all(at.time() == time() for at in local)
    return min(times), end_of(max(local).date(), zone) if are_days else max(times)
