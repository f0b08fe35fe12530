"""Why positions were deleveraged: the policy, every candidate, and each part worked again."""

from collections.abc import Sequence
from fractions import Fraction

from ledger.audit.explanation.account import ZERO
from ledger.audit.explanation.arithmetic import decimal, down, half_even, number
from ledger.audit.explanation.statements import cut_of
from ledger.audit.explanation.worksheet import Worksheet
from ledger.audit.waterfall.deleveraged import part_steps
from ledger.audit.waterfall.inventories import inventory_cut, projection
from ledger.audit.waterfall.policies import (
    RANKED,
    Candidate,
    Inventory,
    Left,
    candidate,
    share_out,
)

BITMEX = {
    True: "upnl / max(|cost|, unit) * (notional / equity)",
    False: "upnl / max(|cost|, unit) / (notional / equity)",
}
"""In profit, and out of profit."""

FORMULAS = {
    "bitmex": "upnl / max(|cost|, unit) * (notional / equity); out of profit / (notional / equity)",
    "binance": "max(0, upnl) / max(1, balance) * maintenance_margin / equity",
    "hyperliquid": "(1 + upnl / max(|cost|, unit)) * notional / equity",
    "pro_rata": "contracts; positions in profit first",
    "capped_pro_rata": "upnl > 0; none beyond min(|q|, floor(upnl * |Q| / U))",
}


def deleveraging(sheet: Worksheet, asked: int) -> None:
    """Explain the deleveraging whose record stands at `records/<asked>`."""
    here = f"records/{asked}/body"
    body = sheet.at(here)
    name = body["instrument"]
    terms = sheet.at(f"terms/instruments/{name}")
    inventory = Inventory(
        terms["type"],
        number(terms["multiplier"]),
        sheet.figure(f"marks/{name}/mark_price"),
        number(body["quantity"]),
        number(body["cost"]),
        sheet.at("terms/pool/scale"),
        terms["quantity_scale"],
    )
    _inventory(sheet, here, inventory, name)
    sheet.heading(f"Who is chosen: {body['policy']}")
    sheet.note(f"score = {FORMULAS[body['policy']]}")
    candidates = _candidates(sheet, here, inventory, body["policy"])
    able = [one for one in candidates if one.equity > 0]
    left = share_out(body["policy"], inventory, able)
    _shares(sheet, here, candidates)
    part_steps(sheet, here, asked, inventory, candidates)
    _totals(sheet, here, inventory, able, left)


def _inventory(sheet: Worksheet, here: str, inventory: Inventory, name: str) -> None:
    unit = sheet.at("terms/pool/settlement_asset")
    sheet.heading(f"Why: the inventory in {name}")
    for key in ("type", "multiplier"):
        sheet.carry(f"{here}/{key}", key, f"terms/instruments/{name}/{key}")
    sheet.carry(f"{here}/mark_price", "mark", f"marks/{name}/mark_price")
    sheet.carry(f"{here}/policy", "policy of the pool", "terms/pool/adl_policy")
    sheet.carry(f"{here}/floor", "floor of the fund", "terms/pool/insurance_floor")
    sheet.carry(f"{here}/rules", "version of the rules", "rules")
    given = {key: f"{here}/{key}" for key in ("cost", "quantity", "mark_price")}
    loss = -(inventory.cost + down(inventory.worth(inventory.quantity), inventory.scale))
    sheet.work(
        f"{here}/loss",
        "its loss at mark",
        "-(cost + down(quantity * V(mark_price)))",
        given,
        loss,
        unit,
    )
    cut = inventory_cut(sheet, here, name)
    projection(sheet, here, cut)
    sheet.claim(
        "=under_floor",
        "the fund calls for it",
        "projected < floor",
        {key: f"{here}/{key}" for key in ("projected", "floor")},
        holds=sheet.figure(f"{here}/projected") < sheet.figure(f"{here}/floor"),
    )


def _candidates(sheet: Worksheet, here: str, inventory: Inventory, policy: str) -> list[Candidate]:
    found = []
    for index, line in enumerate(sheet.at(f"{here}/candidates")):
        place = f"{here}/candidates/{index}"
        one = candidate(policy, inventory, index, line)
        found.append(one)
        sheet.claim(
            f"={place}/side",
            f"{one.account} is on the other side",
            "sign(quantity) <> sign(inventory)",
            {"quantity": f"{place}/quantity", "inventory": f"{here}/quantity"},
            holds=one.quantity * inventory.quantity < 0,
        )
        upnl = sheet.keep(f"={place}/upnl", one.upnl)
        given = {
            "upnl": upnl,
            "notional": sheet.keep(f"={place}/notional", abs(inventory.worth(one.quantity))),
            **{
                key: f"{place}/{key}"
                for key in ("cost", "quantity", "equity", "maintenance_margin", "balance")
            },
        }
        if one.equity > 0:
            sheet.work(
                f"{place}/score",
                f"score of {one.account}",
                BITMEX[one.upnl > 0] if policy == "bitmex" else FORMULAS[policy],
                given,
                half_even(one.score, 18),
            )
        else:
            one.reason = "no_equity"
            sheet.work(
                f"{place}/score",
                f"{one.account} has no equity",
                "no score",
                {"equity": f"{place}/equity"},
                None,
            )
    _order(sheet, here, policy, found)
    _balances(sheet, here, found)
    return found


def _order(sheet: Worksheet, here: str, policy: str, found: Sequence[Candidate]) -> None:
    able = [one for one in found if one.equity > 0]
    if policy in RANKED:
        keys = [(-one.score, one.account.encode()) for one in able]
        told = "score, the highest first; ties by account id"
    else:
        keys = [(Fraction(0 if one.upnl > 0 else 1), one.account.encode()) for one in able]
        told = "in profit first; by account id"
    sheet.claim(
        f"={here}/order",
        "the candidates stand in order",
        told,
        {},
        holds=keys == sorted(keys) and found[: len(able)] == able,
    )
    for one in found:
        rank = Fraction(one.index + 1) if one.equity > 0 else None
        sheet.work(f"{here}/candidates/{one.index}/rank", f"place of {one.account}", told, {}, rank)


def _balances(sheet: Worksheet, here: str, found: Sequence[Candidate]) -> None:
    """Contracts and cost of the candidates, held against the books."""
    asset = sheet.at("terms/pool/settlement_asset")
    name = sheet.at(f"{here}/instrument")
    differ = []
    books = {
        (book["owner"], book["kind"]): book
        for book in sheet.at("books")
        if book["instrument"] == name
    }
    checked = 0
    for one in found:
        pair = [
            books[one.account, kind]
            for kind in ("position", "variation")
            if (one.account, kind) in books
        ]
        if not pair:
            continue
        checked += 1
        wanted = {
            (one.account, "position", name, None): one.quantity,
            (one.account, "variation", name, asset): one.cost,
        }
        if cut_of(pair, wanted) is None:
            differ.append(one.account)
    sheet.claim(
        f"={here}/books",
        f"the books held these contracts and costs ({checked} looked up)",
        f"but for {', '.join(differ)}" if differ else "position and variation",
        {},
        holds=not differ,
    )


def _shares(sheet: Worksheet, here: str, candidates: Sequence[Candidate]) -> None:
    sheet.table(
        [
            {
                "place": one.index + 1 if one.equity > 0 else "",
                "account": one.account,
                "score": decimal(half_even(one.score, 6)) if one.equity > 0 else "",
                "position": decimal(one.quantity),
                "profit": decimal(half_even(one.upnl, 8)),
                "equity": decimal(one.equity),
                "takes": decimal(one.taken),
                "passed over": one.reason or "",
            }
            for one in candidates
        ]
    )
    for one in candidates:
        place = f"{here}/candidates/{one.index}"
        sheet.work(
            f"{place}/taken", f"{one.account} takes", "by the policy", {}, one.taken, "contracts"
        )
        sheet.work(
            f"{place}/reason",
            f"{one.account} passed over",
            "equity before and after",
            {},
            one.reason,
        )


def _totals(
    sheet: Worksheet, here: str, inventory: Inventory, able: Sequence[Candidate], left: Left
) -> None:
    unit = sheet.at("terms/pool/settlement_asset")
    sheet.heading("Afterwards")
    closed = sum((one.taken for one in able), ZERO)
    given = sum((one.amount for one in able), ZERO)
    sheet.work(
        f"{here}/deleveraged", "contracts closed", "sum of the parts", {}, closed, "contracts"
    )
    sheet.work(
        f"{here}/left",
        "stays with @liquidation",
        "|quantity| - deleveraged",
        {"quantity": f"{here}/quantity", "deleveraged": f"{here}/deleveraged"},
        left.quantity,
        "contracts",
    )
    sign = 1 if inventory.quantity > 0 else -1
    worth = down(inventory.worth(sign * closed), inventory.scale)
    sheet.keep(f"={here}/given", given)
    sheet.work(
        f"{here}/loss_absorbed",
        "loss that the parts absorbed",
        "-(sum of amounts + down(closed * V(mark_price)))",
        {"closed": f"{here}/deleveraged", "mark_price": f"{here}/mark_price"},
        -(given + worth),
        unit,
    )
