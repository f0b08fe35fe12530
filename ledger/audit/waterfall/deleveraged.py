"""The positions that a deleveraging closed, each worked again and found in the books."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from ledger.audit.explanation.arithmetic import down, half_even, implied_price, number
from ledger.audit.explanation.worksheet import Worksheet, counted
from ledger.audit.waterfall.policies import Candidate, Inventory

Moved = tuple[str, Fraction]
"""Kind of the account (`position`, `variation`) and the amount posted."""


def part_steps(
    sheet: Worksheet, here: str, asked: int, inventory: Inventory, candidates: Sequence[Candidate]
) -> None:
    """Work the parts of the deleveraging at `records/<asked>`; the candidates know their shares."""
    subject = sheet.at(f"records/{asked}/subject")
    takers = {one.account: one for one in candidates if one.taken}
    parts = [
        index
        for index, record in enumerate(sheet.at("records"))
        if record["kind"] == "deleveraged" and record["subject"] == subject
    ]
    told = [sheet.at(f"records/{index}/body/account") for index in parts]
    sheet.heading("Each position closed")
    sheet.claim(
        "=parts",
        f"{counted(len(parts), 'position')} closed",
        "one record for each who takes",
        {},
        holds=sorted(told) == sorted(takers),
    )
    closed = _closed(sheet, sheet.at(f"{here}/instrument"))
    for index in parts:
        part = f"records/{index}/body"
        one = takers.get(sheet.at(f"{part}/account"))
        if one is not None:
            _part(sheet, here, part, inventory, one)
            sign = 1 if inventory.quantity > 0 else -1
            _posted(sheet, part, closed, sign * one.taken, one.amount)


def _part(sheet: Worksheet, here: str, part: str, inventory: Inventory, one: Candidate) -> None:
    unit = sheet.at("terms/pool/settlement_asset")
    name = sheet.at(f"{here}/instrument")
    source = f"{here}/candidates/{one.index}"
    price_scale = sheet.at(f"terms/instruments/{name}/price_scale")
    for key in ("instrument", "liquidation_id"):
        sheet.carry(f"{part}/{key}", f"{one.account}: {key}", f"{here}/{key}")
    for key in ("margin_instrument", "rank", "score"):
        sheet.carry(f"{part}/{key}", f"{one.account}: {key}", f"{source}/{key}")
    sheet.carry(f"{part}/quantity", f"{one.account}: contracts", f"{source}/taken")
    sheet.work(
        f"{part}/amount",
        f"{one.account}: its variation receives",
        "half_even(cost_left * quantity / contracts_left)",
        {
            "cost_left": sheet.keep(f"={part}/cost_left", one.cost_left),
            "quantity": f"{part}/quantity",
            "contracts_left": sheet.keep(f"={part}/contracts_left", one.contracts_left),
        },
        one.amount,
        unit,
    )
    sign = 1 if inventory.quantity > 0 else -1
    price = implied_price(
        inventory.type, inventory.multiplier, sign * one.taken, -one.amount, price_scale
    )
    sheet.work(
        f"{part}/price",
        f"{one.account}: price",
        "price of -amount",
        {"amount": f"{part}/amount"},
        price,
    )
    _part_result(sheet, part, source, inventory, one)


def _part_result(
    sheet: Worksheet, part: str, source: str, inventory: Inventory, one: Candidate
) -> None:
    """What closing the part realized, and left."""
    unit = sheet.at("terms/pool/settlement_asset")
    sign = 1 if inventory.quantity > 0 else -1
    whole = one.taken == abs(one.quantity)
    released = half_even(one.cost * one.taken / abs(one.quantity), inventory.scale)
    sheet.work(
        f"={part}/released",
        f"{one.account}: cost of this part",
        "cost" if whole else "half_even(cost * quantity / position)",
        {
            "cost": f"{source}/cost",
            "quantity": f"{part}/quantity",
            "position": f"{source}/quantity",
        },
        released,
        unit,
    )
    sheet.work(
        f"{part}/realized_pnl",
        f"{one.account}: realized P&L",
        "amount + released",
        {"amount": f"{part}/amount", "released": f"={part}/released"},
        one.amount + released,
        unit,
    )
    sheet.work(
        f"{part}/in_profit",
        f"{one.account}: was in profit",
        "upnl > 0",
        {"upnl": f"={source}/upnl"},
        one.upnl > 0,
    )
    rest = one.quantity + sign * one.taken
    before = down(inventory.worth(one.quantity), inventory.scale)
    after = down(inventory.worth(rest), inventory.scale)
    sheet.work(
        f"{part}/equity_after",
        f"{one.account}: equity after",
        "equity - value_before + amount + value_after",
        {
            "equity": f"{source}/equity",
            "value_before": sheet.keep(f"={part}/value_before", before),
            "amount": f"{part}/amount",
            "value_after": sheet.keep(f"={part}/value_after", after),
        },
        one.equity_after(inventory, one.taken, one.amount),
        unit,
    )


def _posted(
    sheet: Worksheet,
    part: str,
    closed: Mapping[str, set[Moved]],
    quantity: Fraction,
    amount: Fraction,
) -> None:
    account = sheet.at(f"{part}/account")
    if account not in closed:
        return
    wanted = {("position", quantity)} | ({("variation", amount)} if amount else set())
    sheet.claim(
        f"={part}/books",
        f"{account}: contracts and cost are in the books",
        "postings of this event",
        {},
        holds=wanted <= closed[account],
    )


def _closed(sheet: Worksheet, name: str) -> dict[str, set[Moved]]:
    """What this event's deleveraging posted in an instrument, by owner; of those looked up."""
    found: dict[str, set[Moved]] = {}
    for book in sheet.at("books"):
        if book["instrument"] == name:
            moved = found.setdefault(book["owner"], set())
            for posting in book["postings"]:
                if posting["purpose"] == "deleveraging":
                    moved.add((book["kind"], number(posting["amount"])))
    return found
