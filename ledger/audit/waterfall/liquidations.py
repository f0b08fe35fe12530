"""Why an account was liquidated, and each step of it worked again."""

from typing import Any

from ledger.audit.explanation.account import ZERO, Asset, MarginAccount
from ledger.audit.explanation.arithmetic import down, up
from ledger.audit.explanation.statements import balances_of, cut_of, statement_steps
from ledger.audit.explanation.worksheet import Worksheet
from ledger.audit.waterfall.aftermath import aftermath
from ledger.audit.waterfall.rounds import round_order
from ledger.audit.waterfall.takeover_steps import takeover_steps
from ledger.audit.waterfall.takeovers import Terms

_KINDS = ("takeover", "seizure", "made_whole", "liquidation_end")


def liquidation(sheet: Worksheet, asked: int) -> None:
    """Explain the liquidation whose first record stands at `records/<asked>`."""
    here = f"records/{asked}/body"
    body, subject = sheet.at(here), sheet.at(f"records/{asked}/subject")
    sheet.heading("Why")
    account = statement_steps(sheet, f"{here}/statement")
    given = {key: f"{here}/statement/{key}" for key in ("equity", "maintenance_margin")}
    sheet.claim(
        "=under",
        "equity is under maintenance",
        "equity < maintenance_margin",
        given,
        holds=account.equity() < account.maintenance(),
    )
    for key in ("account", "margin_instrument"):
        sheet.carry(f"{here}/{key}", key.replace("_", " "), f"{here}/statement/{key}")
    mode = _mode(sheet, here, asked)
    for key in ("penalty_rate", "partial_buffer"):
        sheet.carry(f"{here}/{key}", key.replace("_", " "), f"terms/pool/{key}")
    sheet.carry(f"{here}/rules", "version of the rules", "rules")
    statement_cut(sheet, f"{here}/statement")
    round_order(sheet, here, body)
    terms = Terms(
        mode,
        sheet.figure("terms/pool/penalty_rate"),
        sheet.figure("terms/pool/partial_buffer"),
    )
    places = places_of(sheet, subject)
    of = {kind: [place for place in places if sheet.at(f"{place}/kind") == kind] for kind in _KINDS}
    takeover_steps(sheet, account, terms, of["takeover"], body)
    _seizures(sheet, account, of["seizure"])
    _made_whole(sheet, account, of["made_whole"])
    for place in of["liquidation_end"]:
        _end(sheet, account, place)
    aftermath(sheet, asked)


def _mode(sheet: Worksheet, here: str, asked: int) -> str:
    """How much is taken: as the pool says, but all of it the second time within one event."""
    body, records = sheet.at(here), sheet.at("records")
    key = (body["account"], body["margin_instrument"])
    earlier = [
        record["subject"]
        for record in records[:asked]
        if record["kind"] == "liquidation"
        and (record["body"]["account"], record["body"]["margin_instrument"]) == key
    ]
    mode = str(sheet.at("terms/pool/liquidation"))
    if not earlier or mode == "full":
        sheet.carry(f"{here}/mode", "mode of the pool", "terms/pool/liquidation")
        return mode
    told = f"all: it was liquidated before in this event, as {earlier[0]}"
    given = {"liquidation": "terms/pool/liquidation"}
    sheet.work(f"{here}/mode", "how much is taken", told, given, "full")
    return "full"


def places_of(sheet: Worksheet, subject: str) -> list[str]:
    """Where the records about a subject stand."""
    return [
        f"records/{index}"
        for index, record in enumerate(sheet.at("records"))
        if record["subject"] == subject
    ]


def statement_cut(sheet: Worksheet, place: str) -> None:
    """Hold the balances of a statement against the postings of its event."""
    statement = sheet.at(place)
    owner, isolated = statement["account"], statement["margin_instrument"]
    books = [
        book
        for book in sheet.at("books")
        if book["owner"] == owner and book["kind"] != "hold" and _belongs(sheet, book, isolated)
    ]
    wanted = balances_of(statement)
    cut = cut_of(books, wanted)
    postings = sum(len(book["postings"]) for book in books)
    formula = f"among the account's {postings} postings of this event"
    if cut is not None:
        formula = f"after posting {cut} of this event" if cut else "before this event's postings"
    sheet.claim(
        f"={place}/books",
        f"the books held exactly these {len(wanted)} balances",
        formula,
        {},
        holds=cut is not None,
    )


def _belongs(sheet: Worksheet, book: dict[str, Any], isolated: str | None) -> bool:
    """The account of the ledger is part of this margin account."""
    if isolated is not None:
        return bool(book["instrument"] == isolated)
    if book["instrument"] is None:
        return True
    chosen = sheet.at("modes").get(book["instrument"]) or {}
    return book["kind"] != "isolated" and chosen.get("mode") != "isolated"


def _seizures(sheet: Worksheet, account: MarginAccount, places: list[str]) -> None:
    done = 0
    due = account.balance < 0 and not (account.holdings and account.equity() > 0)
    for held in account.assets if due else []:
        one = ZERO if held.price is None else held.price * (1 - held.haircut)
        if held.balance <= 0 or not one or down(held.balance * one, account.scale) <= 0:
            continue
        if account.balance >= 0 or done == len(places):
            break
        here = f"{places[done]}/body"
        done += 1
        sheet.heading(f"Seizure {done} of {len(places)}: {held.asset}")
        _seizure(sheet, account, held, here)
    if done != len(places):
        sheet.claim("=seizures", f"{len(places)} seizures", f"{done} were due", {}, holds=False)


def _seizure(sheet: Worksheet, account: MarginAccount, held: Asset, here: str) -> None:
    unit = sheet.at("terms/pool/settlement_asset")
    assert held.price is not None, "what counts something has a price"
    one = held.price * (1 - held.haircut)
    sheet.work(f"{here}/asset", "seized next", "by asset id", {}, held.asset)
    sheet.carry(f"{here}/haircut", "haircut", f"terms/assets/{held.asset}/haircut")
    sheet.carry(f"{here}/price", "price", f"asset_prices/{held.asset}/price")
    sheet.work(
        f"{here}/balance_before",
        "settlement wallet before",
        "balance",
        {},
        account.balance,
        unit,
    )
    given = {
        "debt": sheet.keep(f"={here}/debt", -account.balance),
        "price": f"{here}/price",
        "haircut": f"{here}/haircut",
        "held": sheet.keep(f"={here}/held", held.balance),
    }
    quantity = min(held.balance, up(-account.balance / one, held.scale))
    sheet.work(
        f"{here}/quantity",
        "smallest sufficient quantity",
        "min(held, up(debt / (price * (1 - haircut))))",
        given,
        quantity,
        held.asset,
    )
    value = down(quantity * one, account.scale)
    sheet.work(
        f"{here}/value",
        "credited",
        "down(quantity * price * (1 - haircut))",
        {
            "quantity": f"{here}/quantity",
            "price": f"{here}/price",
            "haircut": f"{here}/haircut",
        },
        value,
        unit,
    )
    held.balance -= quantity
    account.balance += value
    sheet.work(
        f"{here}/balance_after",
        "settlement wallet after",
        "balance_before + value",
        {"balance_before": f"{here}/balance_before", "value": f"{here}/value"},
        account.balance,
        unit,
    )


def _made_whole(sheet: Worksheet, account: MarginAccount, places: list[str]) -> None:
    unit = sheet.at("terms/pool/settlement_asset")
    due = not account.holdings and account.equity() < 0
    if due != bool(places):
        sheet.claim(
            "=made_whole",
            "made whole by the fund",
            "no position, equity below zero",
            {},
            holds=False,
        )
    if not due or not places:
        return
    here = f"{places[0]}/body"
    sheet.heading("Made whole by the insurance fund")
    amount = -account.equity()
    given = {"equity": sheet.keep("=made_whole/equity", -amount)}
    sheet.work(
        f"{here}/amount",
        "amount",
        "-equity",
        given,
        amount,
        unit,
    )
    drawn = sheet.figure(f"{here}/from_insurance")
    for index, record in enumerate(sheet.at("records")):
        body = record["body"]
        if (
            record["kind"] == "fund"
            and body["cause"] == "made_whole"
            and (body["account"] == sheet.at(f"{here}/account"))
        ):
            before = f"records/{index}/body/insurance_before"
            drawn = min(amount, sheet.figure(before))
            sheet.work(
                f"{here}/from_insurance",
                "from insurance",
                "min(amount, insurance)",
                {"amount": f"{here}/amount", "insurance": before},
                drawn,
                unit,
            )
            break
    sheet.work(
        f"{here}/from_deficit",
        "left as a deficit",
        "amount - from_insurance",
        {"amount": f"{here}/amount", "from_insurance": f"{here}/from_insurance"},
        amount - drawn,
        unit,
    )
    account.balance += amount


def _end(sheet: Worksheet, account: MarginAccount, place: str) -> None:
    unit = sheet.at("terms/pool/settlement_asset")
    sheet.heading("Afterwards")
    sheet.work(f"{place}/body/equity", "equity", "what is left", {}, account.equity(), unit)
    sheet.work(
        f"{place}/body/maintenance_margin",
        "maintenance margin",
        "of the positions left",
        {},
        account.maintenance(),
        unit,
    )
