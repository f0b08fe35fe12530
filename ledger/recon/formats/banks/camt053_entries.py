"""Entries of camt.053 to movements: one each, or one for each of its transactions."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ledger.importers.reading import failure
from ledger.recon.formats.days import begin_of, end_of, zoned
from ledger.recon.lines import Movement
from ledger.recon.movements.arithmetic import exact_sum

BOOKED = "BOOK"
NOT_PROVIDED = "NOTPROVIDED"
"""What stands in a reference that a bank must fill and nobody gave."""


class Entry(NamedTuple):
    """What an entry moves; the movements' account and commodity are still empty."""

    line: int
    currency: str
    movements: list[Movement]


class EntryReader:
    """Makes movements of the elements `Ntry` of one file."""

    def __init__(self, path: Path, zone: str) -> None:
        self._path = path
        self._zone = zone

    def entry(self, line: int, element: Any) -> Entry:  # noqa: ANN401 - a class of each version
        """What the element that begins on this line says.

        Raises:
            ImportFailed: It is not booked, or its time is none.
        """
        status = getattr(element.sts, "cd", element.sts)
        status = getattr(status, "value", status)
        if status != BOOKED:
            message = f"entry of status {status}, expected {BOOKED}: balances hold booked ones only"
            raise failure(self._path, line, message)
        at = self.moment(line, element.bookg_dt) or self.moment(line, element.val_dt)
        reference = element.acct_svcr_ref or element.ntry_ref or ""
        movements = []
        for amount, detail, suffix in _parts(element):
            own = None if detail is None else detail.refs
            theirs = reference
            if suffix or not reference:
                theirs = (own and own.acct_svcr_ref) or (reference and reference + suffix)
            movements.append(
                Movement(line, theirs, _ours(own), at, "", "", amount, _text(element, detail))
            )
        return Entry(line, element.amt.ccy, movements)

    def moment(self, line: int, choice: Any, *, is_end: bool = False) -> datetime | None:  # noqa: ANN401 - as above
        """A time, or the beginning of a day, or its end; None where nothing is told.

        Raises:
            ImportFailed: Outside the years 1 to 9999.
        """
        try:
            if choice is not None and choice.dt_tm is not None:
                return zoned(choice.dt_tm.to_datetime(), self._zone)
            if choice is None or choice.dt is None:
                return None
            day = choice.dt.to_date()
            return end_of(day, self._zone) if is_end else begin_of(day, self._zone)
        except (OverflowError, ValueError) as error:
            message = f"{choice.dt_tm or choice.dt}, expected a time in the years 1 to 9999"
            raise failure(self._path, line, message) from error


def signed(amount: Decimal, indicator: Any) -> Decimal:  # noqa: ANN401 - as above
    """The amount as its holder sees it."""
    return amount if indicator.value == "CRDT" else amount.copy_negate()


def _parts(entry: Any) -> Iterator[tuple[Decimal, Any, str]]:  # noqa: ANN401 - as above
    """Amount, details and suffix of the reference of each transaction of an entry."""
    amount = signed(entry.amt.value, entry.cdt_dbt_ind)
    details = [each for part in entry.ntry_dtls for each in part.tx_dtls]
    told = [each for each in (_own_amount(entry, detail) for detail in details) if each is not None]
    if len(details) > 1 and len(told) == len(details) and exact_sum(told) == amount:
        for number, (part, detail) in enumerate(zip(told, details, strict=True), start=1):
            yield part, detail, f"/{number}"
    else:
        yield amount, details[0] if len(details) == 1 else None, ""


def _own_amount(entry: Any, detail: Any) -> Decimal | None:  # noqa: ANN401 - as above
    """What one transaction of an entry says of itself; None where not in the entry's currency."""
    amount = getattr(detail, "amt", None)
    if amount is None and detail.amt_dtls is not None and detail.amt_dtls.tx_amt is not None:
        amount = detail.amt_dtls.tx_amt.amt
    if amount is None or amount.ccy != entry.amt.ccy:
        return None
    return signed(amount.value, getattr(detail, "cdt_dbt_ind", None) or entry.cdt_dbt_ind)


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
