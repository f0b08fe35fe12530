"""How a figure came to be: a record found, its inputs gathered, every step worked again.

An id is a liquidation `L-7`, a deleveraging `D-3`, a margin call `C-2`, a movement of the fund
`F-9`, the address of any record `SEQUENCE.LINE`, or the event id of a funding rate. The export of
an explanation holds all inputs, so that `tools/check_explanation.py` can work it again without us.
"""

import hashlib
import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from ledger.audit.explanation import margins, payments, prices
from ledger.audit.explanation.arithmetic import decimal
from ledger.audit.explanation.drawing import drawn_up
from ledger.audit.explanation.families import family_of, root_of
from ledger.audit.explanation.gathering import (
    CANDIDATES_MAX,
    STAND_INS,
    add_account,
    add_books,
    add_house,
    add_instruments,
    as_input,
    base_inputs,
    natural,
)
from ledger.audit.explanation.worksheet import Missing, Worksheet, exported
from ledger.audit.times import moment
from ledger.audit.waterfall import closings, deleveragings, funds, liquidations, rounds
from ledger.codec.records import BODIES, misshapen
from ledger.core.accounts import LIQUIDATION
from ledger.core.outcome import Purpose, Record
from ledger.errors import ConfigurationError, LedgerError
from ledger.ports import StoredEvent
from ledger.store.audit.lookups import FoundRecord, Lookups, looking_up

FORMAT = 1
"""Of the export; raised when its shape changes."""

KINDS = {"L": "liquidation", "D": "deleveraging", "C": "margin_call", "F": "fund"}

EXPLAINERS: dict[str, Callable[[Worksheet, int], None]] = {
    "asset_price": prices.asset_price,
    "close_out": closings.close_out,
    "deleveraging": deleveragings.deleveraging,
    "deleveraging_untaken": closings.untaken,
    "fund": funds.fund,
    "fund_floor": funds.fund_floor,
    "isolated_shortfall": margins.isolated_shortfall,
    "liquidation": liquidations.liquidation,
    "liquidation_round": rounds.liquidation_round,
    "margin_breach": margins.margin_breach,
    "margin_call": margins.margin_call,
    "margin_call_end": margins.margin_call_end,
    "mark": prices.mark,
    "price_acceptance": prices.price_acceptance,
    "socialized_loss": funds.socialized_loss,
    "suspect_mark": prices.suspect_mark,
    "trade_bust": prices.trade_bust,
    "unclosed": closings.unclosed,
}
"""By kind of record; the parts of a liquidation or a deleveraging are explained with the whole."""


UNREADABLE = (Missing, ValueError, KeyError, IndexError, TypeError, ZeroDivisionError)
"""What a record leads to whose figures are none, or name what the books do not hold."""


class NotFound(LedgerError):
    """Nothing in the books has this id; the message says what was looked for."""


class Explanation(NamedTuple):
    """A figure with all that it came from.

    Attributes:
        id: As asked for.
        pool: Where.
        kind: Of the record, or `funding_rate`.
        event: Of the source: `kind`, `event_id`, `occurred_at`, `pool_time`, `sequence`, `rules`.
        sheet: Inputs, and every step.
    """

    id: str
    pool: str
    kind: str
    event: dict[str, Any]
    sheet: Worksheet

    @property
    def agrees(self) -> bool:
        """Every figure worked again equals the one in the books."""
        return self.sheet.agrees

    def as_json(self) -> dict[str, Any]:
        """The export. `checksum` is SHA-256 of the rest, as compact JSON with sorted keys."""
        told: dict[str, Any] = {
            "format": FORMAT,
            "id": self.id,
            "pool": self.pool,
            "kind": self.kind,
            "agrees": self.agrees,
            "event": self.event,
            "inputs": self.sheet.inputs,
            "steps": [
                {
                    "name": step.name,
                    "formula": step.formula,
                    "inputs": {key: exported(value) for key, value in step.inputs.items()},
                    "from": dict(step.places),
                    "figure": step.place,
                    "result": exported(step.result),
                    "recorded": exported(step.recorded),
                    "unit": step.unit,
                    "agrees": step.agrees,
                }
                for step in self.sheet.steps
            ],
        }
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return {**told, "checksum": hashlib.sha256(text.encode()).hexdigest()}


def explained(url: str, pool: str | None, id_: str, account: str | None = None) -> Explanation:
    """The explanation of an id.

    Args:
        url: Of the database.
        pool: Which; None takes the only one there is.
        id_: See the module.
        account: Whose funding payment; None for all of them.

    Raises:
        NotFound: Nothing in the pool has this id.
        ConfigurationError: There is no such pool, or `account` makes no sense here.
    """
    with looking_up(url, pool) as lookups:
        return explanation(lookups, id_, account)


def explanation(lookups: Lookups, id_: str, account: str | None = None) -> Explanation:
    """The same, asked of books that are open already."""
    record = _record(lookups, id_)
    if record is None:
        return _of_event(lookups, id_, account)
    if account is not None:
        raise ConfigurationError(f"--account goes with a funding event, {id_} is a record")
    return _of_record(lookups, id_, record)


def _record(lookups: Lookups, id_: str) -> FoundRecord | None:
    if re.fullmatch(r"[LDCF]-[1-9][0-9]{0,17}", id_):
        found = lookups.records_of((KINDS[id_[0]],), id_)
        if found:
            return found[0]
    if re.fullmatch(r"[1-9][0-9]{0,17}\.[1-9][0-9]{0,8}", id_):
        sequence, _, line = id_.partition(".")
        return lookups.record(int(sequence), int(line))
    return None


def _of_record(lookups: Lookups, id_: str, record: FoundRecord) -> Explanation:
    root = record if misshapen(_bare(record)) else root_of(lookups, record)
    event = lookups.event(root.sequence)
    assert event is not None, f"record {root.address} has its event"
    inputs = base_inputs(lookups, event, root.line)
    inputs |= {"records": [as_input(root)], "asked": 0}
    sheet = Worksheet(inputs)
    if _has_shape(sheet, root):
        try:
            family = family_of(lookups, root)
            inputs |= {"records": [as_input(one) for one in family], "asked": family.index(root)}
            if all(_has_shape(sheet, one) for one in family):
                _gather(lookups, inputs, root)
                EXPLAINERS[root.kind](sheet, inputs["asked"])
        except UNREADABLE as fault:
            words = f"nothing stands at {fault}" if isinstance(fault, Missing) else repr(fault)
            sheet.claim(
                "=inputs", "the books hold all that it goes back to", words, {}, holds=False
            )
    return Explanation(id_, lookups.pool, root.kind, _told(event), sheet)


def _has_shape(sheet: Worksheet, record: FoundRecord) -> bool:
    """The record has the fields of its kind; where it has not, that is all there is to say."""
    fault = misshapen(_bare(record))
    if fault is not None:
        words = f"record {record.address} has the shape of a {record.kind}"
        sheet.claim(f"=shape/{record.address}", words, fault, {}, holds=False)
    return fault is None


def _bare(record: FoundRecord) -> Record:
    return Record(record.kind, record.subject, record.body)


def _gather(lookups: Lookups, inputs: dict[str, Any], root: FoundRecord) -> None:
    """Books, terms, marks and prices that this kind of record goes back to."""
    body, sequence = root.body, root.sequence
    match root.kind:
        case "liquidation":
            add_account(lookups, inputs, body["account"], sequence)
            add_house(lookups, inputs, sequence)
        case "margin_call" | "margin_call_end":
            add_account(lookups, inputs, body["account"], sequence)
        case "margin_breach" | "isolated_shortfall":
            add_account(lookups, inputs, root.subject, sequence)
            add_instruments(lookups, inputs, [body["instrument"]], sequence)
        case "deleveraging":
            owners = [one["account"] for one in body["candidates"][:CANDIDATES_MAX]]
            kinds = ("position", "variation")
            add_books(lookups, inputs, owners, sequence, kinds, body["instrument"])
            add_house(lookups, inputs, sequence)
            add_instruments(lookups, inputs, [body["instrument"]], sequence)
        case "fund" | "fund_floor" | "unclosed" | "close_out" | "deleveraging_untaken":
            add_house(lookups, inputs, sequence)
            name = body.get("instrument") or root.subject
            add_instruments(lookups, inputs, [name], sequence)
        case "mark" | "suspect_mark" | "price_acceptance":
            _add_suspicion(lookups, inputs, root)
        case _:
            pass
    if root.kind in ("margin_call_end", "margin_breach"):
        owner = body["account"] if root.kind == "margin_call_end" else root.subject
        inputs["statement"] = drawn_up(inputs, owner, body["margin_instrument"], body)
    if root.kind == "close_out":
        _add_trade(lookups, inputs)


def _add_suspicion(lookups: Lookups, inputs: dict[str, Any], root: FoundRecord) -> None:
    """The last accepted mark before, and whether a suspicion was open."""
    add_instruments(lookups, inputs, [root.subject], root.sequence)
    known = inputs["marks"].get(root.subject)
    accepted = known is not None and known["source"] not in STAND_INS
    inputs["accepted"] = known if accepted else None
    before = lookups.last_record("suspect_mark", root.subject, root.sequence, root.line)
    ended = None
    if accepted:
        ended = lookups.last_record("mark", root.subject, root.sequence, root.line)
    inputs["suspicion_open"] = before is not None and (
        ended is None or (before.sequence, before.line) > (ended.sequence, ended.line)
    )


def _add_trade(lookups: Lookups, inputs: dict[str, Any]) -> None:
    """The trade of a close-out; of a bust, the trade that it undid."""
    source = inputs["source"]
    inputs["is_bust"] = source["kind"] == "trade_bust"
    inputs["trade"] = source
    if inputs["is_bust"]:
        sequence = lookups.sequence_of(source["trade_event_id"])
        original = None if sequence is None else lookups.event(sequence)
        assert original is not None, "a busted trade is in the log"
        inputs["trade"] = json.loads(original.raw)


def _of_event(lookups: Lookups, id_: str, account: str | None) -> Explanation:
    sequence = lookups.sequence_of(id_)
    event = None if sequence is None else lookups.event(sequence)
    if event is None:
        raise NotFound(
            f"pool {lookups.pool} has neither a record nor an accepted event {id_};"
            " an id is L-1, D-1, C-1, F-1, SEQUENCE.LINE, or the event_id of a funding rate"
        )
    if event.kind != "funding_rate":
        records = lookups.records_in(event.sequence, [body.kind for body in BODIES])
        told = ", ".join(f"{record.address} ({record.kind})" for record in records[:20])
        raise NotFound(
            f"event {id_} is a {event.kind}; explain one of its records: {told or 'it has none'}"
        )
    inputs = base_inputs(lookups, event, 0)
    name = inputs["source"]["instrument"]
    add_instruments(lookups, inputs, [name], event.sequence)
    _add_payments(lookups, inputs, event, name, account)
    sheet = Worksheet(inputs)
    payments.payments(sheet)
    return Explanation(id_, lookups.pool, "funding_rate", _told(event), sheet)


def _add_payments(
    lookups: Lookups, inputs: dict[str, Any], event: StoredEvent, name: str, account: str | None
) -> None:
    """Each holder's position before the event and what it was paid; the cash of the house apart."""
    scale = inputs["terms"]["pool"]["scale"]
    paid: dict[str, Fraction] = {}
    rounding = Fraction(0)
    postings = lookups.postings(event.sequence, None)
    accounts = lookups.numbered([posting.account for posting in postings])
    for posting in postings:
        known = accounts[posting.account]
        amount = Fraction(int(posting.amount), 10**scale)
        if posting.purpose == Purpose.FUNDING:
            of_fund = known.kind in ("insurance", "deficit")
            owner = LIQUIDATION if of_fund else known.owner
            paid[owner] = paid.get(owner, Fraction(0)) + amount
        if posting.purpose == Purpose.ROUNDING:
            rounding += amount
    owners = [account] if account is not None else sorted(paid)
    held = {
        known.owner: known for known in lookups.accounts(owners, name) if known.kind == "position"
    }
    if account is not None and account not in held:
        raise NotFound(f"account {account} never had a position in {name}")
    before = lookups.balances([known.account for known in held.values()], event.sequence - 1)
    inputs["payments"] = [
        {
            "account": owner,
            "quantity": natural(before[held[owner].account], held[owner].scale),
            "payment": decimal(paid.get(owner, Fraction(0)), scale),
        }
        for owner in owners
    ]
    inputs["whole"] = account is None
    if account is None:
        inputs["rounding"] = decimal(rounding, scale)


def _told(event: StoredEvent) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "event_id": event.event_id,
        "occurred_at": None if event.occurred_at is None else moment(event.occurred_at),
        "pool_time": None if event.pool_time is None else moment(event.pool_time),
        "sequence": event.sequence,
        "rules": event.rules,
    }
