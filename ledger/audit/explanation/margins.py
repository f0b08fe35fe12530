"""Why a margin call was opened or ended, and why a trade was recorded as a breach."""

from collections.abc import Mapping
from typing import Any

from ledger.audit.explanation.account import ZERO, MarginAccount
from ledger.audit.explanation.arithmetic import Figure, initial, number, tier_number
from ledger.audit.explanation.statements import statement_steps
from ledger.audit.explanation.worksheet import Worksheet
from ledger.audit.waterfall.liquidations import statement_cut

REQUIRED = "equity {} max(initial_margin, maintenance_margin)"
"""When a call opens, and when it ends."""


def margin_call(sheet: Worksheet, asked: int) -> None:
    """Explain the call whose record stands at `records/<asked>`."""
    here = f"records/{asked}/body"
    sheet.heading("Why")
    account = statement_steps(sheet, f"{here}/statement")
    for key in ("account", "margin_instrument", "equity", "initial_margin", "maintenance_margin"):
        sheet.carry(f"{here}/{key}", key.replace("_", " "), f"{here}/statement/{key}")
    given = {key: f"{here}/{key}" for key in ("equity", "initial_margin", "maintenance_margin")}
    sheet.claim(
        "=under",
        "equity is under what is required",
        REQUIRED.format("<"),
        given,
        holds=account.equity() < account.required() and bool(account.holdings),
    )
    statement_cut(sheet, f"{here}/statement")


def margin_call_end(sheet: Worksheet, asked: int) -> None:
    """Explain the end of a call; its statement is drawn up from the books."""
    here = f"records/{asked}/body"
    account = _drawn_up(sheet, here)
    if account is None:
        return
    body = sheet.at(here)
    for index, record in enumerate(sheet.at("records")):
        if record["kind"] == "margin_call":
            for key in ("account", "margin_instrument"):
                sheet.carry(f"{here}/{key}", key.replace("_", " "), f"records/{index}/body/{key}")
    open_ = bool(sheet.at("statement/positions"))
    given = {key: f"{here}/{key}" for key in ("equity", "initial_margin")}
    given["maintenance_margin"] = "statement/maintenance_margin"
    sheet.work(
        f"{here}/reason",
        "why the call ends",
        REQUIRED.format(">=") if open_ else "no position is left",
        given,
        "restored" if open_ else "no_position",
    )
    if open_:
        sheet.claim(
            "=restored",
            "equity is enough again",
            REQUIRED.format(">="),
            given,
            holds=number(body["equity"]) >= account.required(),
        )


def margin_breach(sheet: Worksheet, asked: int) -> None:
    """Explain a breach of initial margin by a trade."""
    here = f"records/{asked}/body"
    if _drawn_up(sheet, here) is None:
        return
    given = {key: f"{here}/{key}" for key in ("equity", "initial_margin")}
    missing = sheet.figure(f"{here}/initial_margin") - sheet.figure(f"{here}/equity")
    unit = sheet.at("terms/pool/settlement_asset")
    sheet.work(f"{here}/missing", "missing", "initial_margin - equity", given, missing, unit)
    sheet.claim(
        "=under",
        "initial margin is not kept",
        "missing > 0",
        {"missing": f"{here}/missing"},
        holds=missing > 0,
    )
    sheet.carry(f"{here}/instrument", "traded", "source/instrument")


def _drawn_up(sheet: Worksheet, here: str) -> MarginAccount | None:
    sheet.heading("The account, drawn up from the books")
    if sheet.inputs.get("statement") is None:
        sheet.claim("=statement", "the account stands in the books", "", {}, holds=False)
        return None
    account = statement_steps(sheet, "statement")
    unit = sheet.at("terms/pool/settlement_asset")
    sheet.work(
        f"{here}/equity", "equity", "equity", {"equity": "statement/equity"}, account.equity(), unit
    )
    sheet.work(
        f"{here}/initial_margin",
        "initial margin",
        "initial_margin",
        {"initial_margin": "statement/initial_margin"},
        account.initial(),
        unit,
    )
    statement_cut(sheet, "statement")
    return account


def isolated_shortfall(sheet: Worksheet, asked: int) -> None:
    """Explain that free collateral did not cover the margin of an isolated increase."""
    here = f"records/{asked}/body"
    sheet.heading("Why")
    unit = sheet.at("terms/pool/settlement_asset")
    body = sheet.at(here)
    name = body["instrument"]
    owner = sheet.at(f"records/{asked}/subject")
    book = next(
        (
            book
            for book in sheet.at("books")
            if book["kind"] == "position" and book["instrument"] == name and book["owner"] == owner
        ),
        None,
    )
    source = sheet.at("source")
    price = source.get("price", source.get("entry_price"))
    if book is None or price is None or not book["postings"]:
        sheet.note("the margin of the added part is not worked again for this kind of event")
        required = number(body["required"])
    else:
        required = _required(sheet, here, book, number(price))
    sheet.work(
        f"{here}/missing",
        "missing",
        "required - moved",
        {key: f"{here}/{key}" for key in ("required", "moved")},
        required - number(body["moved"]),
        unit,
    )
    moved = [
        number(posting["amount"])
        for one in sheet.at("books")
        if one["kind"] == "isolated" and one["instrument"] == name
        for posting in one["postings"]
        if posting["purpose"] == "margin"
    ]
    sheet.claim(
        f"={here}/books",
        "what was moved is in the books",
        "wallet to isolated",
        {"moved": f"{here}/moved"},
        holds=number(body["moved"]) in moved or number(body["moved"]) == 0,
    )


def _required(sheet: Worksheet, here: str, book: Mapping[str, Any], price: Figure) -> Figure:
    """Initial margin of the part that the event added, at its price."""
    unit = sheet.at("terms/pool/settlement_asset")
    name = sheet.at(f"{here}/instrument")
    terms = sheet.at(f"terms/instruments/{name}")
    added = _added(number(book["before"]), number(book["postings"][0]["balance"]))
    one = number(terms["multiplier"])
    each = one * price if terms["type"] == "linear" else one / price
    notional = abs(added) * each
    tier = terms["tiers"][tier_number(terms["tiers"], notional)]
    leverage = (sheet.at("modes").get(name) or {}).get("leverage")
    required = initial(tier, leverage, notional, sheet.at("terms/pool/scale"))
    sheet.keep(f"={here}/added", abs(added))
    sheet.work(
        f"{here}/required",
        "margin of the added part",
        "up(added * |V(price)| * max(1 / leverage, initial rate))",
        {"added": f"={here}/added"},
        required,
        unit,
    )
    return required


def _added(before: Figure, after: Figure) -> Figure:
    """The part of a change that opens or adds to a position."""
    if before * after < 0:
        return after
    return max(abs(after) - abs(before), ZERO)
