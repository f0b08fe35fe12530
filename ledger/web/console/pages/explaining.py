"""An explanation as a page: every figure worked again beside what the books say."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse

from ledger.audit.explanation.explain import Explanation, NotFound, explanation
from ledger.audit.explanation.sentences import sentence
from ledger.audit.explanation.worksheet import Heading, Note, Step, Table, shown, substituted
from ledger.store.audit.lookups import Lookups
from ledger.web.console.books import reading
from ledger.web.console.later import later
from ledger.web.console.pages.overview import At
from ledger.web.console.people import require_scope
from ledger.web.console.place import PoolName, Unknown
from ledger.web.console.rendering import HEADERS, Page, render

router = APIRouter(route_class=Page)

SHOWN_MAX = 200
"""Lines of one section, and rows of one table; the file has all of them."""


@router.get("/pools/{pool}/explain/{id_}")
def explain(
    request: Request, pool: PoolName, id_: str, at: At = None, account: str | None = None
) -> HTMLResponse:
    """How a figure came to be."""
    require_scope(request, "auditor")
    with reading(request, pool, at) as (connection, place):
        found = _explained(Lookups(connection, pool, place.shard), id_, account)
    if found.event["sequence"] > place.at:
        return later(request, place, f"{id_} explained", found.event["sequence"], "explain", id_)
    steps = found.sheet.steps
    return render(
        request,
        "explain.html",
        {
            "place": place,
            "found": found,
            "sentence": sentence(found),
            "sections": sections(found),
            "disagree": [step for step in steps if not step.agrees],
            "count": len(steps),
            "account": account,
        },
    )


@router.get("/pools/{pool}/explain/{id_}/file")
def explanation_file(
    request: Request, pool: PoolName, id_: str, account: str | None = None
) -> JSONResponse:
    """The same as `clearing explain --out` writes: `tools/check_explanation.py` works it again."""
    require_scope(request, "auditor")
    with reading(request, pool, None) as (connection, place):
        found = _explained(Lookups(connection, pool, place.shard), id_, account)
    named = {"Content-Disposition": f'attachment; filename="{pool}-{id_}-explanation.json"'}
    return JSONResponse(found.as_json(), headers={**HEADERS, **named})


def _explained(lookups: Lookups, id_: str, account: str | None) -> Explanation:
    try:
        return explanation(lookups, id_, account)
    except NotFound as fault:
        raise Unknown(str(fault)) from fault


def sections(found: Explanation) -> list[dict[str, Any]]:
    """The parts of an explanation as the page shows them: headings, each with what follows."""
    pool = found.sheet.at("terms/pool")
    money = (pool["settlement_asset"], pool["scale"])
    made: list[dict[str, Any]] = [{"heading": None, "parts": [], "carried": 0}]
    for part in found.sheet.parts:
        section = made[-1]
        match part:
            case Heading(text):
                made.append({"heading": text, "parts": [], "carried": 0})
            case Note(text):
                section["parts"].append({"note": text})
            case Table(rows):
                section["parts"].append({"rows": rows[:SHOWN_MAX], "more": len(rows) - SHOWN_MAX})
            case Step() if part.is_carried and part.agrees:
                section["carried"] += 1
            case Step():
                _add_step(section["parts"], part, money)
    return [section for section in made if section["parts"] or section["carried"]]


def _add_step(parts: list[dict[str, Any]], step: Step, money: tuple[str, int]) -> None:
    """A line of the table of steps that stands last, or of a new one."""
    if not parts or "steps" not in parts[-1]:
        parts.append({"steps": [], "left_out": 0})
    if len(parts[-1]["steps"]) >= SHOWN_MAX and step.agrees:
        parts[-1]["left_out"] += 1
        return
    scale = money[1] if step.unit == money[0] else None
    is_claim = isinstance(step.result, bool) and step.place.startswith("=")
    parts[-1]["steps"].append(
        {
            "name": step.name,
            "figures": substituted(step) if step.inputs and not step.is_carried else step.formula,
            "result": "" if is_claim else shown(step.result, scale),
            "unit": step.unit,
            "is_held": not step.place.startswith("=") or step.recorded is not None,
            "agrees": step.agrees,
            "recorded": shown(step.recorded),
        }
    )
