"""The takeovers of a liquidation, step by step, and where they stand in the books."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from ledger.audit.explanation.account import Holding, MarginAccount
from ledger.audit.explanation.arithmetic import decimal, number, tier_number
from ledger.audit.explanation.statements import cut_of
from ledger.audit.explanation.worksheet import Worksheet, counted
from ledger.audit.waterfall.takeovers import (
    Taken,
    Terms,
    after,
    next_holding,
    quantity_taken,
    realize,
    takeover,
)

Book = Mapping[str, Any]
"""An account of the ledger: its balance before the event, and its postings in it."""


def takeover_steps(
    sheet: Worksheet,
    account: MarginAccount,
    terms: Terms,
    places: list[str],
    body: dict[str, Any],
) -> None:
    books = _by_instrument(sheet)
    cursor: dict[str, int] = {}
    done = 0
    while (held := next_holding(account, terms)) is not None and done < len(places):
        place = places[done]
        done += 1
        sheet.heading(f"Takeover {done} of {len(places)}: {sheet.at(f'{place}/body/instrument')}")
        sheet.work(
            f"{place}/body/instrument",
            "taken next",
            "largest maintenance margin",
            {},
            held.instrument,
        )
        if sheet.at(f"{place}/body/instrument") != held.instrument:
            return
        _takeover(sheet, account, terms, place, isolated=body["margin_instrument"] is not None)
        _postings(sheet, place, body["account"], books[held.instrument], cursor)
    sheet.claim(
        "=takeovers",
        f"{counted(len(places), 'takeover')} and no more",
        "until nothing is left to take, or the account is restored",
        {},
        holds=held is None and done == len(places),
    )


def _takeover(
    sheet: Worksheet, account: MarginAccount, terms: Terms, place: str, *, isolated: bool
) -> None:
    here = f"{place}/body"
    name = sheet.at(f"{here}/instrument")
    held = account.holdings[name]
    unit = sheet.at("terms/pool/settlement_asset")
    for key in ("type", "multiplier"):
        sheet.carry(f"{here}/{key}", key, f"terms/instruments/{name}/{key}")
    sheet.carry(f"{here}/mark_price", "mark", f"marks/{name}/mark_price")
    sheet.work(f"{here}/position", "position before", "position", {}, held.quantity, "contracts")
    sheet.work(f"{here}/equity", "equity before", "equity", {}, account.equity(), unit)
    sheet.work(
        f"{here}/maintenance_margin",
        "maintenance margin before",
        "maintenance",
        {},
        account.maintenance(),
        unit,
    )
    quantity = quantity_taken(account, held, terms)
    _quantity(sheet, account, terms, here, quantity)
    taken = takeover(account, held, quantity, terms)
    _worth(sheet, here, held, taken)
    _share(sheet, account, here, taken.share, last=taken.is_last)
    _value(sheet, here, taken)
    cost = sheet.keep(f"={here}/cost", held.cost)
    realized = realize(account, held, taken, isolated=isolated)
    released = f"={here}/released"
    sheet.work(
        released,
        "cost of this part",
        "half_even(cost * quantity / position)",
        {"cost": cost, "quantity": f"{here}/quantity", "position": f"{here}/position"},
        realized - taken.value,
        unit,
    )
    sheet.work(
        f"{here}/realized_pnl",
        "realized P&L",
        "takeover_value + released",
        {"takeover_value": f"{here}/takeover_value", "released": released},
        realized,
        unit,
    )


def _worth(sheet: Worksheet, here: str, held: Holding, taken: Taken) -> None:
    """What the part is worth at the mark, and what margin it needs alone."""
    unit = sheet.at("terms/pool/settlement_asset")
    name, quantity = held.instrument, taken.quantity
    given = {"quantity": f"{here}/quantity", "mark_price": f"{here}/mark_price"}
    sheet.work(
        f"{here}/value_at_mark",
        "value at mark",
        "down(quantity * V(mark_price))",
        given,
        taken.value_at_mark,
        unit,
    )
    notional = f"={here}/notional"
    sheet.work(
        notional, "size of it", "|quantity * V(mark_price)|", given, held.notional(quantity), unit
    )
    tier = f"terms/instruments/{name}/tiers/{tier_number(held.tiers, held.notional(quantity))}"
    sheet.work(
        f"{here}/quantity_maintenance",
        "maintenance margin of this part alone",
        "max(0, up(rate * notional - amount))",
        {
            "rate": f"{tier}/maintenance_rate",
            "notional": notional,
            "amount": f"{tier}/maintenance_amount",
        },
        taken.maintenance,
        unit,
    )
    sheet.work(
        f"{here}/last", "all equity goes with it", "all of the last position", {}, taken.is_last
    )


def _value(sheet: Worksheet, here: str, taken: Taken) -> None:
    """What `@liquidation` gives for it, and the prices that come of it."""
    unit = sheet.at("terms/pool/settlement_asset")
    given = {"quantity": f"{here}/quantity", "mark_price": f"{here}/mark_price"}
    notional = f"={here}/notional"
    sheet.work(
        f"{here}/penalty",
        "penalty",
        "min(share, up(penalty_rate * notional))",
        {"share": f"{here}/share", "penalty_rate": "terms/pool/penalty_rate", "notional": notional},
        taken.penalty,
        unit,
    )
    sheet.work(
        f"{here}/takeover_value",
        "what @liquidation gives",
        "value_at_mark - penalty",
        {key: f"{here}/{key}" for key in ("value_at_mark", "penalty")},
        taken.value,
        unit,
    )
    sheet.work(
        f"{here}/takeover_price",
        "takeover price",
        "price of takeover_value",
        {"takeover_value": f"{here}/takeover_value"},
        taken.takeover_price,
    )
    sheet.work(
        f"{here}/bankruptcy_price",
        "bankruptcy price",
        "price of quantity * V(mark_price) - share",
        {**given, "share": f"{here}/share"},
        taken.bankruptcy_price,
    )


def _share(
    sheet: Worksheet, account: MarginAccount, here: str, share: Fraction, *, last: bool
) -> None:
    unit = sheet.at("terms/pool/settlement_asset")
    given = {"equity": f"{here}/equity", "notional": f"={here}/notional"}
    formula = "max(equity, -down(notional))"
    if not last and account.maintenance():
        formula = "max(down(equity * part / total), -down(notional))"
        given |= {"part": f"{here}/quantity_maintenance", "total": f"{here}/maintenance_margin"}
    sheet.work(f"{here}/share", "equity that goes with it", formula, given, share, unit)


def _quantity(
    sheet: Worksheet, account: MarginAccount, terms: Terms, here: str, quantity: Fraction
) -> None:
    held = account.holdings[sheet.at(f"{here}/instrument")]
    whole = quantity == held.quantity
    formula = "the whole position" if whole else "the smallest part that restores the account"
    sheet.work(f"{here}/quantity", "taken over", formula, {}, quantity, "contracts")
    if terms.mode == "full":
        return
    unit = Fraction(1 if quantity > 0 else -1, 10**held.quantity_scale)
    for tried in (quantity - unit, quantity):
        if not tried:
            continue
        equity, required = after(account, held, tried, terms)
        needed = required * (1 + terms.buffer)
        verdict = "enough" if equity >= needed else "not enough"
        sheet.note(
            f"taking {decimal(tried)} leaves equity {decimal(equity)} against "
            f"{decimal(required)} * (1 + {decimal(terms.buffer)}) = {decimal(needed)}: {verdict}"
        )


def _by_instrument(sheet: Worksheet) -> dict[str | None, list[Book]]:
    """The accounts of the ledger that the inputs have, by instrument."""
    found: defaultdict[str | None, list[Book]] = defaultdict(list)
    for book in sheet.at("books"):
        found[book["instrument"]].append(book)
    return found


def _postings(
    sheet: Worksheet, place: str, owner: str, books: Sequence[Book], cursor: dict[str, int]
) -> None:
    """The takeover stands in the books of its instrument, on both sides."""
    here = f"{place}/body"
    body = sheet.at(here)
    name, asset = body["instrument"], sheet.at("terms/pool/settlement_asset")
    quantity, value = number(body["quantity"]), number(body["takeover_value"])
    wanted = {
        (owner, "position", None): -quantity,
        (owner, "variation", asset): value,
        ("@liquidation", "position", None): quantity,
        ("@liquidation", "variation", asset): -value,
    }
    lines = []
    for (who, kind, what), amount in wanted.items():
        line = _posted(books, (who, kind, name, what), amount, cursor.get(f"{who} {kind}", 0))
        lines.append(line)
        if line is not None:
            cursor[f"{who} {kind}"] = line
    missing = [
        line for line, amount in zip(lines, wanted.values(), strict=True) if line is None and amount
    ]
    told = ", ".join(str(line) for line in lines if line is not None)
    sheet.claim(
        f"={place}/books",
        "contracts and cost moved to @liquidation",
        f"postings {told}" if told else "postings of this event",
        {},
        holds=not missing,
    )
    inventory = [book for book in books if book["owner"] == "@liquidation"]
    held = {
        ("@liquidation", "position", name, None): number(body["inventory_quantity"]),
        ("@liquidation", "variation", name, asset): number(body["inventory_cost"]),
    }
    sheet.claim(
        f"={place}/inventory",
        "the inventory then stood as recorded",
        "position and variation of @liquidation",
        {},
        holds=cut_of(inventory, held, others=False) is not None,
    )


def _posted(
    books: Sequence[Book], key: tuple[str, str, str, str | None], amount: Fraction, since: int
) -> int | None:
    for book in books:
        if (book["owner"], book["kind"], book["instrument"], book["asset"]) == key:
            for posting in book["postings"]:
                if (
                    posting["line"] > since
                    and posting["purpose"] == "takeover"
                    and number(posting["amount"]) == amount
                ):
                    return int(posting["line"])
    return None
