"""Explanations, checkpoints and proofs over HTTP, for auditors."""

import json
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import JSONResponse

from ledger.audit.explanation.explain import explanation
from ledger.store.web import evidence as web_evidence
from ledger.store.web.connections import Readers
from ledger.web.api import asking
from ledger.web.proofs import event_proof

Pool = Annotated[str, Query(pattern=asking.ID, description="Its pool.")]
Id = Annotated[
    str,
    Path(
        pattern=asking.ID,
        description="`L-1`, `D-1`, `C-1` or `F-1`, a record `SEQUENCE.LINE`, or the event id of a"
        " funding rate.",
    ),
]
Account = Annotated[
    str | None,
    Query(pattern=asking.ID, description="Of a funding rate: this account's payment alone."),
]
Sequence = Annotated[int, Path(ge=1, le=asking.SEQUENCE_MAX, description="Of the event.")]
Behind = Annotated[
    int, Query(ge=0, le=asking.SEQUENCE_MAX, description="Only those of later events.")
]


def explain(request: Request, id: Id, pool: Pool = "main", account: Account = None) -> JSONResponse:  # noqa: A002 - as it stands in the address
    """How a figure came to be: every step worked again, and held against the books.

    The same as `clearing explain ID --json`; `tools/check_explanation.py` works it again without
    this program. Where `agrees` is false, a figure of the books does not follow from its inputs.
    """
    asking.require_known(request, ["pool", "account"])
    auditors: Readers = request.app.state.auditors
    with auditors.lent() as connection:
        lookups = web_evidence.lookups(connection, asking.pool_of(pool))
        return JSONResponse(explanation(lookups, id, account).as_json())


def checkpoints(
    request: Request, pool: asking.PoolName, behind: Behind = 0, limit: asking.Limit = 100
) -> JSONResponse:
    """Signed statements of what the books were, as they are published."""
    asking.require_known(request, ["behind", "limit"])
    auditors: Readers = request.app.state.auditors
    name = asking.pool_of(pool)
    with auditors.lent() as connection:
        lines = web_evidence.checkpoints_behind(connection, name, behind, limit)
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    following = None
    if len(rows) == limit:
        following = f"{request.url.path}?behind={rows[-1]['sequence']}&limit={limit}"
    return JSONResponse({"pool": name, "rows": rows, "next": following})


def prove(request: Request, pool: asking.PoolName, sequence: Sequence) -> JSONResponse:
    """That an event and what it led to stand in the books of a signed checkpoint.

    `tools/check_proof.py` verifies it without this program.
    """
    asking.require_known(request, [])
    proof = event_proof(request.app.state.auditors, asking.pool_of(pool), sequence, None)
    return JSONResponse(proof)
