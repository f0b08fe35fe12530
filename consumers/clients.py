"""Kafka clients as this project sets them up: consumer, producer, admin."""

from contextlib import suppress

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, errors
from kafka.coordinator.assignors.range import RangePartitionAssignor

from consumers.settings import RunSettings
from consumers.trust import connecting

CLIENT_ID = "clearing-ledger"

REQUEST_BYTES_MAX = 16 * 1024 * 1024
"""Largest message that we try to send; what the broker takes is the broker's business."""

POLL_RECORDS_MAX = 20_000
"""Of one poll. Large, so that one poll empties the fetches of *all* topics: the merge by time needs
to see each of them."""

POLL_PAUSE_MS = 1
"""Sleep of a poll that finds no fetch on its way. kafka-python 3.0.12 takes a fetch answered
between its two looks for none, and would sleep 100 ms with the messages at hand. Only `poll` reads
this; retries keep their 100 ms, for the parts of a consumer copy what they were made with."""

RECONNECT_MS_MAX = 2_000
"""Longest pause between attempts to connect: a broker that is back is not kept waiting for long."""

_SENDER_ENDS_S = 5.0
"""Longest wait for a producer's thread that was told to end; it looks up within milliseconds."""


def consumer(settings: RunSettings) -> KafkaConsumer:
    """A consumer that never commits by itself, never makes a topic and never skips a gap."""
    with connecting(settings):
        made = KafkaConsumer(
            bootstrap_servers=settings.bootstrap_servers.split(","),
            client_id=CLIENT_ID,
            group_id=settings.group,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.heartbeat_ms,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            isolation_level="read_committed",
            partition_assignment_strategy=[RangePartitionAssignor],
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
            max_partition_fetch_bytes=settings.max_partition_fetch_bytes,
            max_poll_records=POLL_RECORDS_MAX,
            request_timeout_ms=settings.request_timeout_ms,
            reconnect_backoff_max_ms=RECONNECT_MS_MAX,
            bootstrap_timeout_ms=settings.request_timeout_ms,
            metadata_max_age_ms=settings.sources_check_ms,
            metrics_enabled=False,
            **settings.security,
        )
    made.config["retry_backoff_ms"] = POLL_PAUSE_MS
    return made


def producer(settings: RunSettings) -> KafkaProducer:
    """A producer that neither loses nor repeats: idempotent, acknowledged by all replicas."""
    with connecting(settings):
        return KafkaProducer(
            bootstrap_servers=settings.bootstrap_servers.split(","),
            client_id=CLIENT_ID,
            enable_idempotence=True,
            acks="all",
            allow_auto_create_topics=False,
            linger_ms=5,
            batch_size=256 * 1024,
            max_request_size=REQUEST_BYTES_MAX,
            reconnect_backoff_max_ms=RECONNECT_MS_MAX,
            max_block_ms=settings.request_timeout_ms,
            request_timeout_ms=settings.request_timeout_ms,
            bootstrap_timeout_ms=settings.request_timeout_ms,
            metrics_enabled=False,
            **settings.security,
        )


def retire(producer: KafkaProducer, timeout_s: float) -> None:
    """Close a producer for certain: its thread has ended and its socket is closed.

    `KafkaProducer.close` raises when its flush runs out of time; thread and socket go on then.

    Args:
        producer: Not used afterwards; what it did not deliver in time is given up.
        timeout_s: For what was sent and is not acknowledged yet; 0 gives it up at once.
    """
    with suppress(errors.KafkaError):
        producer.close(timeout=timeout_s)
    producer._closed = True  # noqa: SLF001 - no public way, as the two lines below
    sender = producer._sender  # noqa: SLF001
    sender.force_close()
    sender.join(_SENDER_ENDS_S)


def admin(settings: RunSettings) -> KafkaAdminClient:
    """A client for topics and cluster."""
    with connecting(settings):
        return KafkaAdminClient(
            bootstrap_servers=settings.bootstrap_servers.split(","),
            client_id=CLIENT_ID,
            reconnect_backoff_max_ms=RECONNECT_MS_MAX,
            request_timeout_ms=settings.request_timeout_ms,
            bootstrap_timeout_ms=settings.request_timeout_ms,
            **settings.security,
        )
