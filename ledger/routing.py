"""Which shard a message belongs to, and why it may not go to the one that it names.

A message goes to its pool's shard once the pool is declared; the event that declares a pool makes
its shard. What has no pool goes to `@unrouted/N`, N its partition.
"""

from collections.abc import Mapping
from contextlib import suppress

from ledger.arrivals import (
    POOLS_MAX,
    UNROUTED,
    Arrival,
    pool_limit,
    unknown_pool,
    wrong_key,
    wrong_partition,
    wrong_topic,
)
from ledger.codec.decoding import Decoded, Undecodable
from ledger.core.machine import decide
from ledger.core.outcome import Rejection
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.halts import BROKEN
from ledger.owned import OwnedShards
from ledger.ports import Shard


class Routing:
    """Routes to the shards that a writer owns."""

    def __init__(self, owned: OwnedShards, roles: Mapping[str, str]) -> None:
        """Begin.

        Args:
            owned: The shards; those that messages name are taken as they come.
            roles: Role of each Kafka topic; topics not named here are not checked.
        """
        self._owned = owned
        self._roles = roles

    def of(self, arrival: Arrival) -> tuple[Shard, Rejection | None]:
        """The shard that a message belongs to, owned by now, and why it is refused there, or None.

        Raises:
            FenceLost, ShardBusy, StoreError: As taking a shard raises.
        """
        message, decoded = arrival.message, arrival.decoded
        unroutable = self._unroutable(arrival)
        if unroutable is None:
            assert arrival.pool is not None
            shard = self._owned.shards.get(arrival.pool) or self._owned.shard(arrival.pool, None)
            return shard, wrong_topic(arrival, self._roles)
        if isinstance(decoded, Undecodable):
            unroutable = decoded.rejection
        partition = message.partition
        return self._owned.shard(f"{UNROUTED}{partition}", partition), unroutable

    def _unroutable(self, arrival: Arrival) -> Rejection | None:
        """Why the message cannot go to its pool's shard, or None."""
        pool = arrival.pool
        if pool is None:
            return Rejection(Code.MALFORMED_JSON.value, "the message names no pool")
        refusal = wrong_key(arrival, pool)
        if refusal is not None:
            return refusal
        declared = self._declared(arrival, pool)
        if isinstance(declared, Rejection):
            return declared
        return wrong_partition(arrival, declared)

    def _declared(self, arrival: Arrival, pool: str) -> Shard | Rejection:
        """The shard of a pool that has its terms, or is given them by this very event."""
        shard = self._owned.shards.get(pool)
        if shard is not None and (
            pool in self._owned.halts or self._owned.states[pool].pool is not None
        ):
            return shard
        if pool.startswith(UNROUTED):  # no id of a pool, yet the name of a shard
            return unknown_pool(pool)
        known = self._owned.directory()
        if pool not in known:
            if not arrival.declares_pool:
                return unknown_pool(pool)
            if sum(not name.startswith(UNROUTED) for name in known) >= POOLS_MAX:
                return pool_limit()
            assert isinstance(arrival.decoded, Decoded)
            with suppress(*BROKEN):  # then the pool is made, and halts at its first event
                trial = decide(State(pool), arrival.decoded.event, rules=self._owned.rules)
                if isinstance(trial, Rejection):  # refused terms make no shard
                    return trial
            return self._owned.shard(
                pool, arrival.message.partition if arrival.from_kafka else None
            )
        if wrong_partition(arrival, known[pool]) is not None:
            return known[pool]
        owned = self._owned.shard(pool, None)
        if pool in self._owned.halts:
            return owned
        if self._owned.states[pool].pool is None and not arrival.declares_pool:
            return unknown_pool(pool)
        return owned
