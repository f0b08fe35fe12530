"""The checker reads a signed verdict: whose it is, what it says, which heads it is about."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.audit.proofs.signing import Signer
from tests.unit.audit.sum_trees import checker

MODULE = checker()
AUDITOR = Signer(b"\x05" * 32)
Json = dict[str, Any]


def verdict(signer: Signer = AUDITOR) -> Json:
    """A report as `clearing verify --sign-with` writes it."""
    told = {
        "format": 1,
        "verdict": "good",
        "mode": "all",
        "anchors": {"file": "anchors.jsonl", "checkpoints": 2, "sha256": "ab" * 32},
        "pools": [{"pool": "main", "head": 11, "chain": "cd" * 32, "passes": [{"seconds": 0.1}]}],
        "findings": [],
        "signed_by": signer.key.hex(),
    }
    message = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    return {**told, "signature": signer.sign(message).hex()}


def check(content: Json, published: list[Json]) -> str:
    again = json.loads(json.dumps(content, indent=1))
    return str(MODULE.checked(again, published, MODULE.Seen()))


def published(chain: str) -> list[Json]:
    return [{"format": 1, "pool": "main", "sequence": 11, "chain": chain}]


def test_a_signed_verdict_says_whose_it_is_and_what_it_found() -> None:
    said = check(verdict(), published("cd" * 32))
    assert said.startswith(
        f"the verdict is 'good', with 0 findings, says the key {AUDITOR.key.hex()}: mode all,"
        f" main with 11 events and chain {'cd' * 32}"
    )


def test_heads_that_were_published_otherwise_are_refused() -> None:
    with pytest.raises(MODULE.Refused, match="the published chain of main after event 11"):
        check(verdict(), published("ce" * 32))


CHANGES: dict[str, Callable[[Json], object]] = {
    "the verdict": lambda told: told.update(verdict="bad"),
    "a head": lambda told: told["pools"][0].update(head=12),
    "the mode": lambda told: told.update(mode="quick"),
    "the anchors": lambda told: told["anchors"].update(checkpoints=3),
    "a field more": lambda told: told.update(more=1),
    "a field less": lambda told: told.pop("mode"),
    "the signature": lambda told: told.update(signature="00" * 64),
    "the signer": lambda told: told.update(signed_by=Signer(b"\x06" * 32).key.hex()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_verdict_that_was_altered_is_refused(name: str) -> None:
    told = verdict()
    CHANGES[name](told)
    with pytest.raises(MODULE.Refused, match="the signature is not that of key"):
        check(told, [])


def test_a_verdict_that_nobody_signed_is_refused() -> None:
    with pytest.raises(MODULE.Refused, match="nobody signed it"):
        check({**verdict(), "signed_by": None}, [])
