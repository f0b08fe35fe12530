"""What a liquidation cost the insurance fund, and what became of the inventory it left."""

from collections.abc import Mapping
from typing import Any

from ledger.audit.explanation.worksheet import Worksheet
from ledger.audit.waterfall.funds import fund_steps


def aftermath(sheet: Worksheet, asked: int) -> None:
    """Follow the liquidation whose record stands at `records/<asked>` to its end."""
    records = sheet.at("records")
    sequence = _sequence(records[asked])
    movements = [index for index, record in enumerate(records) if record["kind"] == "fund"]
    if movements:
        sheet.heading("The insurance fund")
        sheet.table([_movement(records[index]) for index in movements])
        for index in movements:
            if _sequence(records[index]) == sequence:
                fund_steps(sheet, index)
    if not any(record["kind"] == "takeover" for record in records):
        return
    sheet.heading("The inventory since then")
    closings = [_closing(record) for record in records if record["kind"] == "close_out"]
    sheet.table(closings)
    for record in records:
        body = record["body"]
        if record["kind"] == "deleveraging":
            sheet.note(
                f"{record['subject']} deleveraged {body['deleveraged']} contracts of"
                f" {body['instrument']} (record {record['address']}); clearing explain"
                f" {record['subject']}"
            )
        if record["kind"] == "unclosed":
            sheet.note(
                f"{body['quantity']} contracts of {body['instrument']} were never closed in the"
                f" market: ended by {body['ended_by']} (record {record['address']})"
            )
    if not closings and not any(record["kind"] == "unclosed" for record in records):
        sheet.note("no market trade, deleveraging or expiry has named this liquidation yet")


def _sequence(record: Mapping[str, Any]) -> str:
    return str(record["address"]).partition(".")[0]


def _movement(record: Mapping[str, Any]) -> dict[str, object]:
    body = record["body"]
    return {
        "movement": record["subject"],
        "record": record["address"],
        "cause": body["cause"].replace("_", " "),
        "amount": body["amount"],
        "insurance before": body["insurance_before"],
        "after": body["insurance_after"],
        "deficit before": body["deficit_before"],
        "after ": body["deficit_after"],
    }


def _closing(record: Mapping[str, Any]) -> dict[str, object]:
    body = record["body"]
    return {
        "closed out by": record["address"],
        "instrument": body["instrument"],
        "contracts": body["quantity"],
        "price": body["price"],
        "realized": body["realized_pnl"],
        "fee": body["fee"],
        "inventory left": body["inventory_quantity"],
    }
