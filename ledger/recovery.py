"""Rebuild a pool's state from its log: the newest snapshot, and the events after it.

Every event after the snapshot goes through the rules once more, and the result is held against the
head that the log stored (accounts opened, pool time). A difference is a broken promise and stops.
Cost: reading and deciding the events after the snapshot; nothing for those before it.
"""

from typing import Protocol

from ledger.arrivals import trade_archived
from ledger.codec.decoding import Decoded, decode
from ledger.codec.states import UnknownFormat, decode_state
from ledger.core.events import Event, TradeBust
from ledger.core.machine import RULES_VERSION, decide
from ledger.core.outcome import Rejection
from ledger.core.state import State
from ledger.errors import FenceLost
from ledger.ports import Identity, Log, Shard, StoredEvent


def restore(log: Log, shard: Shard) -> tuple[State, int]:
    """The state of a shard at its head.

    Returns:
        The state, and the sequence of the snapshot that it was built on (0: from the first event).

    Raises:
        FenceLost: Another writer took the shard over meanwhile, and went on.
    """
    state, kept = _from_snapshot(log, shard)
    if kept >= shard.next_sequence:
        raise FenceLost(
            f"{shard.name}: expected next sequence {shard.next_sequence}, found the state after"
            f" {kept}: another writer took it over while it was being loaded"
        )
    for stored in log.events(shard.shard, kept + 1, shard.next_sequence - 1):
        if stored.rejection is None:
            apply_again(log, shard, state, stored)
    opened = len(state.journal.keys)
    assert opened == shard.next_account, (
        f"pool {shard.name}: replay opened accounts up to {opened - 1}, "
        f"the log up to {shard.next_account - 1}"
    )
    assert state.pool_time == shard.pool_time, (
        f"pool {shard.name}: replay ends at pool time {state.pool_time}, "
        f"the log at {shard.pool_time}"
    )
    return state, kept


def apply_again(log: Log, shard: Shard, state: State, stored: StoredEvent) -> None:
    """Decide an accepted event once more, on the state before it, by the rules of its time."""
    event = event_of(stored)
    original = original_of(log, shard, event)
    outcome = decide(state, event, original, stored.sequence, stored.rules)
    assert not isinstance(outcome, Rejection), (
        f"pool {shard.name}: event {stored.sequence} was accepted and is refused now: {outcome}"
    )


def event_of(stored: StoredEvent) -> Event:
    """The event that an accepted row holds, with its sequence."""
    decoded = decode(stored.raw)
    assert isinstance(decoded, Decoded), (
        f"event {stored.sequence} was accepted and cannot be decoded now: {decoded}"
    )
    return decoded.event._replace(sequence=stored.sequence)


class Pending(Protocol):
    """A batch that is not in the log yet; `ledger.batch.Draft` is one."""

    def identity(self, event_id: str) -> Identity | None: ...

    def accepted_event(self, event_id: str) -> Event | None: ...


def busted(log: Log, shard: Shard, event: Event, pending: Pending) -> Event | Rejection | None:
    """The accepted event that a trade bust names, in the batch at hand or before it.

    Returns:
        None for any other event, or when unknown; `trade_archived` where retention detached it.
    """
    if not isinstance(event.fact, TradeBust):
        return None
    name = event.fact.trade_event_id
    taken, within = pending.identity(name), pending.accepted_event(name)
    if taken is None or within is not None:
        return within
    stored = log.event(shard.shard, taken.sequence)
    return trade_archived(name, taken.sequence) if stored is None else event_of(stored)


def original_of(log: Log, shard: Shard, event: Event) -> Event | None:
    """The accepted event that a trade bust names; None for any other event, or when unknown."""
    if not isinstance(event.fact, TradeBust):
        return None
    name = event.fact.trade_event_id
    identity = log.identities(shard.shard, [name]).get(name)
    stored = None if identity is None else log.event(shard.shard, identity.sequence)
    return None if stored is None else event_of(stored)


def _from_snapshot(log: Log, shard: Shard) -> tuple[State, int]:
    snapshot = log.latest_snapshot(shard.shard)
    if snapshot is None or snapshot.rules > RULES_VERSION:
        return State(shard.name), 0
    try:
        return decode_state(snapshot.body), snapshot.sequence
    except UnknownFormat:
        return State(shard.name), 0
