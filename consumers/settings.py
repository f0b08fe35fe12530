"""The settings of one run against Kafka, with their units and defaults."""

from collections.abc import Mapping
from typing import NamedTuple

from consumers.topics import PREFIX


class RunSettings(NamedTuple):
    """What `consumers.run.run` needs to know.

    Attributes:
        bootstrap_servers: `host:port`, several separated by commas.
        prefix: Of the names of all topics.
        partitions: Read these and no group; None: all of them, or what the group hands out.
        group: Consumer group to join. Its members share the partitions out among themselves.
        session_timeout_ms: Without a sign of life for so long, a member is dead to its group, and
            its partitions go to others. Kafka's brokers allow no less than 6 s unless told.
        heartbeat_ms: Between signs of life; also how late the others hear of a death.
        batch_events_max: Messages in one transaction of the database.
        batch_age_max_ms: Longest that a message waits for its batch to fill while more is on the
            way. With nothing more on the way a batch is written at once.
        merge_wait_ms: Longest wait for a topic that is known to have more, but has not delivered.
        buffer_messages_max: Per topic and partition; beyond it nothing is polled.
        fetch_max_wait_ms: How long the broker holds an empty fetch back. Small: with several
            partitions in one fetch it is the floor of latency.
        max_partition_fetch_bytes: Per fetch; above the broker's largest message.
        request_timeout_ms: Of any request to the broker.
        sources_check_ms: How often the ids of idle topics are held against those of the start.
        retries_max: Failures in a row, of database or broker, before the run gives up.
        dead_letters: Publish refused messages to `PREFIX.dead-letters`.
        accept_changed_topics: Read a recreated topic from its beginning, and one whose retention
            ran past us from what is left, instead of refusing. Event ids keep what is in the books
            from being booked again.
        drain: Stop once all that the topics hold has been applied.
        security: Passed to the Kafka client as they are (`ledger.settings.kafka_security`):
            `security_protocol`, `ssl_cafile`, `sasl_mechanism`, `sasl_plain_username`, ...
    """

    bootstrap_servers: str
    prefix: str = PREFIX
    partitions: tuple[int, ...] | None = None
    group: str | None = None
    session_timeout_ms: int = 6_000
    heartbeat_ms: int = 1_000
    batch_events_max: int = 4000
    batch_age_max_ms: int = 20
    merge_wait_ms: int = 500
    buffer_messages_max: int = 20_000
    fetch_max_wait_ms: int = 10
    max_partition_fetch_bytes: int = 8 * 1024 * 1024
    request_timeout_ms: int = 30_000
    sources_check_ms: int = 5_000
    retries_max: int = 10
    dead_letters: bool = True
    accept_changed_topics: bool = False
    drain: bool = False
    security: Mapping[str, object] = {}
