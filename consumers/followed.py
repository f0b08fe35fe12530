"""A pool as the publisher follows it: how far, and whether topic and books tell of one history."""

from consumers.standing import START, Place, Standing, reached
from consumers.telemetry_logs import logger
from ledger.errors import StoreError
from ledger.store.log.feed import Feed, Head

_log = logger(__name__)


class Followed:
    """How far a pool has been followed.

    Attributes:
        place: (sequence, line): all records up to this one are on the topic, acknowledged.
        last: Newest sequence of the log, as of the last look.
        seen: Places of records behind `place` that are on the topic too.
        chains: By sequence, chain hashes, hex: as the topic tells them until `met`.
        met: Whether the books have what the topic told.
    """

    __slots__ = ("chains", "last", "met", "name", "partition", "place", "seen", "shard")

    def __init__(self, head: Head, partition: int, found: Standing) -> None:
        """Begin where the topic says that it stands."""
        self.name = head.pool
        self.shard = head.shard
        self.partition = partition
        self.place = found.vouched.get(head.pool, START)
        self.last = self.complete
        self.seen = found.seen.get(head.pool, set())
        self.chains = dict(found.chains.get(head.pool, {}))
        self.met = False

    @property
    def complete(self) -> int:
        """The newest sequence of which everything is on the topic."""
        return self.place[0] - 1

    @property
    def reached(self) -> int:
        """The newest sequence of which something is on the topic."""
        return max(reached(place) for place in {self.place, *self.seen})

    def go(self, place: Place | None) -> None:
        """Behind this place; None: behind `last`."""
        self.place = (self.last + 1, 0) if place is None else place
        if self.seen and max(self.seen) <= self.place:
            self.seen = set()

    def begin(self, sequence: int) -> None:
        """Go to a sequence, and believe nothing of what the topic tells."""
        self.seen = set()
        self.chains = {}
        self.go((sequence, 0))

    def vouch(self, feed: Feed) -> None:
        """Have the chain hash of `place` at hand, for who comes next."""
        sequence = reached(self.place)
        if sequence and sequence not in self.chains:
            ours = feed.chain(self.shard, sequence)
            self.chains = {} if ours is None else {sequence: ours.hex()}

    def require_met(self, feed: Feed) -> None:
        """Hold the books against the topic, once; older publishers told no hash.

        Raises:
            StoreError: They have another history than the one that was published.
        """
        if self.met or not self.chains:
            return
        sequence = max(self.chains)
        told = self.chains[sequence]
        ours = feed.chain(self.shard, sequence)
        if ours is None:
            _log.warning("not held against the topic: detached", pool=self.name, sequence=sequence)
        elif ours.hex() != told:
            raise StoreError(
                f"pool {self.name}, sequence {sequence}: the topic of records has chain {told}"
                f" (found), these books have {ours.hex()} (expected): they were restored to an"
                " older state and went on in another way, or are others of the same name. When"
                " they were restored, publish anew from the first sequence N that was lost:"
                f" `clearing publish --pool {self.name} --from N`"
            )
        self.met = True
