"""The rounds of the default waterfall: who was under maintenance, and whose turn came when."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ledger.audit.explanation.account import ZERO
from ledger.audit.explanation.arithmetic import decimal, number
from ledger.audit.explanation.worksheet import Worksheet, counted

NEIGHBOURS = 2
"""Places shown before and after the one that is asked for."""


def round_order(sheet: Worksheet, here: str, body: dict[str, Any]) -> None:
    """The account's place among those under maintenance."""
    found = [
        index
        for index, record in enumerate(sheet.at("records"))
        if record["kind"] == "liquidation_round" and record["body"]["round"] == body["round"]
    ]
    if not found:
        sheet.claim("=round", "the round is on record", "liquidation_round", {}, holds=False)
        return
    index = found[0]
    sheet.heading(f"Its turn: round {body['round']}")
    listed = sheet.at(f"records/{index}/body/listed")
    accounts = [(row["account"], row["margin_instrument"]) for row in listed]
    mine = (body["account"], body["margin_instrument"])
    rank = accounts.index(mine) + 1 if mine in accounts else 0
    listing_order(sheet, f"records/{index}/body/listed", listed)
    sheet.work(f"{here}/rank", "place in the list", "the worst first", {}, Fraction(rank))
    if rank == 1:
        for key in ("equity", "maintenance_margin"):
            sheet.carry(
                f"records/{index}/body/listed/0/{key}",
                f"{key.replace('_', ' ')} in the list",
                f"{here}/statement/{key}",
                "the first of a round is liquidated as it was listed",
            )
    shown = [row for row in range(len(listed)) if abs(row + 1 - rank) <= NEIGHBOURS or not row]
    sheet.table([_listed(row, listed[row]) for row in shown])


def _listed(row: int, listed: dict[str, Any]) -> dict[str, object]:
    equity, required = number(listed["equity"]), number(listed["maintenance_margin"])
    return {
        "place": row + 1,
        "account": listed["account"],
        "isolated": listed["margin_instrument"] or "",
        "equity": listed["equity"],
        "maintenance": listed["maintenance_margin"],
        "ratio": decimal(round(equity / required, 6)) if required else "none required",
    }


def listing_order(sheet: Worksheet, place: str, listed: Sequence[dict[str, Any]]) -> None:
    """All listed are under maintenance, and stand by equity / maintenance, the lowest first."""
    keys = []
    under = True
    for row in listed:
        equity, required = number(row["equity"]), number(row["maintenance_margin"])
        under = under and equity < required
        keys.append(
            (
                required > 0,
                equity / required if required else ZERO,
                row["account"].encode(),
                row["margin_instrument"] is not None,
                (row["margin_instrument"] or "").encode(),
            )
        )
    sheet.claim(
        f"={place}/under",
        f"{counted(len(listed), 'account')} listed, all under maintenance",
        "equity < maintenance_margin",
        {},
        holds=under,
    )
    sheet.claim(
        f"={place}/order",
        "they stand in order",
        "equity / maintenance_margin ascending; ties by account id",
        {},
        holds=keys == sorted(keys),
    )


def liquidation_round(sheet: Worksheet, asked: int) -> None:
    """Explain who was listed in a round, and in what order."""
    here = f"records/{asked}/body"
    listed = sheet.at(f"{here}/listed")
    sheet.heading(f"Round {sheet.at(f'{here}/round')}")
    listing_order(sheet, f"{here}/listed", listed)
    sheet.table([_listed(row, line) for row, line in enumerate(listed)])
