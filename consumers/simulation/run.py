"""One seed, from the first message to the verdict.

First the storm: producers send, members work, faults strike, for so many steps. Then it is calm:
everybody is awake and alive, and the lag must drain within a bounded number of steps. Then the
members stop, and everything is held against everything.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from consumers.simulation.broker import Broker
from consumers.simulation.curses import cursed_core
from consumers.simulation.directing import LETTERS, Director
from consumers.simulation.members import House
from consumers.simulation.model import Broken, Ending, Model
from consumers.simulation.plan import FAULTS, Plan, plan_of
from consumers.simulation.rebuilding import require_rebuilt
from consumers.simulation.storm import Storm
from consumers.simulation.world import MICROSECONDS, World

STEPS = 3_000
"""Of the storm, unless told otherwise."""

_DRAIN_STEPS = 6_000
_DRAIN_STEPS_A_MESSAGE = 8
_LOOK_EVERY = 50


class Verdict(NamedTuple):
    """What came of a seed.

    Attributes:
        seed: The seed.
        found: What was found and expected; None when all is well.
        steps, drain_steps: Turns in all, and from calm to drained.
        seconds: Simulated.
        messages, accepted, refused, duplicates: Messages on the topics, and what became of them.
        lives: How often lives of members ended how.
        trace_hash: SHA-256 of the whole history, with the chains of the books.
    """

    seed: int
    found: str | None
    steps: int
    drain_steps: int
    seconds: float
    messages: int
    accepted: int
    refused: int
    duplicates: int
    lives: dict[str, int]
    trace_hash: str


def simulate(
    seed: int,
    *,
    steps: int = STEPS,
    faults: Collection[str] = tuple(FAULTS),
    tell: Callable[[str], object] | None = None,
) -> Verdict:
    """Run a seed.

    Args:
        seed: What decides everything.
        steps: Of the storm.
        faults: Those that may be on.
        tell: Is given each line of the trace.
    """
    with cursed_core():
        return _simulated(_Run(plan_of(seed, faults), World(seed, tell)), steps)


def _simulated(run: "_Run", steps: int) -> Verdict:
    found = None
    try:
        run.storm_for(steps)
        run.drain()
        run.require()
    except Exception as fault:  # noqa: BLE001 - whatever it is, the seed has found it
        found = str(fault) if isinstance(fault, Broken) else f"{type(fault).__name__}: {fault}"
    finally:
        run.world.end()
    return run.verdict(found)


class _Run:
    """The world of one seed."""

    def __init__(self, plan: Plan, world: World) -> None:
        self.world = world
        world.trace(f"plan {plan}")
        self._seed = plan.seed
        self._broker = Broker(plan.partitions)
        self._house = House(world, Storm(world, plan), self._broker, Model())
        self._director = Director(self._house)
        self._drain_steps = 0

    def storm_for(self, steps: int) -> None:
        """Let it blow."""
        self.world.run(lambda: self.world.steps >= steps)

    def drain(self) -> None:
        """Calm down, and see that everything arrives in bounded time; then stop.

        Raises:
            Broken: It does not.
        """
        world, director = self.world, self._director
        director.calm()
        began = world.steps
        limit = began + _DRAIN_STEPS + _DRAIN_STEPS_A_MESSAGE * director.messages()
        world.run(lambda: world.steps % _LOOK_EVERY == 0 and self._arrived(limit))
        self._drain_steps = world.steps - began
        if world.steps >= limit:
            raise Broken(
                f"found a lag of {director.lag()} messages and {len(director.missing_letters())}"
                f" letters not written, {limit - began} steps after the last fault; expected none"
            )
        for place in director.places:
            place.open = False
            place.stop()
        world.run(lambda: all(place.ended for place in director.places) or world.steps >= 2 * limit)
        if not all(place.ended for place in director.places):
            raise Broken("found members at work long after they were told to stop; expected none")

    def require(self) -> None:
        """Hold all that is there against the model, and against books without faults."""
        house, books = self._house, self._house.books
        shards = books.shards()
        tables = books._books  # noqa: SLF001 - the commodities have no reader
        house.model.verify(
            Ending(
                shards,
                tables.events,
                tables.postings,
                tables.accounts,
                tables.commodities,
                {
                    topic_id: [partition.records for partition in topic.partitions]
                    for topic_id, topic in self._broker.incarnations.items()
                    if topic.name != LETTERS
                },
                [topic.topic_id for topic in self._broker.topics.values()],
                list(self._director.letters()),
                house.storm.plan.orderly,
            )
        )
        for pool, state in require_rebuilt(books).items():
            self.world.trace(f"books {pool} {state}")
        for shard in shards:
            self.world.trace(f"chain {shard.name} {shard.next_sequence} {shard.chain.hex()}")

    def verdict(self, found: str | None) -> Verdict:
        """What there is to tell."""
        books = self._house.books
        shards = books.shards()
        rows = [row for shard in shards for row in books.events(shard.shard, 1)]
        return Verdict(
            self._seed,
            found,
            self.world.steps,
            self._drain_steps,
            self.world.now_us / MICROSECONDS,
            self._director.messages(),
            sum(row.rejection is None for row in rows),
            sum(row.rejection is not None for row in rows),
            sum(shard.duplicates for shard in shards),
            dict(sorted(self._house.outcomes.items())),
            self.world.trace_hash,
        )

    def _arrived(self, limit: int) -> bool:
        if self.world.steps >= limit:
            return True
        standing = self._house.halted or self._director.lag()
        return not standing and not self._director.missing_letters()
