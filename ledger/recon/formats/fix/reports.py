"""FIX trade capture reports (35=AE) as trades: what stands at the end of the file.

Rules of this file:

* Messages of the session (heartbeats, logons) say nothing here; any other message is refused.
* The trade's id is `TradeID` (1003), else `TrdMatchID` (880), else `ExecID` (17), else
  `TradeReportID` (571). The instrument is `Symbol` (55), or `SecurityID` (48) for `[N/A]`.
* A side (54: 1 buys, 2 sells) has its `Account` (1), else the party of the role position account
  (38), customer account (24) or client (3), else its account is not told.
* A fee is `Commission` (12, an absolute one) and the `MiscFeeAmt` (137) of the side, in one
  currency; a side with neither tells none.
* A report that cancels (487=1, 856=6 or 7, 150=H) or replaces (487=2, 150=G) an earlier one of the
  file, by the trade's id or by `TradeReportRefID` (572), takes that one out. One whose earlier
  report is not in the file is of a trade that another file told (`Trade.change`), by its own
  TradeID or TrdMatchID, else by the TradeReportRefID; one without any of them is refused.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import ImportFailed
from ledger.importers.reading import failure
from ledger.recon.formats import fields
from ledger.recon.formats.fields import Convert, Unreadable
from ledger.recon.formats.fix.messages import Message, messages
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.lines import Trade
from ledger.recon.movements.arithmetic import exact_sum

TRADE_REPORT = "AE"
SESSION = ("0", "1", "2", "3", "4", "5", "A")
IDS = (1003, 880, 17, 571)
PARTY_ROLES = ("38", "24", "3")
BUY, SELL = "1", "2"
ABSOLUTE = "3"
_REFERENCE = "TradeReportRefID "
_CHANGES = re.compile(rb"[^0-9](?:487=[12]|856=[67]|150=[GH])")
"""Stands in every report that cancels or replaces another: the others are looked into once only."""


class _Side(NamedTuple):
    account: str | None
    fee: Decimal | None


def fix(path: Path, mapping: SourceMapping) -> Iterator[Trade]:
    """The trades that stand at the end of a file, in the order of their reports.

    Raises:
        ConfigurationError: simplefix is not installed.
        ImportFailed: While iterating; names file and line.
    """
    taken_out = _taken_out(path)
    known: set[str] = set()
    elsewhere: set[str] = set()
    cancels: dict[str, Trade] = {}
    reader = _Reader(path, mapping)
    for message in _reports(path):
        keys = [key for key in _keys(message) if key in taken_out]
        action = _action(path, message)
        if action != "new" and not any(key in known for key in keys):
            elsewhere.update(keys)
        known.update(keys)
        if not all(message.place >= taken_out[key] for key in keys):
            continue
        if elsewhere.isdisjoint(keys):
            if action != "cancel":
                yield reader.trade(message)
        elif action == "cancel":
            cancel = reader.cancel(message)
            cancels[cancel.trade_id] = cancel
        else:
            named = _trade_id if action == "new" else _changed_id
            changed = named(path, message)
            cancels.pop(changed, None)  # reported again
            yield reader.trade(message)._replace(trade_id=changed, change="replace")
    yield from cancels.values()


def _reports(path: Path, holding: re.Pattern[bytes] | None = None) -> Iterator[Message]:
    for message in messages(path, holding):
        kind = message.get(35)
        if kind == TRADE_REPORT:
            yield message
        elif kind not in SESSION:
            expected = f"{TRADE_REPORT} (trade capture report) or a message of the session"
            raise failure(path, message.line, f"MsgType (35) is {kind}, expected {expected}")


def _taken_out(path: Path) -> dict[str, int]:
    """By what names a report: the place of the last one that cancels or replaces it."""
    places: dict[str, int] = {}
    for message in _reports(path, _CHANGES):
        if _action(path, message) != "new":
            places.update(dict.fromkeys(_keys(message), message.place))
    return places


def _keys(message: Message) -> list[str]:
    """All that names the trade of a report."""
    told = [message.get(1003), message.get(571), message.get(572)]
    names = ("TradeID ", _REFERENCE, _REFERENCE)
    return [name + value for name, value in zip(names, told, strict=True) if value]


def _action(path: Path, message: Message) -> str:
    """`new`, `cancel` or `replace`.

    Raises:
        ImportFailed: A report of something else than a trade that was made.
    """
    transaction, kind, execution = message.get(487), message.get(856), message.get(150)
    if message.get(939) not in {None, "0"}:
        raise failure(path, message.line, f"TrdRptStatus (939) is {message.get(939)}, expected 0")
    if transaction == "1" or kind in {"6", "7"} or execution == "H":
        return "cancel"
    if transaction == "2" or execution == "G":
        return "replace"
    for tag, value, expected in (
        (487, transaction, (None, "0")),
        (856, kind, (None, "0", "2")),
        (150, execution, (None, "F")),
    ):
        if value not in expected:
            message_text = f"field {tag} is {value}, expected {expected[1]} or a cancel or replace"
            raise failure(path, message.line, message_text)
    return "new"


def _changed_id(path: Path, message: Message) -> str:
    """The id of a trade that another file told, as that one calls it."""
    for tag in (1003, 880, 572):
        if value := message.get(tag):
            return value
    told = "cancels or replaces a trade that is not above in the file"
    raise failure(path, message.line, f"{told}, expected its TradeID (1003) or TradeReportRefID")


def _trade_id(path: Path, message: Message) -> str:
    for tag in IDS:
        if value := message.get(tag):
            return value
    raise failure(path, message.line, "no TradeID (1003), TrdMatchID, ExecID or TradeReportID")


class _Reader:
    """Makes a trade of a report."""

    def __init__(self, path: Path, mapping: SourceMapping) -> None:
        self._path = path
        self._account = fields.translated(mapping.accounts)
        self._commodity = fields.translated(mapping.commodities)
        self._number = fields.numbers(SourceMapping())
        self._positive = fields.positives(SourceMapping())
        self._fee = fields.fees(SourceMapping(fees=mapping.fees))

    def trade(self, message: Message) -> Trade:
        symbol = 48 if message.get(55) in {None, "[N/A]"} else 55
        sides = self._sides(message)
        buyer, seller = sides.get(BUY), sides.get(SELL)
        return Trade(
            line=message.line,
            trade_id=_trade_id(self._path, message),
            at=self._at(message),
            instrument=self._read(message, symbol, self._commodity),
            price=self._read(message, 31, self._number),
            quantity=self._read(message, 32, self._positive),
            buyer=buyer and buyer.account,
            seller=seller and seller.account,
            buyer_fee=buyer and buyer.fee,
            seller_fee=seller and seller.fee,
        )

    def cancel(self, message: Message) -> Trade:
        """A trade that is taken back; only its id counts, and its instrument where it is told."""
        symbol = message.get(55) if message.get(55) not in {None, "[N/A]"} else message.get(48)
        return Trade(
            line=message.line,
            trade_id=_changed_id(self._path, message),
            at=self._at(message),
            instrument=self._commodity(symbol) if symbol else "",
            price=Decimal(0),
            quantity=Decimal(0),
            buyer=None,
            seller=None,
            change="cancel",
        )

    def _at(self, message: Message) -> datetime | None:
        told: datetime | None = None
        if message.get(60) is not None:
            told = self._read(message, 60, _time)
        return told

    def _sides(self, message: Message) -> dict[str, _Side]:
        """The sides by `Side` (54)."""
        begins = [place for place, (tag, _) in enumerate(message.fields) if tag == 54]  # noqa: PLR2004 - a tag
        ends = [*begins[1:], len(message.fields)]
        found: dict[str, _Side] = {}
        for begin, end in zip(begins, ends, strict=False):
            group = message._replace(fields=message.fields[begin:end])
            side = group.get(54) or ""
            if side not in {BUY, SELL} or side in found:
                told = " and ".join([*found, side])
                raise self._failure(message, f"sides (54) are {told}, expected 1 and 2, once each")
            found[side] = _Side(self._account_of(group), self._fee_of(group))
        told_count = message.get(552)
        if not found or (told_count is not None and told_count != str(len(found))):
            raise self._failure(message, f"NoSides (552) is {told_count}, found {len(found)} sides")
        return found

    def _account_of(self, group: Message) -> str | None:
        if group.get(1):
            return str(self._read(group, 1, self._account))
        parties: dict[str, str] = {}
        party = ""
        for tag, value in group.fields:
            if tag == 448:  # noqa: PLR2004 - PartyID
                party = value
            elif tag == 452:  # noqa: PLR2004 - PartyRole
                parties.setdefault(value, party)
        for role in PARTY_ROLES:
            if role in parties:
                return str(self._account(parties[role]))
        return None

    def _fee_of(self, group: Message) -> Decimal | None:
        told = [value for tag, value in group.fields if tag in {12, 137}]
        if not told:
            return None
        if group.get(12) is not None and group.get(13) not in {None, ABSOLUTE}:
            message = f"CommType (13) is {group.get(13)}, expected {ABSOLUTE}, an absolute amount"
            raise self._failure(group, message)
        currencies = {value for tag, value in group.fields if tag in {138, 479}}
        if len(currencies) > 1:
            found = " and ".join(sorted(currencies))
            raise self._failure(group, f"fees of a side in {found}, expected one currency")
        return exact_sum(self._converted(group, "fee (12, 137)", each, self._fee) for each in told)

    def _read(self, message: Message, tag: int, convert: Convert) -> Any:  # noqa: ANN401 - what it converts to
        return self._converted(message, f"field {tag}", message.get(tag), convert)

    def _converted(self, message: Message, what: str, value: str | None, convert: Convert) -> Any:  # noqa: ANN401 - as above
        try:
            return convert(value)
        except Unreadable as error:
            raise self._failure(message, f"{what} {error}") from None

    def _failure(self, message: Message, text: str) -> ImportFailed:
        return failure(self._path, message.line, text)


def _time(text: str) -> datetime:
    """`20260301-09:30:00.123456`, UTC; finer digits are cut."""
    try:
        return datetime.fromisoformat(text.replace("-", "T", 1)).replace(tzinfo=UTC)
    except ValueError as error:
        raise Unreadable(text, "a time such as 20260301-09:30:00.123") from error
