"""How funding payments came to be: every holder's, or one account's.

payment = down(-quantity * |V(mark_price)| * rate)      longs pay when the rate is positive
"""

from ledger.audit.explanation.account import ZERO
from ledger.audit.explanation.arithmetic import contract_value, down, half_even, number
from ledger.audit.explanation.worksheet import Worksheet


def payments(sheet: Worksheet) -> None:
    """Explain the payments of a funding event; `whole` inputs name every holder."""
    name = sheet.at("source/instrument")
    terms = sheet.at(f"terms/instruments/{name}")
    unit = sheet.at("terms/pool/settlement_asset")
    scale = sheet.at("terms/pool/scale")
    sheet.heading(f"Funding on {name}")
    value = abs(
        contract_value(
            terms["type"], number(terms["multiplier"]), sheet.figure("source/mark_price")
        )
    )
    rate = sheet.figure("source/rate")
    sheet.work(
        "=value",
        "value of one contract",
        "|V(mark_price)|",
        {"mark_price": "source/mark_price"},
        value,
        unit,
    )
    total = ZERO
    rounded, word_of = (half_even, "half_even") if sheet.at("rules") == 1 else (down, "down")
    for index, line in enumerate(sheet.at("payments")):
        here = f"payments/{index}"
        payment = rounded(-number(line["quantity"]) * value * rate, scale)
        total += payment
        word = "receives" if payment > 0 else "pays"
        sheet.work(
            f"{here}/payment",
            f"{line['account']} {word}",
            f"{word_of}(-quantity * value * rate)",
            {"quantity": f"{here}/quantity", "value": "=value", "rate": "source/rate"},
            payment,
            unit,
        )
    if sheet.at("whole"):
        sheet.work("rounding", "left over by rounding", "-(sum of payments)", {}, -total, unit)
