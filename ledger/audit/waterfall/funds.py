"""How a movement of the insurance fund came to be, where it came from, and what it left.

gain    repays open deficits, the oldest first; the rest goes to `insurance`
loss    is drawn from `insurance`; the rest opens a deficit
"""

from collections.abc import Sequence

from ledger.audit.explanation.account import ZERO
from ledger.audit.explanation.arithmetic import Figure, number
from ledger.audit.explanation.statements import Key, cut_of
from ledger.audit.explanation.worksheet import Worksheet
from ledger.audit.waterfall.inventories import projection
from ledger.audit.waterfall.policies import largest_remainder

BY_HAND = ("adjustment", "socialized")
"""Causes that do not follow the rule for gains and losses."""


def fund(sheet: Worksheet, asked: int) -> None:
    """Explain the movement whose record stands at `records/<asked>`."""
    sheet.heading("The movement")
    fund_steps(sheet, asked)
    _chain(sheet, asked)
    _cause(sheet, asked)


def fund_steps(sheet: Worksheet, asked: int) -> None:
    """Work the figures of a movement, and find it in the books."""
    here = f"records/{asked}/body"
    unit = sheet.at("terms/pool/settlement_asset")
    body = sheet.at(here)
    amount = number(body["amount"])
    before = {key: number(body[f"{key}_before"]) for key in ("insurance", "deficit")}
    after = {key: number(body[f"{key}_after"]) for key in ("insurance", "deficit")}
    keys = ("insurance_before", "insurance_after", "deficit_before", "deficit_after")
    sheet.work(
        f"{here}/amount",
        "amount",
        "insurance_after - insurance_before + deficit_after - deficit_before",
        {key: f"{here}/{key}" for key in keys},
        after["insurance"] - before["insurance"] + after["deficit"] - before["deficit"],
        unit,
    )
    if body["cause"] not in BY_HAND:
        _rule(sheet, here, amount, before)
    changes = sum((number(line["change"]) for line in body["deficits"]), ZERO)
    places = {
        f"change_{index + 1}": f"{here}/deficits/{index}/change"
        for index in range(len(body["deficits"]))
    }
    sheet.keep(f"={here}/changes", changes)
    sheet.claim(
        f"={here}/deficits",
        "the deficits touched make up its change",
        " + ".join(places) + " = deficit_after - deficit_before" if places else "none",
        {**places, **{key: f"{here}/{key}" for key in keys[2:]}},
        holds=changes == after["deficit"] - before["deficit"],
    )
    _deficits(sheet, here, asked)
    _books(sheet, here, after)


def _rule(sheet: Worksheet, here: str, amount: Figure, before: dict[str, Figure]) -> None:
    """A gain repays deficits first; a loss draws on the insurance first."""
    unit = sheet.at("terms/pool/settlement_asset")
    given = {key: f"{here}/{key}" for key in ("amount", "insurance_before", "deficit_before")}
    if amount > 0:
        part = min(amount, -before["deficit"])
        name, words = "repaid", "deficits repaid first"
        formulas = (
            "min(amount, -deficit_before)",
            "insurance_before + amount - repaid",
            "deficit_before + repaid",
        )
        after = (before["insurance"] + amount - part, before["deficit"] + part)
    else:
        part = min(-amount, before["insurance"])
        name, words = "drawn", "drawn from the insurance first"
        formulas = (
            "min(-amount, insurance_before)",
            "insurance_before - drawn",
            "deficit_before + amount + drawn",
        )
        after = (before["insurance"] - part, before["deficit"] + amount + part)
    place = f"={here}/{name}"
    sheet.work(place, words, formulas[0], given, part, unit)
    given = {**given, name: place}
    for key, formula, figure in zip(("insurance", "deficit"), formulas[1:], after, strict=True):
        sheet.work(f"{here}/{key}_after", f"{key} after", formula, given, figure, unit)


def _deficits(sheet: Worksheet, here: str, asked: int) -> None:
    body = sheet.at(here)
    subject = sheet.at(f"records/{asked}/subject")
    for index, line in enumerate(body["deficits"]):
        place = f"{here}/deficits/{index}"
        opened = number(line["change"]) < 0
        told = "opened by this movement" if opened else "repaid; what is left is not above 0"
        right = number(line["left"]) <= 0
        if opened:
            right = line["opened_by"] == subject and line["left"] == line["change"]
        sheet.claim(
            f"={place}/left",
            f"deficit of {line['opened_by']}",
            told,
            {key: f"{place}/{key}" for key in ("change", "left")},
            holds=right,
        )
    repaid = [line for line in body["deficits"] if number(line["change"]) > 0]
    numbers = [int(line["opened_by"].removeprefix("F-")) for line in repaid]
    emptied = all(number(line["left"]) == 0 for line in repaid[:-1])
    if len(repaid) > 1:
        sheet.claim(
            f"={here}/oldest",
            "the oldest are repaid first, each in full",
            "F-n ascending",
            {},
            holds=numbers == sorted(numbers) and emptied,
        )


def _books(sheet: Worksheet, here: str, after: dict[str, Figure]) -> None:
    asset = sheet.at("terms/pool/settlement_asset")
    wanted: dict[Key, Figure] = {
        ("@house", kind, None, asset): figure for kind, figure in after.items()
    }
    books = [book for book in sheet.at("books") if book["kind"] in after]
    cut = cut_of(books, wanted)
    told = "balances of insurance and deficit"
    if cut is not None:
        told = f"after posting {cut} of this event" if cut else "before this event's postings"
    sheet.claim(
        f"={here}/books",
        "the books then held this fund and deficit",
        told,
        {},
        holds=cut is not None,
    )


def _chain(sheet: Worksheet, asked: int) -> None:
    """What the movement before it left is what this one found."""
    here = f"records/{asked}/body"
    count = int(str(sheet.at(f"records/{asked}/subject")).removeprefix("F-"))
    for index, record in enumerate(sheet.at("records")):
        if record["kind"] == "fund" and record["subject"] == f"F-{count - 1}":
            for key in ("insurance", "deficit"):
                sheet.carry(
                    f"{here}/{key}_before",
                    f"{key} before",
                    f"records/{index}/body/{key}_after",
                    f"as {record['subject']} left it",
                )
            return
    if count == 1:
        for key in ("insurance", "deficit"):
            sheet.work(f"{here}/{key}_before", f"{key} before the first movement", "0", {}, ZERO)


def _cause(sheet: Worksheet, asked: int) -> None:
    """Where the amount comes from, where another record of the event tells."""
    here = f"records/{asked}/body"
    body = sheet.at(here)
    unit = sheet.at("terms/pool/settlement_asset")
    sheet.note(
        f"cause: {body['cause'].replace('_', ' ')}"
        + (f", liquidation {body['liquidation_id']}" if body["liquidation_id"] else "")
        + (f", {body['instrument']}" if body["instrument"] else "")
        + (f", account {body['account']}" if body["account"] else "")
    )
    sources = {
        "made_whole": ("made_whole", "amount", -1),
        "close_out": ("close_out", "realized_pnl", 1),
        "fee": ("close_out", "fee", -1),
    }
    if body["cause"] == "socialized" and body["deficits"]:
        shares = {
            f"share_{index}": f"records/{index}/body/share"
            for index, record in enumerate(sheet.at("records"))
            if record["kind"] == "socialized_loss"
            and record["subject"] == body["deficits"][0]["opened_by"]
        }
        total = sum((sheet.figure(place) for place in shares.values()), ZERO)
        sheet.work(
            f"{here}/amount", "what the winners gave", " + ".join(shares), shares, total, unit
        )
    if body["cause"] == "insurance_deposit":
        sheet.carry(f"{here}/amount", "deposited", "source/amount")
    if body["cause"] not in sources:
        return
    kind, field, sign = sources[body["cause"]]
    for index, record in enumerate(sheet.at("records")):
        same = record["kind"] == kind and (
            record["body"].get("instrument", body["instrument"]) == body["instrument"]
            and record["body"].get("account", body["account"]) == body["account"]
            and record["subject"] == (body["liquidation_id"] or "-")
        )
        if same:
            there = f"records/{index}/body/{field}"
            sheet.work(
                f"{here}/amount",
                f"{field.replace('_', ' ')} of record {record['address']}",
                field if sign > 0 else f"-{field}",
                {field: there},
                sign * sheet.figure(there),
                unit,
            )
            return


def fund_floor(sheet: Worksheet, asked: int) -> None:
    """Explain that the projected fund fell under its floor, or rose to it again."""
    here = f"records/{asked}/body"
    sheet.heading("Why")
    sheet.carry(f"{here}/floor", "floor of the fund", "terms/pool/insurance_floor")
    lines = [posting["line"] for book in sheet.at("books") for posting in book["postings"]]
    projection(sheet, here, max(lines, default=0))
    under = sheet.figure(f"{here}/projected") < sheet.figure(f"{here}/floor")
    sheet.work(
        f"{here}/state",
        "where it stands",
        "under where projected < floor",
        {key: f"{here}/{key}" for key in ("projected", "floor")},
        "under" if under else "restored",
    )


def socialized_loss(sheet: Worksheet, asked: int) -> None:
    """Explain how a deficit was shared among those who gained."""
    subject = sheet.at(f"records/{asked}/subject")
    places = [
        f"records/{index}/body"
        for index, record in enumerate(sheet.at("records"))
        if record["kind"] == "socialized_loss" and record["subject"] == subject
    ]
    sheet.heading(f"How the deficit of {subject} was shared")
    unit = sheet.at("terms/pool/settlement_asset")
    scale = sheet.at("terms/pool/scale")
    gains = [_gain(sheet, place, unit) for place in places]
    deficit = sheet.figure(f"{places[0]}/deficit")
    total = sheet.figure(f"{places[0]}/gains")
    sheet.claim(
        "=gains_enough",
        "the gains recorded are among them",
        "sum <= gains",
        {},
        holds=sum(gains, ZERO) <= total,
    )
    shared = min(deficit, total)
    sheet.keep("=shared", shared)
    sheet.keep("=gains", total)
    shares = _shares(gains, total, shared, scale)
    for place, gain, share in zip(places, gains, shares, strict=True):
        account = sheet.at(f"{place}/account")
        sheet.work(
            f"{place}/deficit",
            f"{account}: deficit to share",
            "the same for all",
            {},
            deficit,
            unit,
        )
        sheet.work(
            f"{place}/gains",
            f"{account}: gains to share among",
            "the same for all",
            {},
            total,
            unit,
        )
        sheet.work(
            f"{place}/share",
            f"{account}: share",
            "shared * gain / gains, by largest remainder",
            {"shared": "=shared", "gain": f"={place}/gain", "gains": "=gains"},
            share,
            unit,
        )
        sheet.claim(
            f"={place}/bound",
            f"{account}: no more than its gain",
            "share <= gain",
            {"share": f"{place}/share", "gain": f"={place}/gain"},
            holds=share <= gain,
        )


def _gain(sheet: Worksheet, place: str, unit: str) -> Figure:
    """What a position may still bear: its gain, less what it has borne since it was last flat."""
    keys = ("unrealized_pnl", "borne")
    gain = sheet.figure(f"{place}/unrealized_pnl") - sheet.figure(f"{place}/borne")
    sheet.work(
        f"={place}/gain",
        f"{sheet.at(f'{place}/account')}: gain that has borne nothing yet",
        "unrealized_pnl - borne",
        {key: f"{place}/{key}" for key in keys},
        gain,
        unit,
    )
    return gain


def _shares(gains: Sequence[Figure], total: Figure, shared: Figure, scale: int) -> list[Figure]:
    unit = number(1) / 10**scale
    return largest_remainder([shared * gain / total for gain in gains], shared, unit)
