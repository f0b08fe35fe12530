"""Why a mark stands, is suspect, or was accepted; and what a bust undid.

suspect   |p - accepted| > band * accepted,  or  |p - index| > band * index
"""

from fractions import Fraction

from ledger.audit.explanation.arithmetic import Figure, decimal, number
from ledger.audit.explanation.worksheet import Worksheet

FIELDS = {"settlement": "price", "expiry": "price", "trade": "price", "opening": "entry_price"}
"""Where the event of a mark's source names its price; else in `mark_price`."""


def mark(sheet: Worksheet, asked: int) -> None:
    """Explain why a price stands for an instrument."""
    here = f"records/{asked}/body"
    source = sheet.at(f"{here}/source")
    sheet.heading("Why")
    sheet.carry(
        f"{here}/mark_price", "price of the event", f"source/{FIELDS.get(source, 'mark_price')}"
    )
    sheet.carry(f"records/{asked}/subject", "instrument", "source/instrument")
    if source == "confirmed":
        _confirmed(sheet, here)
    elif source == "price":
        price = sheet.figure(f"{here}/mark_price")
        sheet.claim(
            "=believed",
            "the price is believed",
            "within the band, or without one",
            {},
            holds=_reason(sheet, price) is None,
        )


def _confirmed(sheet: Worksheet, here: str) -> None:
    suspect = next(
        (
            index
            for index, record in enumerate(sheet.at("records"))
            if record["kind"] == "suspect_mark"
        ),
        None,
    )
    if suspect is None:
        sheet.claim("=suspect", "a suspect mark came before it", "suspect_mark", {}, holds=False)
        return
    there = f"records/{suspect}/body"
    first, band = sheet.figure(f"{there}/first_suspect"), sheet.figure(f"{there}/band")
    price = sheet.figure(f"{here}/mark_price")
    sheet.claim(
        "=confirms",
        "it confirms the first suspect",
        "|p - first| <= band * first",
        {"p": f"{here}/mark_price", "first": f"{there}/first_suspect", "band": f"{there}/band"},
        holds=_within(band, price, first),
    )
    sheet.claim(
        "=enough",
        "it is the last one needed",
        "confirmations + 1 >= needed",
        {key: f"{there}/{key}" for key in ("confirmations", "needed")},
        holds=sheet.at(f"{there}/confirmations") + 1 >= sheet.at(f"{there}/needed"),
    )


def suspect_mark(sheet: Worksheet, asked: int) -> None:
    """Explain why a price is suspect."""
    here = f"records/{asked}/body"
    name = sheet.at(f"records/{asked}/subject")
    sheet.heading("Why")
    sheet.carry(f"{here}/mark_price", "price of the event", "source/mark_price")
    if sheet.at("source").get("index_price") is None:
        sheet.work(f"{here}/index_price", "index of the event", "none", {}, None)
    else:
        sheet.carry(f"{here}/index_price", "index of the event", "source/index_price")
    sheet.carry(f"{here}/band", "band", f"terms/instruments/{name}/price_band")
    sheet.carry(
        f"{here}/needed", "confirmations needed", f"terms/instruments/{name}/price_confirmations"
    )
    _accepted(sheet, here)
    price = sheet.figure(f"{here}/mark_price")
    given = {
        key: f"{here}/{key}" for key in ("mark_price", "accepted_price", "index_price", "band")
    }
    sheet.work(
        f"{here}/reason",
        "why it is suspect",
        "|mark_price - accepted_price| > band * accepted_price,"
        " else |mark_price - index_price| > band * index_price",
        given,
        _reason(sheet, price),
    )
    _first(sheet, here, price)


def _first(sheet: Worksheet, here: str, price: Figure) -> None:
    """The first suspect, and the marks so far that confirm it."""
    records = sheet.at("records")
    known = [
        index
        for index, record in enumerate(records)
        if record["kind"] == "suspect_mark" and f"records/{index}/body" != here
    ]
    band = sheet.figure(f"{here}/band")
    first, confirmations = price, 0
    told = "the first one"
    if known and sheet.at("suspicion_open"):
        before = records[known[-1]]["body"]
        if _within(band, price, number(before["first_suspect"])):
            first = number(before["first_suspect"])
            confirmations = before["confirmations"] + 1
            told = f"within the band of {decimal(first)}"
    sheet.work(
        f"{here}/first_suspect", "first suspect", told, {"mark_price": f"{here}/mark_price"}, first
    )
    sheet.work(f"{here}/confirmations", "confirmations so far", told, {}, Fraction(confirmations))


def _accepted(sheet: Worksheet, here: str) -> None:
    if sheet.at("accepted") is None:
        sheet.work(f"{here}/accepted_price", "last accepted mark", "none yet", {}, None)
    else:
        sheet.carry(
            f"{here}/accepted_price",
            "last accepted mark",
            "accepted/mark_price",
            f"record {sheet.at('accepted/address')}",
        )


def _reason(sheet: Worksheet, price: Figure) -> str | None:
    source = sheet.at("source")
    terms = sheet.at(f"terms/instruments/{source['instrument']}")
    if terms["price_band"] is None:
        return None
    band = number(terms["price_band"])
    accepted = sheet.at("accepted")
    if accepted is not None and not _within(band, price, number(accepted["mark_price"])):
        return "moved"
    index = source.get("index_price")
    if index is not None and not _within(band, price, number(index)):
        return "off_index"
    return None


def _within(band: Figure, price: Figure, reference: Figure) -> bool:
    return abs(price - reference) <= band * reference


def price_acceptance(sheet: Worksheet, asked: int) -> None:
    """Explain an acceptance by hand."""
    here = f"records/{asked}/body"
    sheet.heading("Why")
    for key in ("mark_price", "made_by", "checked_by"):
        sheet.carry(f"{here}/{key}", key.replace("_", " "), f"source/{key}")
    sheet.carry(f"records/{asked}/subject", "instrument", "source/instrument")
    _accepted(sheet, here)
    sheet.claim(
        "=hands",
        "two different people",
        "made_by <> checked_by",
        {key: f"{here}/{key}" for key in ("made_by", "checked_by")},
        holds=sheet.at(f"{here}/made_by") != sheet.at(f"{here}/checked_by"),
    )


def asset_price(sheet: Worksheet, asked: int) -> None:
    """Explain the price of an asset."""
    sheet.heading("Why")
    sheet.carry(f"records/{asked}/body/price", "price of the event", "source/price")
    sheet.carry(f"records/{asked}/subject", "asset", "source/asset")


def trade_bust(sheet: Worksheet, asked: int) -> None:
    """Explain a bust."""
    sheet.heading("Why")
    sheet.carry(f"records/{asked}/subject", "trade", "source/trade_event_id")
    sheet.carry(f"records/{asked}/body/busted_by", "busted by", "source/event_id")
    sheet.carry(f"records/{asked}/body/reason", "reason", "source/reason")
