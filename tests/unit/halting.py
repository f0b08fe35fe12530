"""A rule that breaks an invariant on one amount, and what two pools are told in three topics."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from ledger.core import events
from ledger.core.outcome import Rejection
from ledger.core.rules import custody
from ledger.core.state import State
from ledger.core.units import Fixed
from ledger.ports import Message, Source
from ledger.quarantine import Order
from tests.unit.desk import REFERENCE, TRADES, TRANSFERS, said

UNLUCKY = "13"
BROKEN = "13 is more than the sum of its parts"
ORDER = Order("maria", "noor", "incident 7: deposits of 13")


@contextmanager
def unlucky_rules() -> Iterator[None]:
    """Inside the block a deposit of 13 is posted, and then an invariant is found broken."""
    whole = custody.deposit

    def broken(state: State, fact: events.Deposit) -> Rejection | None:
        refusal = whole(state, fact)
        assert fact.amount != Fixed(int(UNLUCKY), 0), BROKEN
        return refusal

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(custody, "deposit", broken)
        yield


def delivered(pool: str, source: Source, offset: int, value: bytes) -> Message:
    """A message of a pool on partition 0."""
    return Message(source, 0, offset, 0, pool.encode(), value)


def history() -> list[Message]:
    """Two pools; the seventh message to `main` is unlucky, and a topic begins after it."""
    ends: dict[Source, int] = {}
    told = [
        ("main", REFERENCE, said("pool", "r1")),
        ("other", REFERENCE, _of("other", said("pool", "r1"))),
        ("main", REFERENCE, said("instrument", "r2")),
        ("main", REFERENCE, said("account", "r3", account="anna")),
        ("other", REFERENCE, _of("other", said("account", "r3", account="anna"))),
        ("main", REFERENCE, said("account", "r4", account="ben")),
        ("main", TRANSFERS, said("deposit", "d1", amount="7")),
        ("other", TRANSFERS, _of("other", said("deposit", "d1", amount="9"))),
        ("main", TRANSFERS, said("deposit", "d2", amount="20000")),
        ("main", TRANSFERS, said("deposit", "d3", amount=UNLUCKY)),
        ("other", TRANSFERS, _of("other", said("deposit", "d2", amount="10"))),
        ("main", TRANSFERS, b'{"pool": "main"}'),
        ("main", TRADES, said("trade", "t1")),
        ("main", REFERENCE, said("account", "r5", account="cleo")),
        ("other", TRANSFERS, _of("other", said("deposit", "d3", amount="11"))),
        ("main", TRANSFERS, said("deposit", "d4", amount="5")),
        ("main", TRADES, said("trade", "t2")),
    ]
    found = []
    for pool, source, value in told:
        offset = ends.get(source, 0)
        ends[source] = offset + 1
        found.append(delivered(pool, source, offset, value))
    return found


UNLUCKY_AT = 9
"""Index of the message at which `main` halts."""


def unread(messages: list[Message], stored: Mapping[tuple[Source, int], int]) -> list[Message]:
    """What a consumer reads that begins where the books stopped."""
    return [one for one in messages if one.offset >= stored.get((one.source, one.partition), 0)]


def _of(pool: str, value: bytes) -> bytes:
    return json.dumps({**json.loads(value), "pool": pool}).encode()
