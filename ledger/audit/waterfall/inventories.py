"""The inventory of `@liquidation`: where it stands in the books, and what the fund projects."""

from ledger.audit.explanation.account import ZERO
from ledger.audit.explanation.arithmetic import Figure, contract_value, decimal, down, number
from ledger.audit.explanation.statements import Key, balance_at, cuts_of
from ledger.audit.explanation.worksheet import Worksheet


def inventory_cut(sheet: Worksheet, here: str, name: str) -> int | None:
    """The posting line after which the books held the inventory and projection of the record.

    Where no line fits both, the latest that fits the inventory; None where none does.
    """
    asset = sheet.at("terms/pool/settlement_asset")
    body = sheet.at(here)
    wanted: dict[Key, Figure] = {
        ("@liquidation", "position", name, None): number(body["quantity"]),
        ("@liquidation", "variation", name, asset): number(body["cost"]),
    }
    if "insurance" in body:
        wanted["@house", "insurance", None, asset] = number(body["insurance"])
    books = [
        book
        for book in sheet.at("books")
        if book["owner"] == "@liquidation" or book["kind"] == "insurance"
    ]
    cuts = list(cuts_of(books, wanted, others=False))
    projected = number(body["projected"])
    fitting = [cut for cut in cuts if sum(results_at(sheet, cut).values(), ZERO) == projected]
    cut = next(iter(fitting or cuts), None)
    told = "position and variation of @liquidation"
    if cut is not None:
        told = f"after posting {cut} of this event" if cut else "before this event's postings"
    sheet.claim(
        f"={here}/inventory", "the books held this inventory", told, {}, holds=cut is not None
    )
    return cut


def results_at(sheet: Worksheet, cut: int) -> dict[str, Figure]:
    """The insurance fund (under an empty name) and the result at mark of each inventory."""
    held: dict[str, dict[str, Figure]] = {}
    found: dict[str, Figure] = {"": ZERO}
    for book in sheet.at("books"):
        if book["kind"] == "insurance":
            found[""] = balance_at(book, cut)
        if book["owner"] == "@liquidation":
            held.setdefault(book["instrument"], {})[book["kind"]] = balance_at(book, cut)
    for name, part in sorted(held.items()):
        if part.get("position"):
            found[name] = _result(sheet, name, part["position"], part.get("variation", ZERO))
    return found


def projection(sheet: Worksheet, here: str, cut: int | None) -> None:
    """`projected`: the fund, had all inventory been closed at the marks."""
    if cut is None:
        return
    unit = sheet.at("terms/pool/settlement_asset")
    results = results_at(sheet, cut)
    given = {"insurance": sheet.keep(f"={here}/insurance", results.pop(""))}
    for count, (name, result) in enumerate(results.items(), start=1):
        sheet.note(f"inventory {name}: result at mark {decimal(result)} {unit}")
        given[f"result_{count}"] = sheet.keep(f"={here}/results/{name}", result)
    if "insurance" in sheet.at(here):
        sheet.work(
            f"{here}/insurance",
            "insurance fund",
            "its balance then",
            {},
            sheet.figure(given["insurance"]),
            unit,
        )
    total = sum((sheet.figure(place) for place in given.values()), ZERO)
    sheet.work(f"{here}/projected", "projected fund", " + ".join(given), given, total, unit)


def _result(sheet: Worksheet, name: str, quantity: Figure, cost: Figure) -> Figure:
    """`cost + down(quantity * V(mark))`; nothing without a mark."""
    mark = sheet.at("marks").get(name)
    if mark is None:
        return ZERO
    terms = sheet.at(f"terms/instruments/{name}")
    one = contract_value(terms["type"], number(terms["multiplier"]), number(mark["mark_price"]))
    return cost + down(quantity * one, sheet.at("terms/pool/scale"))
