"""New checkpoints of the books to the topic of checkpoints, at least once, in order of each pool.

A message has the pool as its key and the JSON form of a checkpoint as its value
(`ledger.codec.checkpoints`), with headers `pool`, `sequence` and `hash`, SHA-256 of the signed
bytes. The topic has one partition. Where to go on is read from its end backwards: the newest
message of each pool that is a checkpoint of *these* books, so that neither books that were restored
to an older state nor other books with a pool of the same name make one go missing.

Cost: one small query each look. A start reads the topic as far back as the quietest pool's last.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple, Protocol

from consumers.records import Kept, Outgoing, RecordsTopic, Topic
from consumers.settings import RunSettings
from consumers.topics import CHECKPOINTS
from ledger.codec.checkpoints import body_hash, checkpoint_line
from ledger.ports import SignedCheckpoint
from ledger.store.log.feed import PostgresFeed

CHUNK = 100
"""Checkpoints sent before their acknowledgement is awaited."""


class SealedShard(NamedTuple):
    """A shard of the books and the sequence of its newest checkpoint."""

    shard: int
    pool: str
    newest: int


class CheckpointFeed(Protocol):
    """What is needed of the books; `ledger.store.log.feed.PostgresFeed` has it."""

    def sealed(self) -> Sequence[tuple[int, str, int]]:
        """Number, name and newest checkpoint's sequence of each shard that has one."""

    def checkpoint(self, shard: int, sequence: int) -> SignedCheckpoint | None:
        """One checkpoint, or None."""

    def checkpoints(self, shard: int, after: int, count_max: int) -> Sequence[SignedCheckpoint]:
        """The next checkpoints of a shard, in order."""

    def scales(self, shard: int) -> dict[str, int]:
        """Decimals of the assets of a shard."""


class CheckpointPublisher:
    """One feed and one topic of checkpoints, for as long as both hold."""

    def __init__(self, feed: CheckpointFeed, topic: Topic, only: str | None = None) -> None:
        """Find what the topic has.

        Args:
            feed: The books.
            topic: Of checkpoints.
            only: Publish those of this pool alone.
        """
        self._feed = feed
        self._topic = topic
        self._only = only
        self._sent: dict[str, int] = {}
        missing = {one.pool: one.shard for one in self._sealed()}
        if missing:
            for kept in topic.backwards(0, topic.ends()[0]):
                found = self._known(kept, missing)
                if found is not None:
                    self._sent[found[0]] = found[1]
                    del missing[found[0]]
                    if not missing:
                        break

    def send_new(self) -> int:
        """Send what came since, and wait until it is acknowledged; returns how many."""
        count = 0
        for one in self._sealed():
            while self._sent.get(one.pool, 0) < one.newest:
                after = self._sent.get(one.pool, 0)
                made = self._feed.checkpoints(one.shard, after, CHUNK)
                scales = self._feed.scales(one.shard)
                self._topic.send([_message(one.pool, each, scales) for each in made])
                self._sent[one.pool] = made[-1].sequence
                count += len(made)
        return count

    def check(self) -> None:
        """Raise `SourceChanged` when the topic is another one now."""
        self._topic.check()

    def _sealed(self) -> list[SealedShard]:
        shards = [SealedShard(*row) for row in self._feed.sealed()]
        return [one for one in shards if self._only in {None, one.pool}]

    def _known(self, kept: Kept, missing: dict[str, int]) -> tuple[str, int] | None:
        """Pool and sequence of a message that is a checkpoint of these books."""
        try:
            pool = kept.headers["pool"].decode()
            sequence, digest = int(kept.headers["sequence"]), kept.headers["hash"]
        except (KeyError, ValueError):
            return None
        if pool not in missing:
            return None
        ours = self._feed.checkpoint(missing[pool], sequence)
        if ours is None or body_hash(ours.body).hex().encode() != digest:
            return None
        return pool, sequence


@contextmanager
def publishing(
    settings: RunSettings, feed: object, only: str | None
) -> Iterator[CheckpointPublisher]:
    """A publisher to the topic of a broker, for as long as the block runs.

    Raises:
        ConfigurationError: The topic does not exist.
    """
    assert isinstance(feed, PostgresFeed), "checkpoints come from a database"
    with closing(RecordsTopic(settings, CHECKPOINTS)) as topic:
        yield CheckpointPublisher(feed, topic, only)


def _message(pool: str, made: SignedCheckpoint, scales: dict[str, int]) -> Outgoing:
    return Outgoing(
        0,
        pool.encode(),
        checkpoint_line(made.body, made.signature, scales).encode(),
        [
            ("pool", pool.encode()),
            ("sequence", b"%d" % made.sequence),
            ("hash", body_hash(made.body).hex().encode()),
        ],
    )
