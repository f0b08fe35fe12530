"""What the core found, in the words and natural units of the slow model; and checks I6 and I7."""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from ledger.core.invariants import broken
from ledger.core.outcome import Record
from ledger.core.state import State
from ledger.core.units import Fixed
from tests.property.books import NOTHING, Step, exact
from tests.property.model import Model

BODIES: dict[str, tuple[str, ...]] = {
    "margin_call": ("account", "margin_instrument", "equity", "initial_margin"),
    "margin_call_end": ("account", "margin_instrument", "reason"),
    "margin_breach": ("margin_instrument", "instrument", "equity", "initial_margin"),
    "isolated_shortfall": ("instrument", "required", "moved"),
    "suspect_mark": ("mark_price", "reason", "first_suspect", "confirmations", "needed"),
    "liquidation": ("account", "margin_instrument", "mode"),
    "takeover": (
        "account",
        "margin_instrument",
        "instrument",
        "quantity",
        "share",
        "penalty",
        "takeover_value",
        "takeover_price",
        "bankruptcy_price",
        "realized_pnl",
    ),
    "seizure": ("account", "asset", "quantity", "value"),
    "made_whole": ("account", "margin_instrument", "amount", "from_insurance", "from_deficit"),
    "fund": (
        "cause",
        "liquidation_id",
        "instrument",
        "account",
        "amount",
        "insurance_after",
        "deficit_after",
    ),
    "deleveraged": (
        "account",
        "instrument",
        "liquidation_id",
        "quantity",
        "amount",
        "rank",
        "score",
        "price",
        "realized_pnl",
        "in_profit",
        "equity_after",
    ),
    "deleveraging_untaken": ("quantity", "cost"),
    "socialized_loss": (
        "account",
        "margin_instrument",
        "instrument",
        "deficit",
        "gains",
        "unrealized_pnl",
        "borne",
        "share",
    ),
    "fund_floor": ("state", "projected"),
}
"""The fields that the model tells too; the subject stands before them."""
NO_SUBJECT = {"deleveraged", "fund_floor"}


def natural(value: object) -> object:
    return exact(value) if isinstance(value, Fixed) else value


def recorded(records: list[Record]) -> dict[str, list[Step]]:
    """Records by kind, in order."""
    found: defaultdict[str, list[Step]] = defaultdict(list)
    for record in records:
        fields = BODIES.get(record.kind)
        if fields is not None:
            subject = () if record.kind in NO_SUBJECT else (record.subject,)
            figures = (natural(record.body[field]) for field in fields)
            found[record.kind].append((*subject, *figures))
    return dict(found)


def told(model: Model) -> dict[str, list[Step]]:
    """The model's steps by kind, in order."""
    found: defaultdict[str, list[Step]] = defaultdict(list)
    for kind, *rest in model.steps:
        found[str(kind)].append(tuple(rest))
    return dict(found)


def balances(state: State) -> dict[tuple[str, str, str], Fraction]:
    """Every balance but zero, by owner, kind, and instrument or asset."""
    journal = state.journal
    found = {}
    for number, key in enumerate(journal.keys[1:], start=1):
        if journal.balances[number]:
            scale = journal.commodities[journal.commodity_of[number]].scale
            thing = key.instrument or key.asset or ""
            found[key.owner, key.kind, thing] = Fraction(journal.balances[number], 10**scale)
    return found


def registers(state: State) -> dict[str, object]:
    """Calls, marks, suspects, deficits, and the losses that positions have borne."""
    one = 10**state.settlement.scale
    scales = {name: 10**terms.price_scale for name, terms in state.instruments.items()}
    return {
        "calls": dict(state.calls),
        "marks": {
            name: (Fraction(mark.price, scales[name]), mark.source, mark.time)
            for name, mark in state.marks.items()
        },
        "suspects": {
            name: (Fraction(suspect.first, scales[name]), suspect.confirmations)
            for name, suspect in state.suspects.items()
        },
        "deficits": [
            (f"F-{number}", deficit.liquidation_id, Fraction(deficit.left, one))
            for number, deficit in state.deficits.items()
        ],
        "borne": {key: Fraction(amount, one) for key, amount in state.borne.items()},
        "is_under_floor": state.under_floor,
    }


def model_registers(model: Model) -> dict[str, object]:
    """The same of the model."""
    return {
        "calls": dict(model.calls),
        "marks": {name: tuple(mark) for name, mark in model.marks.items()},
        "suspects": dict(model.suspects),
        "deficits": [
            (deficit.opened_by, deficit.liquidation, deficit.left) for deficit in model.deficits
        ],
        "borne": model.borne,
        "is_under_floor": model.is_under_floor,
    }


def unsound(state: State, *, is_at_rest: bool) -> list[str]:
    """Broken invariants, but for those that an opening may leave until the next other event."""
    found = broken(state)
    if is_at_rest:
        return found
    return [fault for fault in found if "at rest" not in fault and "I6: equity" not in fault]


def not_at_rest(model: Model) -> Iterator[str]:
    """I6: whose equity is negative although nothing of theirs is held by the guard."""
    if model.pool.liquidation == "off":
        return
    for account in model.margin_accounts():
        found = model.statement(account)
        if found.equity < 0 and not any(position.is_stale for position in found.positions):
            yield f"I6: equity of {account} is {found.equity}"


def not_at_zero(records: list[Record]) -> Iterator[str]:
    """I6: whoever is liquidated at or below zero, and keeps no position, ends at zero."""
    begun: dict[str, Fraction] = {}
    kept: dict[str, set[str]] = {}
    for record in records:
        if record.kind == "liquidation":
            statement = record.body["statement"]
            assert isinstance(statement, dict)
            begun[record.subject] = exact(statement["equity"])
            kept[record.subject] = {line["instrument"] for line in statement["positions"]}
        elif record.kind == "takeover" and record.body["position"] == record.body["quantity"]:
            kept[record.subject].discard(str(record.body["instrument"]))
        elif record.kind == "liquidation_end" and begun[record.subject] <= 0:
            equity = exact(record.body["equity"])  # type: ignore[arg-type]
            if equity and not kept[record.subject]:
                yield f"I6: {record.subject} ends at {equity}"


class Fund:
    """I7: insurance and deficit follow from their movements, row by row, each with its cause."""

    def __init__(self) -> None:
        self.insurance = NOTHING
        self.deficit = NOTHING
        self.left: dict[str, Fraction] = {}

    def faults(self, records: list[Record]) -> Iterator[str]:
        """What does not follow from the records of one event."""
        caused: defaultdict[str, Fraction] = defaultdict(Fraction)
        for record in records:
            figures = {name: exact(v) for name, v in record.body.items() if isinstance(v, Fixed)}
            if record.kind == "fund":
                cause = str(record.body["cause"])
                caused[cause] += figures["amount"]
                yield from self._moved(record, figures)
            elif record.kind == "made_whole":
                caused["made_whole"] += figures["amount"]
                if figures["from_insurance"] + figures["from_deficit"] != figures["amount"]:
                    yield f"I7: {record.subject} is made whole by other than its sources"
            elif record.kind == "socialized_loss":
                caused["socialized"] -= figures["share"]
            elif record.kind == "close_out":
                caused["close_out"] -= figures["realized_pnl"]
                caused["fee"] += figures["fee"]
        for cause in ("made_whole", "socialized", "close_out", "fee"):
            if caused[cause]:
                yield f"I7: movements by {cause} are off by {caused[cause]}"
        yield from inventories_closed(records)

    def _moved(self, record: Record, figures: dict[str, Fraction]) -> Iterator[str]:
        name = record.subject
        if (figures["insurance_before"], figures["deficit_before"]) != (
            self.insurance,
            self.deficit,
        ):
            yield f"I7: {name} does not begin where the last movement ended"
        self.insurance, self.deficit = figures["insurance_after"], figures["deficit_after"]
        change = self.insurance - figures["insurance_before"]
        change += self.deficit - figures["deficit_before"]
        if change != figures["amount"]:
            yield f"I7: {name} moves {change}, it says {figures['amount']}"
        if self.insurance < 0 or self.deficit > 0:
            yield f"I6: insurance {self.insurance}, deficit {self.deficit}"
        lines = record.body["deficits"]
        assert isinstance(lines, list)
        for line in lines:
            opened_by = line["opened_by"]
            left = self.left.get(opened_by, NOTHING) + exact(line["change"])
            if left != exact(line["left"]) or left > 0:
                yield f"I7: {name} leaves {line['left']} of {opened_by}, not {left}"
            self.left[opened_by] = left
        if sum(self.left.values(), NOTHING) != self.deficit:
            yield f"I7: deficits do not sum to {self.deficit} after {name}"


def inventories_closed(records: list[Record]) -> Iterator[str]:
    """I7: what auto-deleveraging closes of an inventory is what its takers receive."""
    for record in records:
        if record.kind != "deleveraging":
            continue
        parts = [
            one.body
            for one in records
            if (one.kind, one.subject) == ("deleveraged", record.subject)
        ]
        body = {name: exact(v) for name, v in record.body.items() if isinstance(v, Fixed)}
        closed = sum((exact(part["quantity"]) for part in parts), NOTHING)  # type: ignore[arg-type]
        amount = sum((exact(part["amount"]) for part in parts), NOTHING)  # type: ignore[arg-type]
        if closed != body["deleveraged"] or closed + body["left"] != abs(body["quantity"]):
            yield f"I7: {record.subject} closes {closed} of {body['quantity']}"
        if not body["left"] and amount != body["cost"]:
            yield f"I7: {record.subject} passes {amount} on, its cost was {body['cost']}"
