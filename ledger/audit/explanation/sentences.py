"""What happened, in a sentence or two: the beginning of an explanation."""

from collections.abc import Mapping
from typing import Any

from ledger.audit.explanation.explain import Explanation
from ledger.audit.explanation.worksheet import counted


def sentence(explanation: Explanation) -> str:
    """The short answer; the figures follow it."""
    inputs = explanation.sheet.inputs
    unit = inputs["terms"]["pool"]["settlement_asset"]
    if explanation.kind == "funding_rate":
        return _funding(inputs, unit)
    record = inputs["records"][inputs["asked"]]
    body, subject = record["body"], record["subject"]
    if any(step.place.startswith("=shape/") for step in explanation.sheet.steps):
        return "What is stored is not what it says it is."
    match record["kind"]:
        case "liquidation":
            return _liquidation(inputs, body, subject, unit)
        case "deleveraging":
            return _deleveraging(body, unit)
        case "margin_call":
            return (
                f"{_whose(body)} got a margin call: its equity of {body['equity']} {unit} was under"
                f" its initial margin of {body['initial_margin']} {unit}."
            )
        case "margin_call_end":
            why = "it had enough again" if body["reason"] == "restored" else "it had no position"
            return (
                f"The margin call {subject} of {_whose(body)} ended: {why}. Equity {body['equity']}"
                f" {unit}, initial margin {body['initial_margin']} {unit}."
            )
        case "fund":
            word = "rose" if not str(body["amount"]).startswith("-") else "fell"
            amount = str(body["amount"]).removeprefix("-")
            return (
                f"The insurance fund and its deficit {word} by {amount} {unit}, for"
                f" {body['cause'].replace('_', ' ')}: insurance {body['insurance_before']} to"
                f" {body['insurance_after']}, deficit {body['deficit_before']} to"
                f" {body['deficit_after']}."
            )
        case kind:
            return f"Record {record['address']}: {kind.replace('_', ' ')} of {subject}."


def _liquidation(
    inputs: Mapping[str, Any], body: Mapping[str, Any], subject: str, unit: str
) -> str:
    statement = body["statement"]
    why = (
        f"{_whose(body)} was liquidated: its equity of {statement['equity']} {unit} was under its"
        f" maintenance margin of {statement['maintenance_margin']} {unit}."
    )
    told = [why]
    mine = [record for record in inputs["records"] if record["subject"] == subject]
    taken = [
        f"{record['body']['quantity']} of {record['body']['instrument']}"
        for record in mine
        if record["kind"] == "takeover"
    ]
    if taken:
        told.append(f"@liquidation took over {', '.join(taken)}.")
    for record in mine:
        if record["kind"] == "seizure":
            told.append(f"{record['body']['quantity']} {record['body']['asset']} was seized.")
        if record["kind"] == "made_whole":
            told.append(f"The fund made it whole with {record['body']['amount']} {unit}.")
        if record["kind"] == "liquidation_end":
            told.append(f"It was left with equity {record['body']['equity']} {unit}.")
    return " ".join(told)


def _deleveraging(body: Mapping[str, Any], unit: str) -> str:
    parts = sum(1 for one in body["candidates"] if str(one["taken"]).strip("0."))
    return (
        f"The inventory of {body['quantity']} {body['instrument']} showed a loss of {body['loss']}"
        f" {unit} at the mark {body['mark_price']}; the fund was projected at {body['projected']}"
        f" {unit}, under its floor of {body['floor']}. By the policy {body['policy']}"
        f" {body['deleveraged']} contracts were closed against {counted(parts, 'position')}, which"
        f" absorbed {body['loss_absorbed']} {unit}; {body['left']} stayed."
    )


def _funding(inputs: Mapping[str, Any], unit: str) -> str:
    source = inputs["source"]
    payments = inputs["payments"]
    told = f"At rate {source['rate']} and mark {source['mark_price']} of {source['instrument']}"
    if inputs["whole"]:
        return f"{told}, {counted(len(payments), 'position')} paid or received funding."
    return f"{told}, {payments[0]['account']} got {payments[0]['payment']} {unit}."


def _whose(body: Mapping[str, Any]) -> str:
    isolated = body["margin_instrument"]
    return f"{body['account']}" + ("" if isolated is None else f" (isolated {isolated})")
