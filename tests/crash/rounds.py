"""The kinds of rounds: what is broken, how, and what the programs must do then.

Each takes a stage with a history in its topics and empty books, breaks something while a program
moves the one into the other, and comes back when all is applied. The stage then asks what must hold
after every round. The line that a round returns tells what was really hit.
"""

import random
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.crash.books import Wrong
from tests.crash.members import PARTITIONS, POOLS, group, snapshot
from tests.crash.proxy import Proxy
from tests.crash.servers import Apache
from tests.crash.stage import Stage, Victim
from tests.crash.steps import ONCE, Plan, Point, places

_KILLED = -signal.SIGKILL
_PACE_MS = 15

_SILENCE_S = 40.0
"""The broker's `request_timeout_ms`, and a good part more."""

BEFORE_OWNING = ("lock", "acquire", "declare")
"""Who stops here takes a shard for the first time when it wakes: from its heir, and by right."""


def kill(stage: Stage) -> str:
    """`kill -9` before, within or after a statement; up to three lives, then one in peace."""
    hits = []
    for _ in range(stage.chance.choice((1, 1, 2, 3))):
        victim = stage.start(Plan((_point(stage, "kill"),)))
        if victim.expect(_KILLED, 0) == _KILLED:
            hits += victim.reached
    stage.start().expect(0)
    return f"killed {', '.join(hits)}" if hits else "not reached"


def postgres(stage: Stage) -> str:
    """PostgreSQL is stopped at once under load, and comes back; the same program goes on."""
    victim = stage.start(_telling(stage, stage.chance.choice((1, 2))))
    hits = []
    while (place := victim.next_place()) is not None:
        time.sleep(stage.chance.choice((0, 0, 0.001, 0.003)))
        stage.postgres.stop_immediately()
        time.sleep(stage.chance.choice((0, 0.3, 1.0)))
        stage.postgres.start_again()
        hits.append(place)
    victim.expect(0)
    return f"stopped PostgreSQL at {', '.join(hits)}" if hits else "not reached"


def broker(stage: Stage) -> str:
    """The broker is killed under load and started on the same files; the same program goes on."""
    assert isinstance(stage.broker, Apache)
    victim = stage.start(_telling(stage, 1))
    place = victim.next_place()
    if place is None:
        victim.expect(0)
        return "not reached"
    stage.broker.kill()
    time.sleep(stage.chance.choice((0, 1.0, 3.0)))
    stage.broker.start_again()
    victim.expect(0)
    return f"killed the broker at {place}"


def freeze(stage: Stage) -> str:
    """A writer is stopped, another takes over, the first wakes: it must be refused."""
    point = _point(stage, "stop")
    zombie = stage.start(Plan((point,)))
    if zombie.next_place() is None:
        zombie.expect(0)
        return "not reached"
    began = time.monotonic()
    heir = stage.start(Plan((Point("commit", "after", 1, "tell"),), pace_ms=_PACE_MS))
    committed = heir.next_place()
    waited = time.monotonic() - began
    if committed is None or stage.chance.random() < 0.5:
        heir.expect(0)
    zombie.signal(signal.SIGCONT)
    told = _refused(zombie, "found nothing left to write")
    if _refused(heir, "") == "was refused":
        if point.step not in BEFORE_OWNING:
            raise Wrong(f"the heir was refused: {heir.words()}")
        told += ", its heir was refused"
        stage.start().expect(0)
    return f"stopped {point}, taken over in {waited:.1f} s, it woke and {told}"


def _refused(writer: Victim, otherwise: str) -> str:
    """Wait for its end, and tell whether it came by the fence.

    Raises:
        Wrong: It came by anything else.
    """
    if writer.expect(0, 1) == 0:
        return otherwise
    if "another writer" not in writer.words():
        raise Wrong(f"not refused, but failed: {writer.words()}")
    return "was refused"


def cut(stage: Stage) -> str:
    """Connections are closed under load, also just behind a COMMIT; the same program goes on."""
    with Proxy(stage.postgres.socket) as network:
        kafka = stage.broker.network if isinstance(stage.broker, Apache) else None
        victim = stage.start(
            _telling(stage, stage.chance.choice((1, 2, 3))),
            url=stage.tcp_url(network.port),
            kafka=stage.broker.proxied,
        )
        hits = []
        while (place := victim.next_place()) is not None:
            hits.append(f"{_sever(stage.chance, network, kafka)} at {place}")
        victim.expect(0)
    return f"cut {', '.join(hits)}" if hits else "not reached"


def stall(stage: Stage) -> str:
    """The network stands still for a while, then goes on or is cut; the same program goes on."""
    with_broker = isinstance(stage.broker, Apache) and stage.chance.random() < 0.5
    return _stalled(stage, stage.chance.choice((0.5, 1.5, 5.0)), with_broker=with_broker)


def silence(stage: Stage) -> str:
    """The broker says nothing for longer than any request may take; the same program goes on."""
    return _stalled(stage, _SILENCE_S, with_broker=True)


def _stalled(stage: Stage, pause: float, *, with_broker: bool) -> str:
    with Proxy(stage.postgres.socket) as network:
        victim = stage.start(
            _telling(stage, 1)._replace(constants={"ledger.store.log.postgres:ANSWER_S": 2}),
            url=stage.tcp_url(network.port),
            kafka=stage.broker.proxied,
        )
        place = victim.next_place()
        if place is None:
            victim.expect(0)
            return "not reached"
        stalled = stage.broker.network if with_broker else network  # type: ignore[union-attr]
        stalled.stall()
        time.sleep(pause)
        if stage.chance.random() < 0.5:
            stalled.cut()
        stalled.flow()
        victim.expect(0)
    return f"stalled {'broker' if with_broker else 'database'} for {pause} s at {place}"


def _sever(chance: random.Random, network: Proxy, kafka: Proxy | None) -> str:
    """Cut something now, or what follows next; returns what."""
    what = chance.choice(("database", "answer", "answer", "both", "broker", "refusing"))
    if what == "answer":
        network.swallow(b"COMMIT")
    elif what == "refusing":
        network.refuse(refusing=True)
        network.cut()
        time.sleep(chance.choice((0.1, 0.7)))
        network.refuse(refusing=False)
    else:
        time.sleep(chance.choice((0, 0.001, 0.004)))
        if what != "broker" or kafka is None:
            network.cut()
        if what != "database" and kafka is not None:
            kafka.cut()
    return what


def _telling(stage: Stage, hits: int) -> Plan:
    """A plan to tell when so many places are reached, at a pace that leaves time."""
    points = {_point(stage, "tell") for _ in range(hits)}
    return Plan(tuple(sorted(points)), pace_ms=_PACE_MS)


def _point(stage: Stage, act: str) -> Point:
    """Any place, and of those that come with every batch one of the batches that there will be."""
    step, when = stage.chance.choice(places())
    batches = max(1, len(stage.messages) // stage.batch)
    nth = 1 if step in ONCE else stage.chance.randint(1, min(batches, 12))
    return Point(step, when, nth, act)  # type: ignore[arg-type] # one of the three


class Kind(NamedTuple):
    """A kind of round.

    Attributes:
        break_things: What it does.
        share: How often it comes: more often where a second is enough; 0: only when asked for.
        is_apache_only: The embedded broker forgets all when it stops, and is slow with groups.
        pools, partitions: Of its history.
    """

    break_things: Callable[[Stage], str]
    share: int
    is_apache_only: bool = False
    pools: tuple[str, ...] = ("main",)
    partitions: int = 1


KINDS = {
    "kill": Kind(kill, 5),
    "postgres": Kind(postgres, 2),
    "broker": Kind(broker, 1, is_apache_only=True),
    "freeze": Kind(freeze, 3),
    "cut": Kind(cut, 3),
    "stall": Kind(stall, 1),
    "silence": Kind(silence, 0, is_apache_only=True),
    "group": Kind(group, 1, is_apache_only=True, pools=POOLS, partitions=PARTITIONS),
    "snapshot": Kind(snapshot, 0, is_apache_only=True, pools=POOLS, partitions=PARTITIONS),
}
