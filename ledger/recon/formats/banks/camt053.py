"""ISO 20022 camt.053, the bank's statement to its customer, versions 02 to 12.

Rules of this file:

* Opening is the balance `OPBD`, else `PRCD`; closing is `CLBD`. A page of a longer statement has
  `ITBD` in their place, the first for its opening, the last for its closing. Other balances
  (available, forward) are none of booked money and are not read.
* An entry is one movement, signed by its own `CdtDbtInd` (a reversal is marked, and signed,
  already). One whose details tell several transactions becomes one movement each, where each has
  an amount in the account's currency and they sum to the entry; else it stays one.
* Only booked entries count in booked balances: an entry of another status is refused.
* The account is its IBAN, or its other id. The reference is the bank's (`AcctSvcrRef`, else
  `NtryRef`), ours the one that we gave on the way (`EndToEndId`, else `InstrId`).
* Days are taken in the mapping's zone; a statement that names no times of its own runs from
  the day of its opening balance, or from the next one where nothing was entered on that day (many
  banks date it by the closing before), to the end of that of its closing one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ledger.importers.reading import failure
from ledger.recon.formats.banks.camt053_entries import Entry, EntryReader, signed
from ledger.recon.formats.banks.documents import elements
from ledger.recon.formats.days import SMALLEST, zoned
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.lines import Movement, Statement

MESSAGE = "camt.053.001"
OPENINGS, CLOSINGS, INTERIM = ("OPBD", "PRCD"), ("CLBD",), "ITBD"
BOOKED_BALANCES = (*OPENINGS, *CLOSINGS, INTERIM)


class _Balance(NamedTuple):
    code: str
    amount: Decimal
    currency: str
    at: Any


def camt053(path: Path, mapping: SourceMapping) -> Iterator[Statement]:
    """The statements of a file, in its order.

    Raises:
        ConfigurationError: A library is not installed.
        ImportFailed: While iterating; names file and line.
    """
    reader = EntryReader(path, mapping.zone)
    entries: list[Entry] = []
    for line, name, element in elements(path, MESSAGE, ("Ntry", "Stmt")):
        if name == "Ntry":
            entries.append(reader.entry(line, element))
        else:
            yield _Reader(path, mapping, line, element).statement(entries)
            entries = []


class _Reader:
    """One statement's element, and what follows from its account and balances."""

    def __init__(self, path: Path, mapping: SourceMapping, line: int, statement: Any) -> None:  # noqa: ANN401 - a class of each version
        self._path = path
        self._mapping = mapping
        self._line = line
        self._statement = statement
        self._entries = EntryReader(path, mapping.zone)
        identification = statement.acct.id
        other = identification.othr
        account = identification.iban or (other and other.id)
        if not account:
            raise failure(path, line, "the statement's account has no id")
        self._account = mapping.accounts.get(account, account)
        balances = [_balance(each) for each in statement.bal]
        self._balances = [each for each in balances if each.code in BOOKED_BALANCES]
        self._currency = self._only_currency()
        self._commodity = mapping.commodities.get(self._currency, self._currency)

    def statement(self, entries: list[Entry]) -> Statement:
        """The statement with these entries."""
        opening, closing = self._opening(), self._closing()
        movements = [each for entry in entries for each in self._movements(entry)]
        begins, ends = self._span(opening, closing, [each.at for each in movements])
        return Statement(
            source=self._mapping.source,
            number=self._number(),
            account=self._account,
            commodity=self._commodity,
            begins=begins,
            ends=ends,
            opening=None if opening is None else opening.amount,
            closing=None if closing is None else closing.amount,
            movements=movements,
        )

    def _movements(self, entry: Entry) -> Iterator[Movement]:
        if entry.currency != self._currency:
            message = f"entry in {entry.currency}, expected {self._currency} as the balances"
            raise failure(self._path, entry.line, message)
        for each in entry.movements:
            yield each._replace(account=self._account, commodity=self._commodity)

    def _number(self) -> str:
        """The electronic number, else the legal one, with the page; else the id."""
        told = self._statement
        number = told.elctrnc_seq_nb if told.elctrnc_seq_nb is not None else told.lgl_seq_nb
        if number is None:
            return str(told.id)
        pages = getattr(told, "stmt_pgntn", None)
        return f"{number:f}" if pages is None else f"{number:f}/{pages.pg_nb}"

    def _only_currency(self) -> str:
        told = self._statement.acct.ccy
        currencies = sorted(
            {each.currency for each in self._balances} | ({told} if told else set())
        )
        if len(currencies) != 1:
            found = " and ".join(currencies) or "none"
            message = f"the statement's account and balances are in {found}, expected one currency"
            raise failure(self._path, self._line, message)
        return currencies[0]

    def _opening(self) -> _Balance | None:
        interim = [each for each in self._balances if each.code == INTERIM]
        found = [each for code in OPENINGS for each in self._balances if each.code == code]
        if not found and (len(interim) > 1 or self._has(CLOSINGS)):
            found = interim
        return found[0] if found else None

    def _closing(self) -> _Balance | None:
        interim = [each for each in self._balances if each.code == INTERIM]
        found = [each for each in self._balances if each.code in CLOSINGS]
        if not found and (len(interim) > 1 or self._has(OPENINGS)):
            found = interim
        return found[-1] if found else None

    def _has(self, codes: tuple[str, ...]) -> bool:
        return any(each.code in codes for each in self._balances)

    def _span(
        self, opening: _Balance | None, closing: _Balance | None, times: Sequence[datetime | None]
    ) -> tuple[datetime | None, datetime | None]:
        """From when to when; the day of `PRCD` is the one before the statement begins."""
        told = self._statement.fr_to_dt
        zone = self._mapping.zone
        begins = ends = None
        if closing is not None:
            ends = self._entries.moment(self._line, closing.at, is_end=True)
        if opening is not None:
            begins = self._entries.moment(self._line, opening.at)
            last = self._entries.moment(self._line, opening.at, is_end=True)
            if opening.code == "PRCD" or _all_after(last, [*times, ends]):
                begins = last and last + SMALLEST
        if told is not None:
            since = getattr(told, "fr_dt_tm", None)
            until = getattr(told, "to_dt_tm", None)
            begins = zoned(since.to_datetime(), zone) if since else begins
            ends = zoned(until.to_datetime(), zone) if until else ends
        return begins, ends


def _all_after(moment: datetime | None, times: Sequence[datetime | None]) -> bool:
    return moment is not None and all(at is None or at > moment for at in times)


def _balance(element: Any) -> _Balance:  # noqa: ANN401 - as above
    code = element.tp.cd_or_prtry.cd
    amount = signed(element.amt.value, element.cdt_dbt_ind)
    return _Balance(getattr(code, "value", code) or "", amount, element.amt.ccy, element.dt)
