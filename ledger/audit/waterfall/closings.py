"""How a market trade closed inventory out, and what market trades never closed."""

from fractions import Fraction
from typing import Any

from ledger.audit.explanation.account import ZERO
from ledger.audit.explanation.arithmetic import Figure, contract_value, down, half_even, number
from ledger.audit.explanation.worksheet import Worksheet
from ledger.audit.waterfall.inventories import inventory_cut, projection


def close_out(sheet: Worksheet, asked: int) -> None:
    """Explain a trade of `@liquidation`; its postings are the first of its event."""
    here = f"records/{asked}/body"
    body = sheet.at(here)
    name = body["instrument"]
    unit = sheet.at("terms/pool/settlement_asset")
    sheet.heading("The trade")
    trade = sheet.at("trade")
    sheet.carry(f"{here}/instrument", "instrument", "trade/instrument")
    sheet.carry(f"{here}/price", "price", "trade/price")
    bought = (trade["buyer"] == "@liquidation") != bool(sheet.at("is_bust"))
    sign = 1 if bought else -1
    quantity = sign * number(trade["quantity"])
    sheet.work(
        f"{here}/quantity",
        "the inventory " + ("grows by" if bought else "shrinks by"),
        "quantity of the trade",
        {"quantity": "trade/quantity"},
        quantity,
        "contracts",
    )
    side = "buyer_fee" if trade["buyer"] == "@liquidation" else "seller_fee"
    fee = number(trade[side]) * (-1 if sheet.at("is_bust") else 1)
    sheet.work(f"{here}/fee", "fee", side, {side: f"trade/{side}"}, fee, unit)
    terms = sheet.at(f"terms/instruments/{name}")
    scale = sheet.at("terms/pool/scale")
    held, cost = _before(sheet, name, "position"), _before(sheet, name, "variation")
    sheet.keep("=held", held)
    sheet.keep("=cost", cost)
    value = contract_value(terms["type"], number(terms["multiplier"]), number(body["price"]))
    cash = -sign * half_even(abs(quantity) * value, scale)
    sheet.work(
        "=cash",
        "its variation receives",
        "-half_even(quantity * V(price))",
        {"quantity": f"{here}/quantity", "price": f"{here}/price"},
        cash,
        unit,
    )
    realized = _realized(held, cost, quantity, cash, half_even(held * value, scale), scale)
    sheet.work(
        f"{here}/realized_pnl",
        "realized, for the insurance fund",
        "cash of the closed part + half_even(cost * closed / held)",
        {"held": "=held", "cost": "=cost", "cash": "=cash"},
        realized,
        unit,
    )
    _inventory_after(sheet, here, held + quantity, cost + cash - realized)


def _inventory_after(sheet: Worksheet, here: str, quantity: Figure, cost: Figure) -> None:
    sheet.heading("The inventory afterwards")
    sheet.work(
        f"{here}/inventory_quantity",
        "contracts",
        "held + quantity",
        {"held": "=held", "quantity": f"{here}/quantity"},
        quantity,
        "contracts",
    )
    sheet.work(
        f"{here}/inventory_cost",
        "cost",
        "cost + cash - realized_pnl",
        {"cost": "=cost", "cash": "=cash", "realized_pnl": f"{here}/realized_pnl"},
        cost,
        sheet.at("terms/pool/settlement_asset"),
    )


def _realized(
    held: Figure, cost: Figure, quantity: Figure, cash: Figure, worth: Figure, scale: int
) -> Figure:
    if held * quantity >= 0:
        return ZERO
    if abs(quantity) < abs(held):
        return cash + half_even(cost * abs(quantity) / abs(held), scale)
    return (cash if abs(quantity) == abs(held) else worth) + cost


def _before(sheet: Worksheet, name: str, kind: str) -> Figure:
    for book in sheet.at("books"):
        if (book["owner"], book["instrument"], book["kind"]) == ("@liquidation", name, kind):
            return number(book["before"])
    return Fraction(0)


def unclosed(sheet: Worksheet, asked: int) -> None:
    """Explain what ended otherwise than by market trades."""
    here = f"records/{asked}/body"
    body = sheet.at(here)
    sheet.heading("What market trades never closed")
    unit = sheet.at("terms/pool/settlement_asset")
    found = _deleveraging(sheet, body)
    if body["ended_by"] == "deleveraging" and found is not None:
        index, given = found
        whole = sheet.figure(f"records/{index}/body/quantity")
        closed = sheet.figure(f"records/{index}/body/deleveraged")
        sheet.work(
            f"{here}/quantity",
            "contracts deleveraged",
            "deleveraged, signed",
            {"deleveraged": f"records/{index}/body/deleveraged"},
            closed if whole > 0 else -closed,
            "contracts",
        )
        sheet.keep(f"={here}/given", given)
        sheet.work(
            f"{here}/cost", "cost that went with them", "sum of the parts' amounts", {}, given, unit
        )
        return
    if body["ended_by"] == "deleveraging":
        sheet.claim(
            "=deleveraging", "the deleveraging is on record", "deleveraging", {}, holds=False
        )
        return
    sheet.note("the expiry of the instrument closed the rest of the inventory")


def _deleveraging(sheet: Worksheet, body: dict[str, Any]) -> tuple[int, Figure] | None:
    records = sheet.at("records")
    for index, record in enumerate(records):
        if record["kind"] == "deleveraging" and (
            record["body"]["instrument"] == body["instrument"]
        ):
            parts = (
                number(one["body"]["amount"])
                for one in records
                if one["kind"] == "deleveraged" and one["subject"] == record["subject"]
            )
            return index, sum(parts, ZERO)
    return None


def untaken(sheet: Worksheet, asked: int) -> None:
    """Explain that an inventory found no taker, or not for all of it."""
    here = f"records/{asked}/body"
    name = sheet.at(f"records/{asked}/subject")
    unit = sheet.at("terms/pool/settlement_asset")
    terms = sheet.at(f"terms/instruments/{name}")
    scale = sheet.at("terms/pool/scale")
    sheet.heading(f"What nobody took of {name}")
    sheet.carry(f"{here}/mark_price", "mark", f"marks/{name}/mark_price")
    sheet.carry(f"{here}/floor", "floor of the fund", "terms/pool/insurance_floor")
    given = {key: f"{here}/{key}" for key in ("cost", "quantity", "mark_price")}
    value = contract_value(
        terms["type"], number(terms["multiplier"]), sheet.figure(f"{here}/mark_price")
    )
    worth = down(sheet.figure(f"{here}/quantity") * value, scale)
    loss = -(sheet.figure(f"{here}/cost") + worth)
    sheet.work(
        f"{here}/loss",
        "its loss at mark",
        "-(cost + down(quantity * V(mark_price)))",
        given,
        loss,
        unit,
    )
    projection(sheet, here, inventory_cut(sheet, here, name))
    sheet.table(
        [
            {"account": one["account"], "passed over": one["reason"]}
            for one in sheet.at(f"{here}/passed_over")
        ]
    )
