"""What a run tells of itself: logs, metrics and health, out of what the loop and the writer report.

Rules of this file:

* Nothing is done a message: a lap is an addition, a batch a handful of counters, and everything
  else is looked at once a second. What a batch costs: docs/reference/metrics.md.
* It never stops a run: it only reads, and what it reads is there.
* All calls come from the thread of the loop.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from consumers import telemetry_metrics as shown
from consumers.health import Health, Page, health_page
from consumers.lag import Lags, Place
from consumers.settings import RunSettings
from consumers.telemetry_gauges import Sealed, of_heads, of_lags, of_pools, of_states
from consumers.telemetry_logs import logger, without_passwords
from consumers.telemetry_look import Behind, excesses
from consumers.telemetry_metrics import CONTENT_TYPE, Gauge, Metrics, Values
from consumers.telemetry_refusals import Refusals
from ledger.arrivals import UNROUTED
from ledger.batch import Refused
from ledger.core.state import State
from ledger.errors import FenceLost, LedgerError, SourceChanged
from ledger.ports import Log, Seal, Shard, Source

LOOK_S = 1.0
SUMS_S = 60.0
SUMS_SHARE = 0.01
"""Balances are summed up every minute, or as seldom that it takes this share of the time."""

_BATCH_PHASES = ("decode", "look_up", "decide", "commit", "keep")
_SHOWN_SECURITY = {"security_protocol", "sasl_mechanism", "ssl_check_hostname"}

_log = logger(__name__)


class Taken(Protocol):
    """What became of a batch."""

    @property
    def applied(self) -> int: ...
    @property
    def duplicates(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def refused(self) -> Sequence[Refused]: ...


class Books(Protocol):
    """What is looked at of a writer."""

    @property
    def shards(self) -> Mapping[str, Shard]: ...
    @property
    def halted(self) -> Collection[str]: ...
    def offsets(self) -> Mapping[tuple[Source, int], int]: ...
    def state(self, pool: str) -> State: ...


class Telemetry:
    """Logs, metrics and health of one process."""

    def __init__(
        self,
        *,
        lag_max_s: float = 30.0,
        books: str = "",
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Watch nothing yet.

        Args:
            lag_max_s: Largest lag of a process that is ready.
            books: Address of the database, for the log.
            clock: Never goes back.
            now: Seconds since 1970.
        """
        self.metrics = Metrics()
        self.health = Health(lag_max_s, clock)
        self._books = books
        self._clock = clock
        self._now = now
        self._writer: Books | None = None
        self._lapped_at = clock()
        self._spent: dict[str, float] = {}
        self._batch: dict[str, float] = {}
        self._batches: deque[dict[str, float]] = deque()
        self._looked_at = 0.0
        self._summed_at = -SUMS_S
        self._sums_pause = 0.0
        self._owning = (0, 0.0)
        self._heads: dict[str, int] = {}
        self._sealed: dict[str, Sealed] = {}
        self._behind = Behind()
        self._refusals = Refusals(clock)

    def started(self, settings: RunSettings) -> None:
        """A run begins."""
        _log.info("started", books=without_passwords(self._books), **told_settings(settings))

    def attached(self, writer: Books, failures: int) -> None:
        """A life of consumer and writer begins, after so many failures in a row."""
        self._writer = writer
        self._heads = {}
        self._batch = {}
        self._batches.clear()
        self.lap("restart")
        self._flush()
        self.metrics.see({shown.FAILURES: {(): float(failures)}})

    def lap(self, phase: str) -> None:
        """Everything since the last lap was this phase."""
        now = self._clock()
        spent, self._lapped_at = now - self._lapped_at, now
        self._spent[phase] = self._spent.get(phase, 0.0) + spent
        if phase in _BATCH_PHASES:
            self._batch[phase] = self._batch.get(phase, 0.0) + spent
        if phase == _BATCH_PHASES[-1]:  # told of once it is committed
            self._batches.append(self._batch)
            self._batch = {}

    def owning(self, pool: str, epoch: int) -> None:
        """A shard's state is being rebuilt."""
        self._owning = epoch, self._clock()
        self.health.rebuilding_since = self._clock()
        self.health.rebuilding = pool

    def owned(self, pool: str, sequence: int, kept: int) -> None:
        """It is there."""
        epoch, since = self._owning
        seconds = self._clock() - since
        self.health.rebuilding = None
        self.health.turned_at = self._clock()
        self._heads[pool] = sequence
        self.metrics.takeover_seconds.observe(seconds)
        _log.info(
            "shard taken over",
            pool=pool,
            epoch=epoch,
            sequence=sequence,
            snapshot=kept,
            decided_again=sequence - kept,
            seconds=round(seconds, 3),
        )

    def assigned(self, starts: Mapping[Place, int]) -> None:
        """Partitions are read from these offsets on."""
        numbers = sorted({partition for _, partition in starts})
        self.health.fault = None
        self.health.partitions = tuple(sorted({*self.health.partitions, *numbers}))
        offsets = {f"{topic}/{partition}": start for (topic, partition), start in starts.items()}
        _log.info("partitions assigned", partitions=numbers, offsets=offsets)
        self.lap("take_over")
        self._looked_at = 0.0

    def released(self, partitions: Iterable[int]) -> None:
        """Partitions are read by somebody else."""
        numbers = sorted(partitions)
        left = [number for number in self.health.partitions if number not in numbers]
        self.health.partitions = tuple(left)
        _log.info("partitions revoked", partitions=numbers)
        self._looked_at = 0.0

    def taken(self, taken: Taken) -> None:
        """A batch was committed."""
        metrics, spent = self.metrics, self._batches.popleft() if self._batches else {}
        metrics.applied.inc(taken.applied)
        metrics.duplicates.inc(taken.duplicates)
        metrics.batch_messages.observe(taken.applied + taken.duplicates + taken.rejected)
        metrics.batch_seconds.observe(sum(spent.values()))
        metrics.commit_seconds.observe(spent.get("commit", 0.0))
        for (pool, code), count in Counter((one.shard, one.code) for one in taken.refused).items():
            metrics.rejected.labels(pool, code).inc(count)
        if taken.refused:
            self._refusals.add(taken.refused)
        self._flush()
        self.health.fault = None
        if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
            self._tell_batch()

    def turned(self, lags: Callable[[], Lags]) -> None:
        """The loop went round."""
        now = self._clock()
        self.health.turned_at = now
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._look(lags())
            self.lap("between")
            self._flush()
            self._refusals.tell()

    def retrying(self, fault: LedgerError, attempt: int, attempts: int, pause: float) -> None:
        """Database or broker failed; all is thrown away and begun again after a pause."""
        cause = type(fault).__name__
        self.metrics.retries.labels(cause).inc()
        self.metrics.see({shown.FAILURES: {(): float(attempt)}, shown.PARTITIONS: {(): 0.0}})
        self.health.fault = without_passwords(str(fault))
        self.health.partitions = ()
        self.health.rebuilding = None
        self.health.turned_at = self._clock()
        _log.warning(
            "starting over",
            attempt=attempt,
            attempts=attempts,
            pause=round(pause, 3),
            cause=cause,
            fault=str(fault),
        )

    def failed(self, fault: BaseException) -> None:
        """The run ends by this fault."""
        names: dict[type[BaseException], str] = {
            FenceLost: "fence lost",
            SourceChanged: "source changed",
        }
        if isinstance(fault, FenceLost):
            self.metrics.fence_refusals.inc()
        self.health.fault = without_passwords(str(fault))
        heads = {pool: shard.next_sequence - 1 for pool, shard in self._shards().items()}
        event = names.get(type(fault), "given up")
        _log.error(event, cause=type(fault).__name__, fault=str(fault), sequences=heads)

    def stopped(self, applied: int, duplicates: int, rejected: int) -> None:
        """The run has ended, whichever way."""
        self._refusals.tell(at_once=True)
        heads = {pool: shard.next_sequence - 1 for pool, shard in self._shards().items()}
        _log.info(
            "stopped", applied=applied, duplicates=duplicates, rejected=rejected, sequences=heads
        )

    def pages(self) -> dict[str, Callable[[], Page]]:
        """What is served, by path."""
        return {
            "/metrics": lambda: Page(HTTPStatus.OK, CONTENT_TYPE, self.metrics.exposition()),
            "/healthz": health_page(self.health.alive),
            "/readyz": health_page(self.health.ready),
        }

    def note_checkpoint(self, pool: str, sequence: int, pool_time: int | None) -> None:
        """The newest checkpoint of a pool, as it is found at a take-over."""
        self._sealed[pool] = Sealed(sequence, pool_time)

    def sealed(self, pool: str, sequence: int, pool_time: int | None) -> None:
        """A checkpoint was signed, or there was one at this event already."""
        if sequence <= self._sealed.get(pool, Sealed(0, None)).sequence:
            return
        self.note_checkpoint(pool, sequence, pool_time)
        self.metrics.checkpoints.labels(pool).inc()
        _log.info("checkpoint signed", pool=pool, sequence=sequence)

    def _shards(self) -> Mapping[str, Shard]:
        return {} if self._writer is None else self._writer.shards

    def _flush(self) -> None:
        for phase, seconds in self._spent.items():
            self.metrics.phases.labels(phase).inc(seconds)
        self._spent.clear()

    def _tell_batch(self) -> None:
        """One line a pool that moved."""
        if self._writer is None:
            return
        offsets = self._writer.offsets()
        for pool, shard in self._writer.shards.items():
            before, last = self._heads.get(pool, 0), shard.next_sequence - 1
            if last > before:
                self._heads[pool] = last
                nexts = {
                    f"{source.topic}/{number}": offset
                    for (source, number), offset in offsets.items()
                    if number == shard.partition
                }
                _log.debug("batch", pool=pool, first=before + 1, sequence=last, offsets=nexts)

    def _look(self, lags: Lags) -> None:
        """Note where everything stands."""
        now = self._now()
        ages = self._behind.seconds(lags, now)
        self.health.lag_s = max(ages.values(), default=0.0)
        unknown = [f"{topic}/{number}" for (topic, number), lag in lags.items() if lag[0] is None]
        self.health.unknown = tuple(sorted(unknown))
        seen: dict[Gauge, Values] = {
            shown.PARTITIONS: {(): float(len(self.health.partitions))},
            shown.FAILURES: {(): 0.0},
            **of_lags(lags, ages),
        }
        if self._writer is not None:
            seen |= of_heads(self._writer.shards, self._sealed)
            halted = self._writer.halted
            pools = {*self._writer.shards, *halted}
            seen[shown.HALTED] = {(pool,): float(pool in halted) for pool in sorted(pools)}
            seen |= of_pools(self._writer.shards, lags, ages)
            states = {
                name: self._writer.state(name)
                for name in self._writer.shards
                if not name.startswith(UNROUTED) and name not in self._writer.halted
            }
            seen |= of_states(states)
            seen |= self._sums(states, now)
        self.metrics.see(seen)

    def _sums(self, states: Mapping[str, State], now: float) -> dict[Gauge, Values]:
        """Sum all balances up, where it is time."""
        began = self._clock()
        if began - self._summed_at < max(SUMS_S, self._sums_pause):
            return {}
        sums: dict[tuple[str, ...], float] = {
            (pool, commodity): float(total)
            for pool, state in states.items()
            for commodity, total in excesses(state).items()
        }
        self._summed_at = self._clock()
        self._sums_pause = (self._summed_at - began) / SUMS_SHARE
        for where, total in sums.items():
            if total:
                _log.error("books do not balance", pool=where[0], commodity=where[1], excess=total)
        return {shown.EXCESS: sums, shown.EXCESS_TIME: {(pool,): now for pool in states}}


def told_settings(settings: RunSettings) -> dict[str, object]:
    """The settings by name, with nothing of their secrets."""
    security = {
        key: value if key in _SHOWN_SECURITY else "set" for key, value in settings.security.items()
    }
    return settings._replace(security=security)._asdict()


class WatchedSeal:
    """A seal whose checkpoints are noted; `ledger.ports.Seal`."""

    def __init__(self, seal: Seal, telemetry: Telemetry) -> None:
        """Watch this one."""
        self._seal = seal
        self._telemetry = telemetry

    def prepare(self, log: Log) -> None:
        """As the seal does."""
        self._seal.prepare(log)

    def seal(self, log: Log, shard: Shard, state: State | None, kept: bytes) -> None:
        """As the seal does; one that was there already is noted again, at its event."""
        self._seal.seal(log, shard, state, kept)
        self._telemetry.sealed(shard.name, shard.next_sequence - 1, shard.pool_time)
