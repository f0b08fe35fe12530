"""A fault put into the core: some events break one of its invariants, after changing the state.

No event is known to do that. What must happen then is known: the pool halts at the message, the
others go on, and two people park it (`ledger.quarantine`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ledger import quarantine, writer
from ledger.core.events import Event
from ledger.core.machine import RULES_VERSION
from ledger.core.machine import decide as sound
from ledger.core.outcome import Outcome, Rejection
from ledger.core.state import State

CURSE = "curse"
"""What the ids of cursed events begin with."""


@contextmanager
def cursed_core() -> Iterator[None]:
    """Within the block the writer and the operator meet a core that breaks on cursed events."""
    modules = (writer, quarantine)
    for module in modules:
        vars(module)["decide"] = _decide
    try:
        yield
    finally:
        for module in modules:
            vars(module)["decide"] = sound


def _decide(
    state: State,
    event: Event,
    original: Event | None = None,
    sequence: int = 0,
    rules: int = RULES_VERSION,
) -> Outcome | Rejection:
    outcome = sound(state, event, original, sequence, rules)
    assert not event.event_id.startswith(CURSE), f"event {event.event_id} is cursed"
    return outcome
