"""Topics of a cluster: make them, and describe what is there."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kafka import KafkaAdminClient

from consumers import clients
from consumers.faults import translated
from consumers.settings import RunSettings
from consumers.topics import CHECKPOINTS, DEAD_LETTERS, RECORDS, name, roles

RECORD_BYTES_MAX = 16 * 1024 * 1024
"""Largest message of the topic of records: a record may list thousands of accounts."""


class Described(NamedTuple):
    """What a broker says of the topics asked for.

    Attributes:
        cluster: Its id; `unknown` when it gives none.
        topic_ids: By name; the name itself when the broker gives none.
        partitions: Count by name; a topic that does not exist is not in it.
    """

    cluster: str
    topic_ids: Mapping[str, str]
    partitions: Mapping[str, int]


def describe(
    settings: RunSettings,
    topics: Sequence[str] | None = None,
    *,
    connect: Callable[[RunSettings], KafkaAdminClient] = clients.admin,
) -> Described:
    """Ids and partition counts of these topics; None: of the source topics and the dead letters."""
    names = topics or [*roles(settings.prefix), name(settings.prefix, DEAD_LETTERS)]
    client = connect(settings)
    try:
        with translated(f"describing topics at {settings.bootstrap_servers}"):
            cluster = client.describe_cluster()["cluster_id"]
            found = [
                topic for topic in client.describe_topics(list(names)) if not topic["error_code"]
            ]
    finally:
        client.close()
    return Described(
        str(cluster or "unknown"),
        {topic["name"]: str(topic["topic_id"] or topic["name"]) for topic in found},
        {topic["name"]: len(topic["partitions"]) for topic in found},
    )


def create_topics(
    settings: RunSettings, partitions: int, replication_factor: int = -1
) -> list[str]:
    """Make the topics that are missing, kept for ever; returns their names.

    Args:
        partitions: Of each source topic and of the records, fixed for their life. The dead letters
            and the checkpoints have one.
        replication_factor: -1: the broker's default.
    """
    single = {name(settings.prefix, role): 1 for role in (DEAD_LETTERS, CHECKPOINTS)}
    records = name(settings.prefix, RECORDS)
    wanted = dict.fromkeys([*roles(settings.prefix), records], partitions) | single
    there = describe(settings, list(wanted)).partitions
    larger = {records: {"max.message.bytes": str(RECORD_BYTES_MAX)}}
    missing = {
        topic: {
            "num_partitions": count,
            "replication_factor": replication_factor,
            "configs": {"retention.ms": "-1", "cleanup.policy": "delete", **larger.get(topic, {})},
        }
        for topic, count in wanted.items()
        if topic not in there
    }
    if missing:
        client = clients.admin(settings)
        try:
            with translated(f"creating {', '.join(missing)}"):
                client.create_topics(missing, wait_for_metadata=True)
        finally:
            client.close()
    return list(missing)
