"""A stored message decided once more, as the writer decided it: the same row, or a difference.

Everything that one shard's own history settles is asked again: decoding, identity, and the rules of
the stored version. So is where a message was filed, as far as a shard knows it. The order that the
shards had among each other is not kept, so for two reasons the stored code is believed and only its
words are made again: `unknown_pool` (was the pool declared yet?) and `pool_limit`. `wrong_topic` is
believed where the name of the topic does not end with the role that the kind belongs to. What two
people parked (`quarantined`) is believed with its words: the rules broke on it, and would again.
"""

from collections.abc import Callable, Mapping, Sequence

from ledger.arrivals import (
    FILE_CLUSTER,
    UNROUTED,
    Arrival,
    pool_limit,
    trade_archived,
    unknown_pool,
    wrong_key,
    wrong_partition,
    wrong_topic,
)
from ledger.batch import RAW_KEPT_MAX, Draft
from ledger.codec.decoding import Decoded, Undecodable, decode
from ledger.core.events import Event, TradeBust
from ledger.core.machine import decide
from ledger.core.outcome import Outcome, Rejection
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.ports import Identity, Log, Message, Shard, StoredEvent
from ledger.recovery import busted

Submitted = tuple[StoredEvent, Arrival]
"""A row of the log, and the message that it keeps."""


def arrival_of(stored: StoredEvent, delivered: Message | None = None) -> Arrival:
    """The message of a row, as it was delivered, with what it says.

    Args:
        stored: The row.
        delivered: The message, where it is at hand in full; else what the row kept of it.
    """
    if delivered is not None:
        kept = delivered._replace(value=delivered.value[:RAW_KEPT_MAX])
        return Arrival(kept, decode(delivered.value), stored.redrive_of)
    came = (stored.source, stored.partition, stored.offset, stored.timestamp_ms, stored.key)
    message: Message = tuple.__new__(Message, (*came, stored.raw))  # a third of the price of a call
    return tuple.__new__(Arrival, (message, _decoded(stored), stored.redrive_of))


def look_up(
    draft: Draft,
    submitted: Sequence[Submitted],
    identities: Callable[[Sequence[str]], Mapping[str, Identity]],
) -> None:
    """Let a draft know what had taken the event ids of a batch before it. One round trip."""
    ids = _ids_named(submitted)
    if ids:
        first = draft.next_sequence
        known = identities(ids)
        draft.known.update({name: one for name, one in known.items() if one.sequence < first})


def _ids_named(submitted: Sequence[Submitted]) -> list[str]:
    found = []
    for _, arrival in submitted:
        if isinstance(arrival.decoded, Decoded):
            event = arrival.decoded.event
            found.append(event.event_id)
            if isinstance(event.fact, TradeBust):
                found.append(event.fact.trade_event_id)
    return found


class Deciding:
    """Decides the messages of one shard again.

    Args:
        log: The books that are being rebuilt, for the trades that busts name.
        shards: The shards of the books replayed, by name: on which partition a pool lives.
    """

    def __init__(self, log: Log, shards: Mapping[str, Shard]) -> None:
        """Decide against the books that are being rebuilt."""
        self._log = log
        self._shards = shards

    def submit(self, draft: Draft, stored: StoredEvent, arrival: Arrival, rules: int) -> str | None:
        """Add the row that the message leads to, or say why it leads to none here."""
        decoded, shard = arrival.decoded, draft.shard.name
        rejection: Rejection | None = None
        if shard.startswith(UNROUTED):
            rejection = self._unrouted(arrival, stored, rules)
            if rejection is None:
                return f"a message that pool {arrival.pool} takes, not {shard}"
        elif isinstance(decoded, Decoded) and decoded.event.pool != shard:
            return f"a message of pool {decoded.event.pool}, not of {shard}"
        elif stored.rejection == Code.WRONG_TOPIC.value:
            topic = stored.source.topic
            rejection = wrong_topic(arrival, {topic: topic.rpartition(".")[2]})
        elif stored.rejection == Code.QUARANTINED.value:
            rejection = Rejection(stored.rejection, stored.detail or "")
        if isinstance(decoded, Undecodable):
            draft.refuse(
                arrival.message,
                decoded.kind,
                decoded.event_id,
                None,
                decoded.content_hash,
                decoded.rejection,
                arrival.redrive_of,
            )
            return None
        event = decoded.event
        if rejection is None:
            taken = draft.identity(event.event_id)
            if taken is not None and taken.content_hash == decoded.content_hash:
                return f"a duplicate of event {taken.sequence}, which leaves no row"
            if taken is None:
                original = self._original(draft, event, stored)
                if isinstance(original, Rejection):
                    outcome: Outcome | Rejection = original
                else:
                    outcome = decide(draft.state, event, original, draft.next_sequence, rules)
                if not isinstance(outcome, Rejection):
                    draft.accept(
                        arrival.message, event, decoded.content_hash, outcome, arrival.redrive_of
                    )
                    return None
                rejection = outcome
            else:
                rejection = Rejection(
                    Code.EVENT_ID_CONFLICT.value,
                    f"event_id {event.event_id} was taken by event {taken.sequence} "
                    "with other content",
                )
        draft.refuse(
            arrival.message,
            event.kind,
            event.event_id,
            event.occurred_at,
            decoded.content_hash,
            rejection,
            arrival.redrive_of,
        )
        return None

    def _unrouted(self, arrival: Arrival, stored: StoredEvent, rules: int) -> Rejection | None:
        """Why no pool took the message; None when one would have."""
        decoded, pool = arrival.decoded, arrival.pool
        if isinstance(decoded, Undecodable):
            return decoded.rejection
        assert pool is not None
        refusal = wrong_key(arrival, pool)
        if refusal is not None:
            return refusal
        if stored.rejection == Code.UNKNOWN_POOL.value and not arrival.declares_pool:
            return unknown_pool(pool)
        if stored.rejection == Code.POOL_LIMIT.value and arrival.declares_pool:
            return pool_limit()
        if pool in self._shards:
            refusal = wrong_partition(arrival, self._shards[pool])
        if refusal is None and arrival.declares_pool:
            trial = decide(State(pool), decoded.event, rules=rules)
            refusal = trial if isinstance(trial, Rejection) else None
        return refusal

    def _original(
        self, draft: Draft, event: Event, stored: StoredEvent
    ) -> Event | Rejection | None:
        """What a bust names. That it was detached by then is believed: no message says so."""
        if isinstance(event.fact, TradeBust) and stored.rejection == Code.TRADE_ARCHIVED.value:
            name = event.fact.trade_event_id
            taken = draft.identity(name)
            return None if taken is None else trade_archived(name, taken.sequence)
        return busted(self._log, draft.shard, event, draft)


def moves_offset(stored: StoredEvent) -> bool:
    """It came from a topic, and was not driven again by hand."""
    return stored.source.cluster != FILE_CLUSTER and stored.redrive_of is None


def _decoded(stored: StoredEvent) -> Decoded | Undecodable:
    """What the bytes say; of a message over the limit only its beginning was kept."""
    if stored.rejection == Code.MESSAGE_TOO_LARGE.value and len(stored.raw) == RAW_KEPT_MAX:
        rejection = Rejection(stored.rejection, stored.detail or "")
        return Undecodable(rejection, False, None, None, None, stored.content_hash)  # noqa: FBT003
    return decode(stored.raw)
