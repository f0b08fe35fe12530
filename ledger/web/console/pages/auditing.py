"""Pages for auditors: signed checkpoints, keys, a verification as it runs, proofs to keep."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse

from ledger.audit.verification.verify import MODES
from ledger.codec.checkpoints import checkpoint_line, decode_checkpoint
from ledger.errors import ConfigurationError
from ledger.store.checkpoints import scales
from ledger.store.console import checkpoints as console_checkpoints
from ledger.web.console.books import auditors, reading
from ledger.web.console.forms import Token, require_token
from ledger.web.console.pages.overview import At
from ledger.web.console.people import acting, require_scope
from ledger.web.console.place import NUMBER_MAX, Before, PoolName, Sequence, Unknown, address
from ledger.web.console.rendering import HEADERS, Page, render, see_other
from ledger.web.console.worked.verifying import Verifier
from ledger.web.proofs import event_proof

router = APIRouter(route_class=Page)

_DONE_SHOWN = 100


def verifier_of(request: Request) -> Verifier:
    """The one that runs verifications for this server."""
    found: Verifier = request.app.state.verifier
    return found


@router.get("/pools/{pool}/audit")
def audit(request: Request, pool: PoolName, at: At = None, before: Before = None) -> HTMLResponse:
    """Checkpoints of a pool, the newest first."""
    require_scope(request, "auditor")
    rows_max = console_checkpoints.PAGE_ROWS
    with reading(request, pool, at) as (connection, place):
        bound = place.at + 1 if before is None else min(before, place.at + 1)
        signed = console_checkpoints.newest(connection, place.shard, bound, rows_max + 1)
        keys = console_checkpoints.keys(connection)
    rows = [
        {
            "signed": one,
            "told": decode_checkpoint(one.body),
            "digest": hashlib.sha256(one.body).hexdigest(),
        }
        for one in signed[:rows_max]
    ]
    return render(
        request,
        "audit.html",
        {
            "place": place,
            "rows": rows,
            "keys": keys,
            "following": signed[rows_max - 1].sequence if len(signed) > rows_max else None,
            "run": verifier_of(request).latest,
            "modes": list(MODES),
        },
    )


@router.get("/pools/{pool}/audit/checkpoint/{sequence}")
def checkpoint(request: Request, pool: PoolName, sequence: Sequence) -> HTMLResponse:
    """A checkpoint as it is published: one line, to keep elsewhere."""
    require_scope(request, "auditor")
    with reading(request, pool, None) as (connection, place):
        found = console_checkpoints.newest(connection, place.shard, sequence + 1, 1)
        if not found or found[0].sequence != sequence:
            raise Unknown(f"pool {pool} has no checkpoint at event {sequence}")
        line = checkpoint_line(found[0].body, found[0].signature, scales(connection, place.shard))
    named = {"Content-Disposition": f'attachment; filename="{pool}-{sequence}-checkpoint.jsonl"'}
    return HTMLResponse(
        line.rstrip("\n") + "\n", headers={**HEADERS, **named}, media_type="application/json"
    )


@router.get("/pools/{pool}/events/{sequence}/proof")
def proof(
    request: Request,
    pool: PoolName,
    sequence: Sequence,
    checkpoint_at: Annotated[int | None, Query(alias="checkpoint", ge=1, le=NUMBER_MAX)] = None,
) -> JSONResponse:
    """That an event stands in the books of a checkpoint, as `clearing prove event` proves it.

    Reads the hash of every event up to the checkpoint, of which there may be so many.
    """
    require_scope(request, "auditor")
    found = event_proof(auditors(request), pool, sequence, checkpoint_at)
    named = {"Content-Disposition": f'attachment; filename="{pool}-{sequence}-proof.json"'}
    return JSONResponse(found, headers={**HEADERS, **named})


@router.post("/pools/{pool}/audit/verify")
def start(
    request: Request,
    pool: PoolName,
    mode: Annotated[str, Form(max_length=20)],
    token: Token,
    whole: Annotated[str, Form(max_length=3)] = "",
) -> RedirectResponse:
    """Begin a verification of a pool, or of all."""
    require_token(request, token)
    require_scope(request, "auditor")
    with reading(request, pool, None):
        pass  # the books are there, and the pool is in them
    url: str = request.app.state.settings.database_url
    verifier_of(request).start(url, mode, None if whole else pool, acting(request))
    return see_other(address("pools", pool, "audit") + "#verify")


@router.post("/pools/{pool}/audit/stop")
def stop(request: Request, pool: PoolName, token: Token) -> RedirectResponse:
    """End the verification that runs."""
    require_token(request, token)
    require_scope(request, "auditor")
    run = verifier_of(request).latest
    if run is not None and run.is_running:
        run.stop()
    return see_other(address("pools", pool, "audit") + "#verify")


@router.get("/verification.json")
def progress(request: Request) -> JSONResponse:
    """How far the verification has come."""
    require_scope(request, "auditor")
    run = verifier_of(request).latest
    told: dict[str, Any] = {"running": False}
    if run is not None:
        share = _DONE_SHOWN * run.done // run.total if run.total else 0
        told = {
            "running": run.is_running,
            "total": run.total,
            "done": run.done,
            "percent": min(share, _DONE_SHOWN),
        }
    return JSONResponse(told, headers=HEADERS)


@router.get("/verification/report")
def verdict(request: Request) -> JSONResponse:
    """The report of the last verification, as `clearing verify --report` writes it."""
    require_scope(request, "auditor")
    run = verifier_of(request).latest
    if run is None or run.report is None:
        raise ConfigurationError("no verification has ended yet: begin one on the page Audit")
    named = {"Content-Disposition": 'attachment; filename="verification.json"'}
    return JSONResponse(run.report, headers={**HEADERS, **named})
