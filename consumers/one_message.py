"""One message of a topic, fetched by its place: for a person who knows which one it is."""

import time

from kafka import TopicPartition

from consumers import clients
from consumers.admin import describe
from consumers.faults import translated
from consumers.settings import RunSettings
from ledger.errors import BrokerError, ConfigurationError
from ledger.ports import Message, Source

_POLL_MS = 500


def identified(settings: RunSettings, topic: str) -> Source:
    """A topic of the cluster, by its identity.

    Raises:
        ConfigurationError: The cluster has no such topic.
    """
    found = describe(settings, [topic])
    if topic not in found.topic_ids:
        raise ConfigurationError(
            f"the cluster at {settings.bootstrap_servers} has no topic {topic}"
        )
    return Source(found.cluster, found.topic_ids[topic], topic)


def fetch(settings: RunSettings, source: Source, partition: int, offset: int) -> Message:
    """The message at an offset, exactly as a consumer is given it.

    Raises:
        ConfigurationError: The topic has no such partition.
        BrokerError: There is none: deleted by retention, not written yet, or no message at all
            (a marker of a transaction), or the broker did not answer in `request_timeout_ms`.
    """
    count = describe(settings, [source.topic]).partitions.get(source.topic, 0)
    if not 0 <= partition < count:
        raise ConfigurationError(
            f"topic {source.topic} has {count} partitions, numbered from 0: there is no {partition}"
        )
    place = TopicPartition(source.topic, partition)
    consumer = clients.consumer(settings._replace(group=None))
    try:
        with translated(f"fetching offset {offset} of {source.topic}, partition {partition}"):
            consumer.assign([place])
            consumer.seek(place, offset)
            until = time.monotonic() + settings.request_timeout_ms / 1000
            while time.monotonic() < until:
                for record in consumer.poll(_POLL_MS).get(place, ()):
                    if record.offset == offset:
                        value = record.value or b""
                        when = record.timestamp
                        return Message(source, partition, offset, when, record.key, value)
                    if record.offset > offset:
                        raise _missing(source, partition, offset, f"the next is {record.offset}")
                end = consumer.highwater(place)
                if end is not None and end <= offset:
                    raise _missing(source, partition, offset, f"the topic ends at {end}")
    finally:
        consumer.close(timeout_ms=1_000)
    raise _missing(source, partition, offset, "nothing came in time")


def _missing(source: Source, partition: int, offset: int, found: str) -> BrokerError:
    return BrokerError(
        f"topic {source.topic}, partition {partition} has no message at offset {offset}: {found}"
    )
