"""What one seed decides beforehand: the shape of the house, and which faults come how often.

Each seed switches most faults on and some off, and draws their rates anew: a storm of everything at
once hides what two of them do together.
"""

from collections.abc import Collection, Mapping
from random import Random
from typing import NamedTuple

FAULTS: Mapping[str, str] = {
    "duplicates": "producers send messages again, also spelled differently",
    "poison": "messages that must be refused: garbage, wrong keys, topics, ids with other content",
    "curse": "the core breaks an invariant on an event, which two people must park",
    "reorder": "fetches bring any partitions, in any order and number",
    "delay": "a partition brings nothing for a while",
    "stale-end": "the end of a topic, or its id, is told as it was before",
    "lost-fetch": "requests to the broker fail",
    "offsets-reset": "the broker forgets or invents the offsets of the group",
    "recreate": "a topic is deleted and made again; its producers send everything again",
    "crash": "a member dies at any call, before or after it, and its memory with it",
    "lost-answer": "the connection breaks after the commit, or after the letter was kept",
    "disconnect": "the connection to the database breaks during any call",
    "serialization": "the database refuses a transaction for another one",
    "disk-full": "the database writes nothing for a while",
    "rivals": "more members than should be are told to write the same partitions",
    "zombie": "a member stops for a while at any call, and goes on",
    "stop": "a member is told to stop, and started again",
    "clock": "clocks of producers and members jump",
}
"""Names and meanings."""

_DISORDERLY = {"curse", "stale-end", "clock", "zombie", "rivals", "recreate"}
"""Faults that may make the merge by time go on without a topic, or begin in its middle."""

_RATES: Mapping[str, tuple[float, float]] = {
    "duplicates": (0.01, 0.3),  # of messages
    "poison": (0.01, 0.3),  # of messages
    "curse": (0.0005, 0.01),  # of messages
    "reorder": (0.2, 1),  # of fetches
    "delay": (0.005, 0.1),  # of fetches
    "stale-end": (0.005, 0.1),  # of fetches
    "lost-fetch": (0.001, 0.02),  # of calls to the broker
    "offsets-reset": (0.01, 0.2),  # of moments, as the other things that befall the house
    "recreate": (0.002, 0.02),
    "crash": (0.0003, 0.005),  # of turns
    "lost-answer": (0.005, 0.1),  # of commits and sends
    "disconnect": (0.0005, 0.01),  # of calls to the database
    "serialization": (0.005, 0.1),  # of commits
    "disk-full": (0.005, 0.05),
    "rivals": (0.01, 0.1),
    "zombie": (0.0003, 0.005),  # of turns
    "stop": (0.005, 0.05),
    "clock": (0.01, 0.1),
}


class Plan(NamedTuple):
    """One seed's house and faults.

    Attributes:
        rates: Of the faults that are on, between 0 and 1.
        partitions: Of each source topic.
        pools: Their names.
        group: Members share partitions out through a consumer group; else one has them all.
        members: How many share them.
        batch_events_max, batch_age_max_ms, merge_wait_ms, buffer_messages_max: Of the loop.
        snapshot_events: Events after which a state is kept.
        burst_max: Most messages that producers send at once.
        gap_max_us: Longest time between two bursts.
        messages_max: Most that they send in all, before they send again.
        orderly: All messages are there from the beginning, and the merge waits long enough: the
            order of the books is then known, whatever befalls the members.
        oversized: One message is larger than a message may be.
        silent: The broker answers a fetch past the end with silence, not with an error.
    """

    seed: int
    rates: Mapping[str, float]
    partitions: int
    pools: tuple[str, ...]
    group: bool
    members: int
    batch_events_max: int
    batch_age_max_ms: int
    merge_wait_ms: int
    buffer_messages_max: int
    snapshot_events: int
    burst_max: int
    gap_max_us: int
    messages_max: int
    orderly: bool
    oversized: bool
    silent: bool


def plan_of(seed: int, allowed: Collection[str]) -> Plan:
    """The plan of a seed; only the faults named may be on."""
    chance = Random(f"{seed}:plan")  # noqa: S311 - seeded on purpose
    rates = {}
    for fault, (least, most) in _RATES.items():
        on, rate = chance.random() < 0.7, least * (most / least) ** chance.random()  # noqa: PLR2004
        if on and fault in allowed:
            rates[fault] = rate
    orderly = chance.random() < 0.2  # noqa: PLR2004
    if orderly:
        rates = {fault: rate for fault, rate in rates.items() if fault not in _DISORDERLY}
    group = chance.random() < 0.6  # noqa: PLR2004
    return Plan(
        seed,
        rates,
        partitions=chance.randint(1, 3),
        pools=("main", "coin", "usdt", "old")[: chance.randint(1, 4)],
        group=group,
        members=chance.randint(1, 3) if group else 1,
        batch_events_max=chance.choice((1, 3, 10, 30, 100)),
        batch_age_max_ms=chance.choice((0, 5, 20, 200)),
        merge_wait_ms=60_000 if orderly else chance.choice((0, 20, 500)),
        buffer_messages_max=chance.choice((3, 20, 1000)),
        snapshot_events=chance.choice((5, 20, 100, 1000)),
        burst_max=chance.choice((3, 10, 40)),
        gap_max_us=chance.choice((20_000, 200_000, 1_000_000)),
        messages_max=chance.choice((100, 300, 600)),
        orderly=orderly,
        oversized=chance.random() < 0.05,  # noqa: PLR2004
        silent=chance.random() < 0.5,  # noqa: PLR2004
    )
