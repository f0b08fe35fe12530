"""`clearing publish`: every record of the log to the topic of records, at least once, in order.

How it works:

* The log of a pool is followed by sequence, up to the head that was seen (`ledger.store.log.feed`).
* Records go out in chunks of all pools together. A chunk is acknowledged as a whole before the next
  one begins; so only the last chunk can be half there after a crash.
* Where to go on is read from the topic itself. The first message of a chunk on each partition
  carries a header `progress`: up to which sequence each pool of the partition stands *in front of
  it*, acknowledged. A start looks for the newest of these from the end of the partition backwards,
  and notes what it passes: what was sent since. That is left out, all else is sent.
* All pools are in it, so a quiet pool is found as fast as a busy one, within a chunk of the end.
* A topic that is empty, was cut or was made anew vouches for nothing that it does not hold
  (`consumers.standing`), and gets everything that is missing.
* A start holds the chain hash of the newest event on the topic against the books: those that were
  restored to an older state and went on in another way are refused, however long they are.

What it costs: one small query each 0.2 s when idle. Memory: one chunk, `CHUNK_RECORDS` or
`CHUNK_BYTES`, once here and once in the Kafka client.

Two publishers at once lose nothing: each vouches only for what it found vouched for or had
acknowledged. Readers get records twice then, and know them by (pool, sequence, line).

Left out: an offset in the database (a publisher needs no right to write, and an offset there could
not know that the topic was cut), and a compacted topic beside (the same).
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import NamedTuple, Protocol

from consumers.followed import Followed
from consumers.records import Outgoing, RecordsTopic, Topic, message, partition_of
from consumers.run import backoff_s, stopped_by_signals
from consumers.settings import RunSettings
from consumers.standing import PROGRESS, Place, Standing, standing
from consumers.telemetry_logs import logger
from ledger.errors import (
    ConfigurationError,
    LedgerError,
    SourceChanged,
    StoreError,
    TopicMissing,
)
from ledger.store.log.feed import Feed, Recorded

CHUNK_RECORDS = 1_000
CHUNK_BYTES = 8 * 1024 * 1024

_IDLE_S = 0.2
"""How late a new record may be seen."""

_log = logger(__name__)


class Published:
    """What was done so far.

    Attributes:
        records, checkpoints: Sent and acknowledged, since the start.
        behind: Events of the log that are not followed yet, as of the last look.
        failures: Of database or broker, in a row; 0 after a chunk or a check.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.records = 0
        self.checkpoints = 0
        self.behind = 0
        self.failures = 0


class Seals(Protocol):
    """Who publishes checkpoints."""

    def send_new(self) -> int:
        """Send what came since; returns how many."""

    def check(self) -> None:
        """Raise `SourceChanged` when the topic is another one now."""


class _NoSeals:
    """Publishes none."""

    def send_new(self) -> int:
        return 0

    def check(self) -> None:
        pass


class _Page(NamedTuple):
    """What comes next of a pool.

    Attributes:
        pool: Whose.
        records: To be sent.
        place: To read on behind; None when there is no more.
        records_read, bytes_read: For it.
    """

    pool: Followed
    records: list[Recorded]
    place: Place | None
    records_read: int
    bytes_read: int


def publish(
    settings: RunSettings,
    open_feed: Callable[[], Feed],
    *,
    only: str | None = None,
    start: int | None = None,
    stop: threading.Event | None = None,
    on_chunk: Callable[[Published], object] = lambda _: None,
    open_topic: Callable[[RunSettings], Topic] = RecordsTopic,
    open_seals: Callable[[Feed], AbstractContextManager[Seals]] = lambda _: nullcontext(_NoSeals()),
) -> Published:
    """Publish until told to stop: `stop` set, SIGTERM or SIGINT; or, to drain, up to the heads.

    Args:
        settings: The broker; `drain` ends at the heads that are found at the start.
        open_feed: Makes a new connection to the books; called again after a failure.
        only: Publish this pool alone.
        start: Publish that pool again, from this sequence on.
        stop: Set by the caller to end after the chunk at hand.
        on_chunk: Called after each chunk, and when idle.
        open_topic: Makes a new connection to the topic.
        open_seals: Makes a publisher of checkpoints; none are published otherwise.

    Raises:
        ConfigurationError: The topic does not exist at the start, or the start would skip records.
        StoreError: The topic and the books do not belong together.
        LedgerError: Database, broker or topic stayed away through `retries_max` attempts.
    """
    if start is not None and only is None:
        raise ConfigurationError("a start needs a pool: sequences are counted per pool")
    stop = stop or threading.Event()
    done = Published()
    lived = False
    with stopped_by_signals(stop):
        while not stop.is_set():
            try:
                with (
                    closing(open_feed()) as feed,
                    closing(open_topic(settings)) as topic,
                    open_seals(feed) as seals,
                ):
                    life = Publisher(feed, topic, only=only, start=start)
                    lived = True
                    _live(life, seals, settings, stop, done, on_chunk)
                break
            except LedgerError as fault:
                done.failures += 1
                again = fault.retriable or isinstance(fault, SourceChanged)
                # One that was there before is being made anew: between the two it does not exist.
                again = again or (lived and isinstance(fault, TopicMissing))
                if not again or done.failures > settings.retries_max:
                    raise
                pause = backoff_s(done.failures)
                _log.warning("starting over", attempt=done.failures, pause=pause, fault=str(fault))
                stop.wait(pause)
            if done.records:
                start = None  # from here on the topic tells
    return done


def _live(
    life: "Publisher",
    seals: Seals,
    settings: RunSettings,
    stop: threading.Event,
    done: Published,
    on_chunk: Callable[[Published], object],
) -> None:
    """One life of feed and topic."""
    checked = time.monotonic()
    life.look()
    while not stop.is_set():
        done.checkpoints += seals.send_new()
        sent = life.send_chunk()
        done.records += sent
        done.behind = life.behind
        if sent:
            done.failures = 0
        on_chunk(done)
        if not life.behind:
            if settings.drain:
                return
            stop.wait(_IDLE_S)
        if time.monotonic() - checked > settings.sources_check_ms / 1000:
            life.check()
            seals.check()
            done.failures = 0  # all is well, if only there were something to send
            checked = time.monotonic()
        if not settings.drain:
            life.look()


class Publisher:
    """One feed and one topic, for as long as both hold."""

    def __init__(
        self, feed: Feed, topic: Topic, *, only: str | None = None, start: int | None = None
    ) -> None:
        """Find where the topic ends; nothing is sent yet.

        Raises:
            ConfigurationError: The pool asked for is not in the books.
        """
        self._feed = feed
        self._topic = topic
        self._only = only
        self._start = start
        self._pools: dict[str, Followed] = {}
        self._turn = 0
        self._ends = list(topic.ends())
        heads = feed.heads()
        if only is not None and only not in {head.pool for head in heads}:
            raise ConfigurationError(
                f"pool {only} is not in the books; they have"
                f" {', '.join(head.pool for head in heads) or 'none yet'}"
            )
        for partition in range(topic.partitions):
            here = [head for head in heads if self._partition(head.pool) == partition]
            pools = {head.pool for head in here}
            found = standing(topic, partition, self._ends[partition], pools)
            for head in here:
                self._pools[head.pool] = Followed(head, partition, found)
        _log.info("published up to", sequences={p.name: p.complete for p in self._pools.values()})

    @property
    def behind(self) -> int:
        """Events of the log that are not followed yet."""
        return sum(pool.last - pool.complete for pool in self._chosen())

    def look(self) -> None:
        """See how far the log is now, and that it goes on where the topic stopped.

        Raises:
            ConfigurationError: The start asked for would skip records.
            StoreError: The books end before the topic, begin after it, or tell another history.
        """
        for head in self._feed.heads():
            if head.pool not in self._pools:
                nothing = Standing({}, {}, {})
                self._pools[head.pool] = Followed(head, self._partition(head.pool), nothing)
            pool = self._pools[head.pool]
            if head.last != pool.last or self._start is not None or not pool.met:
                pool.last = head.last
                self._pass_over_seen(pool)
                if pool in self._chosen():
                    self._begin_at_start(pool)
                    self._require_whole(pool)
                    pool.require_met(self._feed)
        self._start = None

    def send_chunk(self) -> int:
        """Send what comes next, and wait until it is acknowledged; returns how many records.

        Raises:
            BrokerError: Some are not acknowledged: this publisher is finished.
            SourceChanged: The topic was cut or made anew meanwhile.
        """
        pages = self._gather()
        messages = self._messages(pages)
        if messages:
            for partition, (first, last) in self._topic.send(messages).items():
                if first < self._ends[partition]:
                    raise SourceChanged(
                        f"the topic of records, partition {partition}, had"
                        f" {self._ends[partition]} messages and goes on at offset {first}: it was"
                        " cut or made anew, and what it holds is looked up again"
                    )
                self._ends[partition] = last + 1
        for page in pages:
            page.pool.go(page.place)
        return len(messages)

    def check(self) -> None:
        """Raise `SourceChanged` when the topic is another one now."""
        self._topic.check()

    def _chosen(self) -> Sequence[Followed]:
        pools = self._pools
        return list(pools.values()) if self._only is None else [pools[self._only]]

    def _partition(self, pool: str) -> int:
        return partition_of(pool, self._topic.partitions)

    def _pass_over_seen(self, pool: Followed) -> None:
        """Go to the first record that is not on the topic."""
        while pool.seen and pool.complete < pool.last:
            page = self._page(pool, CHUNK_RECORDS, CHUNK_BYTES)
            if page.records:
                first = page.records[0]
                pool.go((first.sequence, first.line - 1))
                return
            pool.go(page.place)

    def _begin_at_start(self, pool: Followed) -> None:
        """Go back to the start asked for; forward only over what the books do not hold."""
        if self._start is None:
            return
        if self._start > pool.last + 1:
            raise ConfigurationError(
                f"pool {pool.name} ends at sequence {pool.last}: there is nothing to publish from"
                f" {self._start} on"
            )
        held = self._feed.first_held(pool.shard, pool.complete + 1)
        if held is not None and held < self._start:
            raise ConfigurationError(
                f"pool {pool.name} is published up to sequence {pool.complete}, and the books hold"
                f" {held}: from {self._start} on would skip it. Start from {held} at most"
            )
        pool.begin(self._start)

    def _require_whole(self, pool: Followed) -> None:
        """Nothing that is missing goes unseen."""
        if pool.reached > pool.last:
            raise StoreError(
                f"pool {pool.name} is published up to sequence {pool.reached}, and these books end"
                f" at {pool.last}: they were restored to an older state, or are a standby that"
                " lags, or others publish here. When they were restored, publish anew what changed:"
                f" `clearing publish --pool {pool.name} --from N`"
            )
        held = self._feed.first_held(pool.shard, pool.complete + 1)
        if pool.last > pool.complete and held != pool.complete + 1:
            raise StoreError(
                f"pool {pool.name} is published up to sequence {pool.complete}, and the books go on"
                f" at {held}: what is between was detached before it was published. Attach it"
                f" again, or pass over it with `clearing publish --pool {pool.name} --from {held}`"
            )

    def _gather(self) -> list[_Page]:
        """The next chunk: pages of pools in turn, so that none waits for another's backlog."""
        pools = [pool for pool in self._chosen() if pool.complete < pool.last]
        self._turn += 1
        turn = self._turn % max(1, len(pools))
        count, size = CHUNK_RECORDS, CHUNK_BYTES
        pages = []
        for pool in pools[turn:] + pools[:turn]:
            page = self._page(pool, count, size)
            pages.append(page)
            count, size = count - page.records_read, size - page.bytes_read
            if page.place is not None:
                break
        return pages

    def _page(self, pool: Followed, count: int, size: int) -> _Page:
        read = self._feed.records(pool.shard, pool.place, pool.last, count, size)
        bodies = sum(len(record.body) for record in read)
        more = len(read) >= count or bodies >= size
        unseen = [record for record in read if record[:2] not in pool.seen]
        return _Page(pool, unseen, read[-1][:2] if more else None, len(read), bodies)

    def _messages(self, pages: Sequence[_Page]) -> list[Outgoing]:
        messages = []
        vouched: set[int] = set()
        for page in pages:
            partition = page.pool.partition
            for record in page.records:
                extra = [] if partition in vouched else [(PROGRESS, self._vouch(partition))]
                vouched.add(partition)
                messages.append(message(page.pool.name, record, partition, extra))
        return messages

    def _vouch(self, partition: int) -> bytes:
        here = [pool for pool in self._pools.values() if pool.partition == partition]
        for pool in here:
            if pool in self._chosen():
                pool.vouch(self._feed)
        told = Standing({p.name: p.place for p in here}, {}, {p.name: p.chains for p in here})
        return told.header(self._topic.topic_id, self._ends[partition])
