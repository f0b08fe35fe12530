"""Park the message that a pool halts at: two people decide what the rules cannot.

Rules of this file:

* Only the message at which the pool stands still is parked: the next of its source, on which the
  rules break, here and now. What they can decide, they decide.
* Parking writes one row at the pool's next sequence: the message's bytes, the code `quarantined`,
  and who did it and why. Its offset moves with it, in the same transaction, under the pool's fence.
* The row is a refusal like any other: it can be driven again, and leaves its event id free. Until
  it is driven again, the same content is passed over as a duplicate wherever it comes from.
"""

import re
from typing import NamedTuple

from ledger.arrivals import Arrival, wrong_key, wrong_partition
from ledger.batch import Draft, Refused
from ledger.codec.decoding import Decoded, decode
from ledger.codec.fields import ID_PATTERN, TEXT_LENGTH_MAX
from ledger.core.machine import RULES_VERSION, decide
from ledger.core.outcome import Rejection
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.errors import ConfigurationError
from ledger.halts import BROKEN, Halt, halt_at, in_words
from ledger.ports import Log, Message, Shard, Source
from ledger.recovery import original_of, restore


class Order(NamedTuple):
    """Who parks a message, and why.

    Attributes:
        made_by, checked_by: Two different people, as ids.
        reason: One printable line.
    """

    made_by: str
    checked_by: str
    reason: str

    def require_sound(self) -> None:
        """Hold it to the rules of an adjustment.

        Raises:
            ConfigurationError: A name is no id, both are one, or the reason is none.
        """
        for name in (self.made_by, self.checked_by):
            if re.fullmatch(ID_PATTERN, name) is None:
                raise ConfigurationError(
                    f"{name!r} is no id of a person: 1 to 64 of [A-Za-z0-9._:-]"
                )
        if self.made_by.casefold() == self.checked_by.casefold():
            raise ConfigurationError(
                f"maker and checker are both {self.made_by}: two different people decide this"
            )
        if not (self.reason.isprintable() and 0 < len(self.reason) <= TEXT_LENGTH_MAX):
            raise ConfigurationError(
                f"a reason is 1 to {TEXT_LENGTH_MAX} printable characters on one line,"
                f" found {self.reason[:80]!r}"
            )

    def detail(self, broken: Exception) -> str:
        """What the row says of the refusal."""
        who = f"made by {self.made_by}, checked by {self.checked_by}"
        return f"{who}: {self.reason} [{in_words(broken)}]"


def expected_offset(log: Log, pool: str, source: Source, partition: int) -> int:
    """The offset at which a pool stands in a source.

    Raises:
        ConfigurationError: There is no such pool, or it knows nothing of this source.
    """
    shard = shard_of(log, pool)
    for offset in log.offsets():
        if (offset.shard, offset.source, offset.partition) == (shard.shard, source, partition):
            return offset.next_offset
    raise ConfigurationError(
        f"pool {pool} has read nothing of {source.topic}, partition {partition} (topic id"
        f" {source.topic_id}): run `clearing run` until it says where the pool is halted"
    )


def shard_of(log: Log, pool: str) -> Shard:
    """The shard of a pool.

    Raises:
        ConfigurationError: There is none.
    """
    for shard in log.shards():
        if shard.name == pool:
            return shard
    raise ConfigurationError(f"there is no pool {pool} in these books")


def examine(log: Log, shard: Shard, message: Message) -> Halt:
    """The halt that a pool comes to at a message; nothing is written.

    Raises:
        ConfigurationError: It does not halt there, so there is nothing to park.
        PoolHalted: Its own log cannot be decided again, which no parking can mend.
    """
    arrival, broken = _broken_on(log, shard, message)
    return halt_at(shard.name, shard.next_sequence, arrival, broken)


def quarantine(
    log: Log, pool: str, message: Message, order: Order, *, take_over: bool = False
) -> Refused:
    """Park a message; what comes after it in the pool is decided as if it had been refused.

    Args:
        log: The books.
        pool: Which halts at the message.
        message: As it was delivered: bytes, place, key.
        order: Who decided, and why.
        take_over: Take the pool even from a live writer, which then stops by itself.

    Raises:
        ConfigurationError: The order is not sound, or the pool does not halt there.
        ShardBusy: A live writer holds the pool.
        FenceLost: Another writer took it meanwhile; nothing was written.
    """
    order.require_sound()
    shard = log.acquire(shard_of(log, pool).shard, take_over=take_over)
    try:
        arrival, broken = _broken_on(log, shard, message)
        draft = Draft(shard, State(pool), RULES_VERSION)
        rejection = Rejection(Code.QUARANTINED.value, order.detail(broken))
        refused = draft.refuse_arrival(arrival, rejection)
        if arrival.from_kafka:
            draft.settle_on(message.partition)
            draft.offsets[message.source, message.partition] = message.offset + 1
        log.append([draft.finished()])
    finally:
        log.release(shard.shard)
    return refused


def _broken_on(log: Log, shard: Shard, message: Message) -> tuple[Arrival, Exception]:
    arrival = Arrival(message, decode(message.value))
    decoded = arrival.decoded
    if not isinstance(decoded, Decoded):
        raise _nothing_to_park(shard, f"the message is refused as {decoded.rejection.code}")
    event = decoded.event
    if event.pool != shard.name:
        raise _nothing_to_park(shard, f"the message is of pool {event.pool}")
    misplaced = wrong_key(arrival, shard.name) or wrong_partition(arrival, shard)
    if misplaced is not None:
        raise _nothing_to_park(shard, f"the message is refused as {misplaced.code}")
    if arrival.from_kafka:
        expected = expected_offset(log, shard.name, message.source, message.partition)
        if message.offset != expected:
            raise _nothing_to_park(
                shard,
                f"it expects offset {expected} of {message.source.topic}, partition"
                f" {message.partition} next, not {message.offset}",
            )
    if event.event_id in log.identities(shard.shard, [event.event_id]):
        raise _nothing_to_park(shard, f"event id {event.event_id} is taken")
    if decoded.content_hash in log.quarantined(shard.shard):
        raise _nothing_to_park(shard, "the same content is quarantined already")
    try:
        state, _ = restore(log, shard)
    except BROKEN as broken:
        raise halt_at(shard.name, shard.next_sequence, None, broken).fault() from broken
    try:
        outcome = decide(state, event, original_of(log, shard, event), shard.next_sequence)
    except BROKEN as broken:
        return arrival, broken
    decision = f"refuse it ({outcome.code})" if isinstance(outcome, Rejection) else "accept it"
    raise _nothing_to_park(shard, f"the rules can {decision}; start the writer again")


def _nothing_to_park(shard: Shard, why: str) -> ConfigurationError:
    return ConfigurationError(f"pool {shard.name} is not halted at this message: {why}")
