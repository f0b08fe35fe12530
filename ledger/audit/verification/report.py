"""The report of a verification: what was asked, what was found, signed by whoever verified.

    {"format": 1, "verdict": "good" | "bad", "mode", ..., "first": {...} | null, "findings": [...],
     "signed_by", "signature"}

The signature is Ed25519 over the same object without `signature`, as JSON with sorted keys, without
white space, in ASCII.
"""

import json
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from ledger.audit.proofs.signing import Signer
from ledger.audit.verification.verify import Verdict

FORMAT = 1


def report(
    verdict: Verdict, began: datetime, ended: datetime, books: str, signer: Signer | None
) -> dict[str, object]:
    """The report as an object.

    Args:
        verdict: What was found.
        began, ended: In UTC.
        books: Where they are, without passwords.
        signer: The auditor's own key; None: it is not signed.
    """
    scope = verdict.scope
    count, digest = verdict.anchors
    found: dict[str, object] = {
        "format": FORMAT,
        "verdict": "good" if verdict.is_good else "bad",
        "ledger": _version(),
        "books": books,
        "began": began.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "ended": ended.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "mode": scope.mode,
        "pool": scope.pool,
        "from": scope.first,
        "to": scope.last,
        "from_snapshot": scope.from_snapshot,
        "anchors": {"file": _text(scope.anchors), "checkpoints": count, "sha256": digest},
        "trusted_keys": verdict.trusted,
        "pools": verdict.pools,
        "first": verdict.found[0].as_json() if verdict.found else None,
        "findings": [finding.as_json() for finding in verdict.found],
        "signed_by": None if signer is None else signer.key.hex(),
    }
    if signer is not None:
        found["signature"] = signer.sign(signed_bytes(found)).hex()
    return found


def signed_bytes(found: dict[str, object]) -> bytes:
    """What a report's signature is over."""
    unsigned = {name: value for name, value in found.items() if name != "signature"}
    return json.dumps(unsigned, sort_keys=True, separators=(",", ":")).encode()


def _version() -> str:
    try:
        return version("clearing-ledger")
    except PackageNotFoundError:  # run from its sources
        return "unreleased"


def _text(path: object) -> str | None:
    return None if path is None else str(path)
