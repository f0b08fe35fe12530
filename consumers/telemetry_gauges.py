"""The gauges of a run, out of what loop and writer know; see `consumers.telemetry_metrics`."""

from collections.abc import Mapping
from typing import NamedTuple

from consumers import telemetry_metrics as shown
from consumers.lag import Lags, Place
from consumers.telemetry_look import figures
from consumers.telemetry_metrics import Gauge, Values
from ledger.core.state import State
from ledger.ports import Shard


class Sealed(NamedTuple):
    """The newest checkpoint of a pool: its event, and the pool's time there in microseconds."""

    sequence: int
    pool_time: int | None


def of_lags(lags: Lags, ages: Mapping[Place, float]) -> dict[Gauge, Values]:
    """Of topics and partitions, by number of messages and by age in seconds."""
    return {
        shown.LAG_MESSAGES: {
            (topic, str(number)): float(lag.messages)
            for (topic, number), lag in lags.items()
            if lag.messages is not None
        },
        shown.LAG_SECONDS: {(topic, str(number)): age for (topic, number), age in ages.items()},
    }


def of_heads(shards: Mapping[str, Shard], sealed: Mapping[str, Sealed]) -> dict[Gauge, Values]:
    """Of the heads of shards, and of their newest checkpoints."""
    newest = {pool: sealed.get(pool, Sealed(0, None)) for pool in shards}
    return {
        shown.SEQUENCE: {(pool,): float(one.next_sequence - 1) for pool, one in shards.items()},
        shown.EPOCH: {(pool,): float(one.epoch) for pool, one in shards.items()},
        shown.POOL_TIME: {
            (pool,): one.pool_time / 1e6 for pool, one in shards.items() if one.pool_time
        },
        shown.CHECKPOINT_SEQUENCE: {(pool,): float(one.sequence) for pool, one in newest.items()},
        shown.CHECKPOINT_TIME: {
            (pool,): one.pool_time / 1e6 for pool, one in newest.items() if one.pool_time
        },
    }


def of_pools(
    shards: Mapping[str, Shard], lags: Lags, ages: Mapping[Place, float]
) -> dict[Gauge, Values]:
    """Pools of a partition are read together: its lag is theirs."""
    messages: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for place, lag in lags.items():
        number = place[1]
        messages[number] = messages.get(number, 0) + (lag.messages or 0)
        seconds[number] = max(seconds.get(number, 0.0), ages[place])
    pools = {
        pool: one.partition
        for pool, one in shards.items()
        if one.partition is not None and one.partition in messages
    }
    return {
        shown.POOL_LAG_MESSAGES: {(p,): float(messages[n]) for p, n in pools.items()},
        shown.POOL_LAG_SECONDS: {(p,): seconds[n] for p, n in pools.items()},
    }


def of_states(states: Mapping[str, State]) -> dict[Gauge, Values]:
    """Of funds, defaults and requests."""
    found = {pool: figures(state) for pool, state in states.items()}
    known = [(pool, one) for pool, one in found.items() if one is not None]
    return {
        shown.INSURANCE: {(pool, one.asset): one.insurance for pool, one in known},
        shown.DEFICIT: {(pool, one.asset): one.deficit for pool, one in known},
        shown.DEFICITS: {(pool,): float(one.deficits) for pool, one in known},
        shown.LIQUIDATIONS: {(pool,): float(len(one.inventories)) for pool, one in known},
        shown.INVENTORY: {
            (pool, instrument): quantity
            for pool, one in known
            for instrument, quantity in one.inventories.items()
        },
        shown.MARGIN_CALLS: {(pool,): float(one.margin_calls) for pool, one in known},
        shown.WITHDRAWALS: {(pool,): float(one.withdrawals) for pool, one in known},
        shown.SUSPECTS: {(pool,): float(one.suspect_marks) for pool, one in known},
    }
