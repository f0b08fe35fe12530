"""The shards that a writer owns: their heads, states, offsets, and which of them stand still.

Rules of this file:

* To own a shard is to acquire it from the log and to rebuild its state; both happen at first need.
* A halted shard has no state (`ledger.halts`). Its head and its offsets are as they were committed.
"""

import logging
from collections.abc import Iterator, Mapping

from ledger.arrivals import UNROUTED, Arrival
from ledger.batch import Draft
from ledger.codec.states import encode_state
from ledger.core.state import State
from ledger.halts import BROKEN, Halt, halt_at
from ledger.observing import Observer
from ledger.offsets import Reached, Where
from ledger.ports import Log, Seal, Shard, Snapshot
from ledger.recovery import restore

logger = logging.getLogger(__name__)


class OwnedShards:
    """What a writer owns.

    Attributes:
        shards: Heads as they are committed, by name.
        states: Of those that do not stand still.
        offsets: The next offset of each (source, partition), by name.
        rules: Version that decides.
        parked: Content hashes of what is quarantined and was not driven again, by name.
        halts: Why a shard stands still, by name.
    """

    def __init__(
        self, log: Log, rules: int, seal: Seal | None, observer: Observer, *, take_over: bool
    ) -> None:
        """Own nothing yet; the arguments are those of the writer."""
        self._log = log
        self.rules = rules
        self._seal = seal
        self._observer = observer
        self._take_over = take_over
        self._snapshots: dict[str, int] = {}
        self._directory: dict[str, Shard] | None = None
        self.shards: dict[str, Shard] = {}
        self.states: dict[str, State] = {}
        self.offsets: dict[str, dict[Where, int]] = {}
        self.parked: dict[str, frozenset[bytes]] = {}
        self.halts: dict[str, Halt] = {}

    def directory(self) -> Mapping[str, Shard]:
        """All shards of the log by name; asked at most once a batch."""
        if self._directory is None:
            self._directory = {shard.name: shard for shard in self._log.shards()}
        return self._directory

    def forget_directory(self) -> None:
        """Ask the log anew when the directory is next needed."""
        self._directory = None

    def shard(self, name: str, partition: int | None) -> Shard:
        """The shard of this name, owned; declared where it is missing."""
        shard = self.shards.get(name)
        if shard is None:
            self._directory = None
            shard = self.own(self._log.declare(name, partition))
        return shard

    def own(self, shard: Shard) -> Shard:
        """Acquire a shard and rebuild its state."""
        owned = self._log.acquire(shard.shard, take_over=self._take_over)
        name = owned.name
        self._observer.owning(name, owned.epoch)
        self._snapshots[name] = 0
        try:
            self.states[name], self._snapshots[name] = restore(self._log, owned)
        except BROKEN as broken:
            self.halt(owned, owned.next_sequence, None, broken)
        self.note_parked(owned)
        self.offsets[name] = {
            (offset.source, offset.partition): offset.next_offset
            for offset in self._log.offsets()
            if offset.shard == owned.shard
        }
        self.shards[name] = owned
        self._observer.owned(name, owned.next_sequence - 1, self._snapshots[name])
        return owned

    def give_up(self, name: str) -> None:
        """Keep the state of a shard, and let another writer have it."""
        self.keep_state(name, at_least=1)
        self._log.release(self.shards[name].shard)
        for kept in (self.shards, self.states, self.offsets, self.parked, self.halts):
            kept.pop(name, None)

    def halt(self, shard: Shard, sequence: int, arrival: Arrival | None, broken: Exception) -> None:
        """Stand still: the state may be half changed, so it is thrown away.

        The shard is given back, so that an operator can park the message while other pools go on.
        """
        halt = self.halts[shard.name] = halt_at(shard.name, sequence, arrival, broken)
        self.states.pop(shard.name, None)
        self._log.release(shard.shard)
        logger.error("%s", halt, exc_info=broken)

    def draft(self, shard: Shard) -> Draft:
        """A batch of a shard, still empty; of one that stands still, for its offsets alone."""
        state = State(shard.name) if shard.name in self.halts else self.states[shard.name]
        return Draft(shard, state, self.rules)

    def begin(self, starts: Reached) -> None:
        """Store where reading begins, for the shards of its partition that are not as far."""
        drafts: dict[str, Draft] = {}
        for (source, partition), start in starts.items():
            for shard in self.there(partition, drafts):
                if self.offsets[shard.name].get((source, partition), -1) < start:
                    draft = drafts.setdefault(shard.name, self.draft(shard))
                    draft.offsets[source, partition] = start
        if drafts:
            self._log.append([draft.finished() for draft in drafts.values()])
            self._log.settle()
        for name, draft in drafts.items():
            self.offsets[name].update(draft.offsets)

    def note_parked(self, shard: Shard) -> None:
        """Ask the log what is quarantined in a shard."""
        self.parked[shard.name] = frozenset(self._log.quarantined(shard.shard))

    def there(self, partition: int, drafts: Mapping[str, Draft]) -> Iterator[Shard]:
        """The shards of a partition, those included that settle on it in this batch."""
        for name, shard in self.shards.items():
            draft = drafts.get(name)
            if (shard.partition if draft is None else draft.partition) == partition:
                yield shard

    def keep_state(self, name: str, *, at_least: int) -> None:
        """Keep a state, and make a checkpoint, when so many events came since the last."""
        if name in self.halts:
            return
        head = self.shards[name].next_sequence - 1
        if head - self._snapshots[name] < at_least:
            return
        state, body = None, b""
        if not name.startswith(UNROUTED):
            state = self.states[name]
            body = encode_state(state)
            self._log.save_snapshot(self.shards[name].shard, Snapshot(head, self.rules, body))
        if self._seal is not None:
            self._seal.seal(self._log, self.shards[name], state, body)
        self._snapshots[name] = head
