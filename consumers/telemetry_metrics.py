"""The metrics of a run, as Prometheus reads them.

How it works. What is counted is counted once a batch. Gauges are not kept by the library: a look
puts what it saw into `seen`, whole, and a scrape shows that; so what is gone is not shown as it
last was, and no scrape ever waits for the loop.

Each metric is described in docs/reference/metrics.md; a test holds the page, the dashboard and the
alert rules against this file.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ledger.core.machine import RULES_VERSION

CONTENT_TYPE = CONTENT_TYPE_LATEST

disable_created_metrics()  # type: ignore[no-untyped-call] # else a series beside each counter says when it was made

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MESSAGES = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


class Gauge(NamedTuple):
    """A gauge.

    Attributes:
        name: With its unit.
        meaning: One sentence.
        labels: In the order in which their values are given.
    """

    name: str
    meaning: str
    labels: tuple[str, ...] = ()


_PLACE = ("topic", "partition")
_POOL = ("pool",)

LAG_MESSAGES = Gauge("clearing_lag_messages", "Messages that the books do not hold.", _PLACE)
LAG_SECONDS = Gauge("clearing_lag_seconds", "Age of the first of them.", _PLACE)
POOL_LAG_MESSAGES = Gauge(
    "clearing_pool_lag_messages",
    "Messages on the partition of the pool that the books do not hold.",
    _POOL,
)
POOL_LAG_SECONDS = Gauge("clearing_pool_lag_seconds", "Age of the first of them.", _POOL)
PARTITIONS = Gauge("clearing_partitions_assigned", "Partitions that this process reads.")
FAILURES = Gauge("clearing_failures_in_a_row", "Attempts since the last batch or assignment.")
SEQUENCE = Gauge("clearing_newest_sequence", "Newest event.", _POOL)
EPOCH = Gauge("clearing_epoch", "Of the writer that owns the pool: this process.", _POOL)
POOL_TIME = Gauge("clearing_pool_timestamp_seconds", "Largest occurred_at applied.", _POOL)
CHECKPOINT_SEQUENCE = Gauge("clearing_checkpoint_sequence", "Newest checkpoint; 0: none.", _POOL)
CHECKPOINT_TIME = Gauge(
    "clearing_checkpoint_timestamp_seconds", "Pool time of the newest checkpoint.", _POOL
)
EXCESS = Gauge("clearing_zero_sum_excess", "All balances together: 0.", ("pool", "commodity"))
EXCESS_TIME = Gauge("clearing_zero_sum_timestamp_seconds", "When they were summed up.", _POOL)
INSURANCE = Gauge("clearing_insurance_fund_balance", "Balance of the fund.", ("pool", "asset"))
DEFICIT = Gauge("clearing_uncovered_deficit", "Losses that nobody has borne.", ("pool", "asset"))
DEFICITS = Gauge("clearing_deficits_open", "How many.", _POOL)
LIQUIDATIONS = Gauge("clearing_liquidations_open", "Instruments not closed out.", _POOL)
INVENTORY = Gauge(
    "clearing_inventory_contracts", "Taken over and not closed out.", ("pool", "instrument")
)
MARGIN_CALLS = Gauge("clearing_margin_calls_open", "Margin calls open.", _POOL)
WITHDRAWALS = Gauge("clearing_withdrawals_open", "Withdrawal requests open.", _POOL)
HALTED = Gauge("clearing_pool_halted", "1 where a broken invariant halted the pool.", _POOL)
SUSPECTS = Gauge("clearing_suspect_marks", "Marks held back by the price guard.", _POOL)
CONTROL_HOLDS = Gauge(
    "clearing_control_holds", "1 where an internal control holds, 0 where not.", ("pool", "control")
)
CONTROL_TIME = Gauge("clearing_control_timestamp_seconds", "When they were last checked.", _POOL)
BUILD = Gauge("clearing_build_info", "Always 1.", ("version", "rules"))

GAUGES = (
    *(LAG_MESSAGES, LAG_SECONDS, POOL_LAG_MESSAGES, POOL_LAG_SECONDS, PARTITIONS, FAILURES),
    *(SEQUENCE, EPOCH, POOL_TIME, CHECKPOINT_SEQUENCE, CHECKPOINT_TIME, EXCESS, EXCESS_TIME),
    *(INSURANCE, DEFICIT, DEFICITS, LIQUIDATIONS, INVENTORY, MARGIN_CALLS, WITHDRAWALS),
    *(SUSPECTS, HALTED, CONTROL_HOLDS, CONTROL_TIME, BUILD),
)

Values = Mapping[tuple[str, ...], float]
"""By the values of the labels."""


class _Seen(Collector):
    """Shows the gauges as they were last seen."""

    def __init__(self) -> None:
        self.seen: dict[Gauge, Values] = {}

    def collect(self) -> Iterable[GaugeMetricFamily]:
        seen = dict(self.seen)
        for gauge in GAUGES:
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
            for labels, value in seen.get(gauge, {}).items():
                family.add_metric(labels, value)
            yield family


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        """Start at nothing."""
        registry = self._registry = CollectorRegistry()
        self._seen = _Seen()
        registry.register(self._seen)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(name, meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, meaning, buckets=buckets, registry=registry)

        self.applied = counter("clearing_applied_total", "Events applied.")
        self.duplicates = counter("clearing_duplicates_total", "Repetitions passed over.")
        self.rejected = counter("clearing_rejected_total", "Messages refused.", "pool", "code")
        self.retries = counter("clearing_retries_total", "Starts over.", "cause")
        self.fence_refusals = counter("clearing_fence_refusals_total", "Batches refused.")
        self.checkpoints = counter("clearing_checkpoints_signed_total", "Checkpoints.", "pool")
        self.phases = counter("clearing_phase_seconds_total", "Where the time went.", "phase")
        self.batch_messages = histogram("clearing_batch_messages", "In a batch.", _MESSAGES)
        self.batch_seconds = histogram(
            "clearing_batch_seconds", "From the first decoded message on.", _SECONDS
        )
        self.commit_seconds = histogram(
            "clearing_commit_seconds", "Waiting for the last commit.", _SECONDS
        )
        self.takeover_seconds = histogram("clearing_takeover_seconds", "To own a pool.", _SECONDS)
        self.see({BUILD: {(_version(), str(RULES_VERSION)): 1.0}})

    def see(self, gauges: Mapping[Gauge, Values]) -> None:
        """Show these from now on, in place of what was seen of the same gauges before."""
        self._seen.seen = {**self._seen.seen, **gauges}

    def exposition(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)

    def names(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Name, kind and labels of each metric of the ledger's own."""
        for gauge in GAUGES:
            yield gauge.name, "gauge", gauge.labels
        for metric in vars(self).values():
            if isinstance(metric, Counter | Histogram):
                (described,) = metric.describe()
                suffix = "_total" if isinstance(metric, Counter) else ""
                yield described.name + suffix, described.type, tuple(metric._labelnames)  # noqa: SLF001 - no public way


def _version() -> str:
    try:
        return version("clearing-ledger")
    except PackageNotFoundError:
        return "unknown"
