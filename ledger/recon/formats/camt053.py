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
  the day of its opening balance to the end of that of its closing one.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ledger.importers.reading import failure
from ledger.recon.arithmetic import exact_sum
from ledger.recon.formats.days import SMALLEST, begin_of, end_of, zoned
from ledger.recon.formats.documents import elements
from ledger.recon.formats.mapping import SourceMapping
from ledger.recon.lines import Movement, Statement

MESSAGE = "camt.053.001"
BOOKED = "BOOK"
OPENINGS, CLOSINGS, INTERIM = ("OPBD", "PRCD"), ("CLBD",), "ITBD"
BOOKED_BALANCES = (*OPENINGS, *CLOSINGS, INTERIM)
NOT_PROVIDED = "NOTPROVIDED"
"""What stands in a reference that a bank must fill and nobody gave."""


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
    entries: list[tuple[int, Any]] = []
    for line, name, element in elements(path, MESSAGE, ("Ntry", "Stmt")):
        if name == "Ntry":
            entries.append((line, element))
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
        identification = statement.acct.id
        account = identification.iban or identification.othr.id
        self._account = mapping.accounts.get(account, account)
        balances = [_balance(each) for each in statement.bal]
        self._balances = [each for each in balances if each.code in BOOKED_BALANCES]
        self._currency = self._only_currency()
        self._commodity = mapping.commodities.get(self._currency, self._currency)

    def statement(self, entries: list[tuple[int, Any]]) -> Statement:
        """The statement with these entries, each with the line it begins on."""
        opening, closing = self._opening(), self._closing()
        begins, ends = self._span(opening, closing)
        return Statement(
            source=self._mapping.source,
            number=self._number(),
            account=self._account,
            commodity=self._commodity,
            begins=begins,
            ends=ends,
            opening=None if opening is None else opening.amount,
            closing=None if closing is None else closing.amount,
            movements=[each for line, entry in entries for each in self._movements(line, entry)],
        )

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
        self, opening: _Balance | None, closing: _Balance | None
    ) -> tuple[datetime | None, datetime | None]:
        """From when to when; the day of `PRCD` is the one before the statement begins."""
        told = self._statement.fr_to_dt
        zone = self._mapping.zone
        if opening is not None and opening.code == "PRCD":
            begins = self._at(opening.at, is_end=True)
            begins = begins and begins + SMALLEST
        else:
            begins = None if opening is None else self._at(opening.at)
        ends = None if closing is None else self._at(closing.at, is_end=True)
        if told is not None:
            since = getattr(told, "fr_dt_tm", None)
            until = getattr(told, "to_dt_tm", None)
            begins = zoned(since.to_datetime(), zone) if since else begins
            ends = zoned(until.to_datetime(), zone) if until else ends
        return begins, ends

    def _at(self, choice: Any, *, is_end: bool = False) -> datetime | None:  # noqa: ANN401 - as above
        """A time, or the beginning of a day, or its end."""
        if choice is None:
            return None
        if choice.dt_tm is not None:
            return zoned(choice.dt_tm.to_datetime(), self._mapping.zone)
        if choice.dt is None:
            return None
        day = choice.dt.to_date()
        return end_of(day, self._mapping.zone) if is_end else begin_of(day, self._mapping.zone)

    def _movements(self, line: int, entry: Any) -> Iterator[Movement]:  # noqa: ANN401 - as above
        status = getattr(entry.sts, "cd", entry.sts)
        status = getattr(status, "value", status)
        if status != BOOKED:
            message = (
                f"entry of status {status}, expected {BOOKED}: balances hold booked entries only"
            )
            raise failure(self._path, line, message)
        if entry.amt.ccy != self._currency:
            message = f"entry in {entry.amt.ccy}, expected {self._currency} as the balances"
            raise failure(self._path, line, message)
        amount = _signed(entry.amt.value, entry.cdt_dbt_ind)
        at = self._at(entry.bookg_dt) or self._at(entry.val_dt)
        details = [each for part in entry.ntry_dtls for each in part.tx_dtls]
        for amounts, detail, suffix in self._parts(entry, amount, details):
            own = None if detail is None else detail.refs
            reference = entry.acct_svcr_ref or entry.ntry_ref or ""
            if suffix or not reference:
                reference = (own and own.acct_svcr_ref) or (reference and reference + suffix)
            yield Movement(
                line=line,
                reference=reference,
                ours=_ours(own),
                at=at,
                account=self._account,
                commodity=self._commodity,
                amount=amounts,
                text=_text(entry, detail),
            )

    def _parts(
        self,
        entry: Any,  # noqa: ANN401 - as above
        amount: Decimal,
        details: list[Any],
    ) -> Iterator[tuple[Decimal, Any, str]]:
        """Amount, details and suffix of the reference of each transaction of an entry."""
        amounts = [self._own_amount(entry, each) for each in details]
        told = [each for each in amounts if each is not None]
        if len(details) > 1 and len(told) == len(details) and exact_sum(told) == amount:
            for number, (part, detail) in enumerate(zip(told, details, strict=True), start=1):
                yield part, detail, f"/{number}"
        else:
            yield amount, details[0] if len(details) == 1 else None, ""

    def _own_amount(self, entry: Any, detail: Any) -> Decimal | None:  # noqa: ANN401 - as above
        """What one transaction of an entry says of itself; None where not in this currency."""
        amount = getattr(detail, "amt", None)
        if amount is None and detail.amt_dtls is not None and detail.amt_dtls.tx_amt is not None:
            amount = detail.amt_dtls.tx_amt.amt
        if amount is None or amount.ccy != self._currency:
            return None
        return _signed(amount.value, getattr(detail, "cdt_dbt_ind", None) or entry.cdt_dbt_ind)


def _balance(element: Any) -> _Balance:  # noqa: ANN401 - as above
    code = element.tp.cd_or_prtry.cd
    amount = _signed(element.amt.value, element.cdt_dbt_ind)
    return _Balance(getattr(code, "value", code) or "", amount, element.amt.ccy, element.dt)


def _signed(amount: Decimal, indicator: Any) -> Decimal:  # noqa: ANN401 - as above
    return amount if indicator.value == "CRDT" else amount.copy_negate()


def _ours(references: Any) -> str:  # noqa: ANN401 - as above
    if references is None:
        return ""
    for told in (references.end_to_end_id, references.instr_id):
        if told and told != NOT_PROVIDED:
            return str(told)
    return ""


def _text(entry: Any, detail: Any) -> str:  # noqa: ANN401 - as above
    told = [entry.addtl_ntry_inf]
    if detail is not None:
        remittance = detail.rmt_inf.ustrd if detail.rmt_inf is not None else []
        told = [*remittance, detail.addtl_tx_inf, *told]
    return " ".join(each.strip() for each in told if each)
