"""Keeps a log of each version of the rules, to be read for ever: `python -m tests.replay.released`.

A kept log is a JSON file: the messages of a leveraged history in order, each with the version of
the rules that decided it, and what they led to: the chain over all events and outcomes, and the
hash of the state. Versions 1 and 2 are released with 0.1.0: their files are never made again, and
this program writes only those that are missing.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from ledger.codec.states import state_hash
from ledger.core.machine import RULES_VERSIONS
from tests.property import moods
from tests.property.model import Model, Refused
from tests.unit.desk import Desk, wire

LOGS = Path(__file__).parent / "logs"
SEED = 6
EVENTS = 260
BATCH = 7


def told() -> list[str]:
    """A leveraged history as messages: funding, defaults, deleveraging, settlements."""
    model = Model()
    market = moods.market(SEED, model)
    messages = []
    for number in range(EVENTS):
        beginning = market.beginning() if not number else []
        for event in beginning:
            model.apply(event, None)
            messages.append(wire(event).decode())
        event, original = market.event()
        try:
            model.apply(event, original)
        except Refused:
            pass
        else:
            market.accepted(event)
        messages.append(wire(event).decode())
    return messages


def lived(messages: list[tuple[int, str]]) -> Desk:
    """The messages taken in small batches, each by the rules of its version."""
    desk = Desk()
    batch: list[str] = []
    for number, (rules, message) in enumerate(messages):
        desk.writer.rules = rules
        batch.append(message)
        if len(batch) == BATCH or number + 1 == len(messages) or messages[number + 1][0] != rules:
            desk.take(*(text.encode() for text in batch))
            batch = []
    return desk


def ended(desk: Desk) -> dict[str, Any]:
    """What a history led to."""
    return {
        "events": desk.shard().next_sequence - 1,
        "chain": desk.shard().chain.hex(),
        "state": state_hash(desk.writer.state("main")),
    }


def main() -> None:
    """Write what is missing: a log for each version, and one that crosses from each to the next."""
    messages = told()
    half = len(messages) // 2
    logs = {f"rules-{rules}": [(rules, text) for text in messages] for rules in RULES_VERSIONS}
    for older, newer in pairwise(RULES_VERSIONS):
        versions = [older] * half + [newer] * (len(messages) - half)
        logs[f"rules-{older}-to-{newer}"] = list(zip(versions, messages, strict=True))
    for name, log in logs.items():
        if (LOGS / f"{name}.json").exists():
            continue
        kept = {**ended(lived(log)), "messages": log}
        (LOGS / f"{name}.json").write_text(json.dumps(kept, indent=0), encoding="utf-8")


if __name__ == "__main__":
    main()
