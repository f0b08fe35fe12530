"""Ledger movements of a Vega core as a foreign double-entry statement.

Rules of this file:

* The file is a core's business events decoded to JSON, one a line. Events of ledger movements say
  transfers; those of assets say how many decimals the amounts of an asset have. Other events move
  nothing and are not read.
* A transfer is two movements with one reference, `EVENT/GROUP/ENTRY` (counted from 1): out of the
  one account, into the other. So the movements of a reference sum to zero per asset, as those of
  an entry of ours do.
* There is one statement an account and asset, in the order in which they first move. Opening is
  the first balance that the core tells less its movement, closing the last one. The account
  `EXTERNAL`, the world outside, is told without balances.
* An account is its type, owner and market, as `GENERAL/owner` or `MARGIN/owner/market`; the mapping
  translates these names, and the ids of assets.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ledger.core.units import SCALE_MAX
from ledger.importers.reading import Row, json_rows
from ledger.recon.formats.fields import TEXT_MAX
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.lines import Movement, Statement
from ledger.recon.movements.arithmetic import exact_sum

ASSET, MOVEMENTS = "BUS_EVENT_TYPE_ASSET", "BUS_EVENT_TYPE_LEDGER_MOVEMENTS"
EXTERNAL = "EXTERNAL"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPE, _TRANSFER = "ACCOUNT_TYPE_", "TRANSFER_TYPE_"

Key = tuple[str, str]
"""Account and asset."""


@dataclass(slots=True)
class _Book:
    """What one account did in one asset."""

    opening: Decimal | None = None
    closing: Decimal | None = None
    movements: list[Movement] = field(default_factory=list)


def vega(path: Path, mapping: SourceMapping) -> Iterator[Statement]:
    """The statements of a file.

    Raises:
        ImportFailed: While iterating; names file and line.
    """
    reading = _Reading(path, mapping)
    for line, fields in json_rows(path):
        reading.read(Row(path, line, fields))
    for (account, asset), book in reading.books.items():
        times = [movement.at for movement in book.movements if movement.at is not None]
        yield Statement(
            source=mapping.source,
            number="",
            account=account,
            commodity=asset,
            begins=min(times),
            ends=max(times),
            opening=book.opening,
            closing=book.closing,
            movements=book.movements,
        )


class _Reading:
    """What the events so far have said."""

    def __init__(self, path: Path, mapping: SourceMapping) -> None:
        self.books: dict[Key, _Book] = {}
        self._path = path
        self._mapping = mapping
        self._decimals: dict[str, int] = {}

    def read(self, event: Row) -> None:
        kind = event.text("type")
        if kind == ASSET:
            asset = _inner(event, "asset")
            details = _inner(asset, "details")
            decimals = details.whole("decimals")
            if not 0 <= decimals <= SCALE_MAX:
                raise event.failure(f"decimals are {decimals}, expected 0 to {SCALE_MAX}")
            self._decimals[asset.text("id")] = decimals
        elif kind == MOVEMENTS:
            self._read_groups(event)

    def _read_groups(self, event: Row) -> None:
        told = event.fields.get("ledger_movements")
        if not told:
            return  # an event of nothing, as the core sends one after a block without transfers
        groups = _inner(event, "ledger_movements")
        for place, group in enumerate(_each(groups, "ledger_movements"), start=1):
            for number, entry in enumerate(_each(group, "entries"), start=1):
                self._transfer(entry, f"{event.text('id')}/{place}/{number}")

    def _transfer(self, entry: Row, reference: str) -> None:
        amount = self._amount(entry, "amount", _inner(entry, "from_account"))
        for side, moved in (("from", amount.copy_negate()), ("to", amount)):
            told = _inner(entry, f"{side}_account")
            asset_id = told.text("asset_id")
            kind = told.text("type").removeprefix(_TYPE)
            owners = [
                str(told.fields[name]) for name in ("owner", "market_id") if name in told.fields
            ]
            name = "/".join([kind, *owners])
            account = self._mapping.accounts.get(name, name)
            asset = self._mapping.commodities.get(asset_id, asset_id)
            book = self.books.setdefault((account, asset), _Book())
            if kind != EXTERNAL:
                book.closing = self._amount(entry, f"{side}_account_balance", told)
                if not book.movements:
                    book.opening = exact_sum([book.closing, moved.copy_negate()])
            book.movements.append(
                Movement(
                    line=entry.line,
                    reference=reference,
                    ours="",
                    at=_EPOCH + timedelta(microseconds=_whole(entry, "timestamp") // 1000),
                    account=account,
                    commodity=asset,
                    amount=moved,
                    text=entry.text("type").removeprefix(_TRANSFER).lower(),
                )
            )

    def _amount(self, entry: Row, name: str, account: Row) -> Decimal:
        """A field in smallest units, as a natural amount of the account's asset."""
        asset = account.text("asset_id")
        decimals = self._decimals.get(asset)
        if decimals is None:
            raise entry.failure(f"asset {asset} moves, expected its {ASSET} above")
        sign, digits, _ = Decimal(_whole(entry, name)).as_tuple()
        return Decimal((sign, digits, -decimals))


def _whole(row: Row, name: str) -> int:
    """A field that is a whole number of any size."""
    text = row.text(name)
    if not (text.isascii() and text.removeprefix("-").isdecimal()) or len(text) > TEXT_MAX:
        raise row.failure(f"field {name} is {text[:TEXT_MAX]!r}, expected a whole number")
    return int(text)


def _inner(row: Row, name: str) -> Row:
    """An object inside of one."""
    value: Any = row.fields.get(name)
    if not isinstance(value, dict):
        raise row.failure(f"field {name} is missing, expected an object")
    return Row(row.path, row.line, value)


def _each(row: Row, name: str) -> Iterator[Row]:
    """The objects of a list; a list that is not there is empty."""
    values: Any = row.fields.get(name, [])
    if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
        raise row.failure(f"field {name} is no list of objects")
    for value in values:
        yield Row(row.path, row.line, value)
