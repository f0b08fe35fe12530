"""Members and their operator: one life after the other, each put together from the real parts.

A life is what `consumers.run` makes of one start: sources, dead letters, log, writer and loop, from
the books as they stand. What ends it is judged here: a fault of the tree that its cause explains is
answered as an operator would, by starting again; anything else is a fault of ours.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack

from consumers.dead_letters import DeadLetters
from consumers.loop import Loop, Outcome
from consumers.settings import RunSettings
from consumers.simulation.broker import Broker
from consumers.simulation.curses import CURSE
from consumers.simulation.kafka_clients import SimulatedClients, SimulatedConsumer
from consumers.simulation.log import LaterOrNow, SimulatedLog
from consumers.simulation.model import Broken, Model
from consumers.simulation.storm import Seam, Storm
from consumers.simulation.world import Killed, Member, World
from consumers.sources import Sources
from consumers.topics import roles
from ledger.errors import ConfigurationError, FenceLost, LedgerError, ShardBusy, SourceChanged
from ledger.ports import Message, Source
from ledger.store.log.memory import MemoryLog
from ledger.store.log.overlapping import OverlappingLog
from ledger.writer import Taken, Writer

_AGAIN_US = (100_000, 5_000_000)


class House:
    """What all members share.

    Attributes:
        changed: How many topics were deleted or made again so far.
        accepted: By partition, how many were when changed topics were last accepted.
        halted: Pools that a writer said stand still, each with the message.
        outcomes: How often lives ended how, for the report.
    """

    def __init__(self, world: World, storm: Storm, broker: Broker, model: Model) -> None:
        """With empty books."""
        self.world, self.storm, self.broker, self.model = world, storm, broker, model
        self.books = MemoryLog()
        self.changed = 0
        self.accepted: dict[int, int] = {}
        self.halted: dict[str, Message] = {}
        self.outcomes: dict[str, int] = {}

    def knows_its_topics(self) -> bool:
        """Whether the books must know the topics that are there now, in each partition."""
        numbers = range(self.storm.plan.partitions)
        return all(self.accepted.get(number, 0) == self.changed for number in numbers)


class Watched:
    """The writer as the loop sees it; the model sees the order of what it takes."""

    def __init__(
        self, writer: Writer, house: House, name: str, consumer: SimulatedConsumer, changed: int
    ) -> None:
        self._writer, self._house, self._name, self._consumer = writer, house, name, consumer
        self._changed = changed

    def assign(self, partitions: Iterable[int]) -> None:
        self._house.model.assigned(self._name, list(partitions))
        self._writer.assign(partitions)
        self._note_halts()

    def revoke(self, partitions: Iterable[int]) -> None:
        self._writer.revoke(partitions)

    def begin(self, starts: Mapping[tuple[Source, int], int]) -> None:
        self._writer.begin(starts)
        self._house.accepted.update({number: self._changed for _, number in starts})

    def offsets(self) -> Mapping[tuple[Source, int], int]:
        return self._writer.offsets()

    def take(self, messages: Sequence[Message]) -> Taken:
        self._house.model.taken(self._name, messages, self._consumer.delivered)
        taken = self._writer.take(messages)
        self._note_halts()
        return taken

    def settle(self) -> None:
        self._writer.settle()

    def _note_halts(self) -> None:
        for pool, halt in self._writer.halted.items():
            if halt.message is None or not str(halt.event_id).startswith(CURSE):
                raise Broken(f"found a halted pool: {halt}; expected none")
            self._house.halted[pool] = halt.message


class Place:
    """A place for one member, which an operator keeps filled.

    Attributes:
        open: It is filled again when its member ends.
        ended: Its member has ended.
    """

    def __init__(self, house: House, name: str, settings: RunSettings, *, take_over: bool) -> None:
        """Fill it at once."""
        self.open = True
        self.ended = True
        self._house = house
        self._name = name
        self._settings = settings
        self._take_over = take_over
        self._stopping = False
        self._lives = 0
        self._accept = False
        self._changed = 0
        self._known = True
        self.fill()

    def stop(self) -> None:
        """Tell the member to stop; nobody is hurt."""
        self._stopping = True

    def fill(self) -> None:
        """Start a member, unless the place was closed meanwhile."""
        if self.open:
            self._lives += 1
            self._stopping = False
            self.ended = False
            self._changed = self._house.changed
            self._known = self._house.knows_its_topics()
            self._house.world.start(f"{self._name}.{self._lives}", self._live)

    def _live(self, member: Member) -> None:
        house, logs = self._house, []
        fault: BaseException | None = None

        def connect(seam: Seam) -> SimulatedLog:
            logs.append(SimulatedLog(house.books, seam, member.name, house.model))
            return logs[-1]

        try:
            self._work(Seam(house.world, house.storm, member), connect)
        except (LedgerError, Killed) as caught:
            fault = caught
        wait_us = house.storm.spread(*_AGAIN_US)
        for log in logs:
            house.world.after(house.world.chance.randrange(wait_us), log.break_off)
        outcome = "stopped" if fault is None else type(fault).__name__
        house.outcomes[outcome] = house.outcomes.get(outcome, 0) + 1
        house.world.trace(f"{member.name} ends: {outcome} {fault or ''}")
        self.ended = True
        self._judge(fault)
        house.world.after(wait_us, self.fill)

    def _work(self, seam: Seam, connect: Callable[[Seam], SimulatedLog]) -> None:
        """One life, as in `consumers.run`."""
        settings = self._settings._replace(accept_changed_topics=self._accept)
        house, clients = self._house, SimulatedClients(self._house.broker, seam)
        sources = Sources(settings, clients, clock=seam.clock)
        with ExitStack() as stack:
            consumer = clients.consumer(settings)
            stack.callback(consumer.close)
            letters = DeadLetters(settings, clients.producer(settings))
            stack.callback(letters.close)
            log = OverlappingLog(connect(seam), connect(seam), LaterOrNow(seam))
            writer = Writer(
                log,
                roles=roles(settings.prefix),
                take_over=self._take_over,
                snapshot_events=house.storm.plan.snapshot_events,
            )

            def taken(outcome: Outcome) -> None:
                if outcome.refused:
                    letters.publish(outcome.refused)

            def assigned(partitions: Iterable[int]) -> None:
                reader = clients.consumer(settings._replace(group=None))
                letters.catch_up(log, partitions, reader)
                reader.close()

            loop = Loop(
                settings,
                consumer,
                sources,
                Watched(writer, house, seam.member.name, consumer, self._changed),
                on_assigned=assigned,
                on_taken=taken,
                clock=seam.clock,
            )
            loop.run(lambda: self._stopping)
            writer.close()

    def _judge(self, fault: BaseException | None) -> None:
        """Start again as the fault's message says, if its cause is there.

        Raises:
            Broken: It is not.
        """
        house = self._house
        accepted, self._accept = self._accept, False
        match fault:
            case SourceChanged():
                if (accepted or self._known) and house.changed == self._changed:
                    raise Broken(f"found {fault}; expected the topics to be the same")
                self._accept = True
            case ConfigurationError() if not house.changed:
                raise Broken(f"found {fault}; expected all topics to be there")
            case ShardBusy() if self._take_over:
                raise Broken(f"found {fault}; expected a take-over")
            case FenceLost() | ShardBusy() | ConfigurationError() | Killed() | None:
                pass
            case LedgerError(retriable=True):
                pass
            case _:
                raise Broken(f"found {type(fault).__name__}: {fault}; expected no such end")
