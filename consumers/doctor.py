"""Checks of Kafka for `clearing doctor`: topics, their identity, retention, lag and clock.

Reads only, joins no group, and commits nothing.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from consumers import clients
from consumers.admin import Described, describe
from consumers.faults import translated
from consumers.settings import RunSettings
from consumers.topics import CHECKPOINTS, DEAD_LETTERS, RECORDS, name, roles
from ledger.audit.doctor.check import Check, bad, listed, ok, skipped, warn
from ledger.errors import LedgerError
from ledger.ports import Source

LAG_WARN = 100_000
AHEAD_WARN_S = 5.0

_POLL_MS = 500
_LOOK_S = 5.0

Stored = Mapping[tuple[Source, int], int]
"""The next offset that the books expect, by source and partition."""


class Range(NamedTuple):
    """What a partition holds: from the first offset to before the end."""

    first: int
    end: int


Ranges = Mapping[tuple[str, int], Range]


def examined(settings: RunSettings, stored: Stored | None) -> Iterator[Check]:
    """All checks of Kafka.

    Args:
        settings: The broker and the names of the topics.
        stored: As the books have it; None when they could not be asked.
    """
    others = [name(settings.prefix, role) for role in (DEAD_LETTERS, RECORDS, CHECKPOINTS)]
    try:
        found = describe(settings, [*roles(settings.prefix), *others])
    except LedgerError as fault:
        yield bad("Kafka", f"cannot be reached: {fault}", "start it, or mend --kafka")
        return
    yield ok("Kafka", f"cluster {found.cluster} at {settings.bootstrap_servers}")
    yield topics_check(settings, found)
    yield others_check(others, found)
    yield identity_check(found, stored)
    try:
        yield from _kept(settings, found)
        yield from _read(settings, found, stored)
    except LedgerError as fault:
        yield bad("offsets", f"could not be looked at: {fault}", "see the log of the broker")


def topics_check(settings: RunSettings, found: Described) -> Check:
    """Whether the source topics are there, with equal numbers of partitions."""
    counts = {topic: found.partitions.get(topic, 0) for topic in roles(settings.prefix)}
    missing = [topic for topic, count in counts.items() if not count]
    if missing:
        return bad("topics", f"there is no {listed(missing)}", "clearing topics --create N")
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{topic} {count}" for topic, count in counts.items())
        return bad("topics", f"unequal partitions: {said}", "make the wrong ones anew")
    return ok("topics", f"{len(counts)} with {next(iter(counts.values()))} partitions each")


def others_check(wanted: list[str], found: Described) -> Check:
    """Whether the topics are there that the ledger writes to."""
    missing = [topic for topic in wanted if topic not in found.partitions]
    if missing:
        return warn(
            "topics written", f"there is no {listed(missing)}", "clearing topics --create N"
        )
    return ok("topics written", listed(wanted))


def identity_check(found: Described, stored: Stored | None) -> Check:
    """Whether the topics are those that the books have read."""
    if stored is None:
        return skipped("topic ids", "the books could not be asked")
    theirs = {source.topic: source for source, _ in stored if source.cluster != "file"}
    newest = {
        topic: Source(found.cluster, topic_id, topic)
        for topic, topic_id in found.topic_ids.items()
        if topic in theirs
    }
    changed = [topic for topic, source in newest.items() if not _knows(stored, source)]
    if changed:
        return bad(
            "topic ids",
            f"other than the books know: {listed(changed)}",
            "docs/operating/restore.md; clearing run --accept-changed-topics when intended",
        )
    return ok("topic ids", f"{len(newest)} topics are those that the books have read")


def _knows(stored: Stored, source: Source) -> bool:
    return any(known == source for known, _ in stored)


def retention_check(configs: Mapping[str, Mapping[str, str]]) -> Check:
    """Whether a source topic keeps all its messages.

    Args:
        configs: Settings by topic; those that are not default are enough.
    """
    compacted = [t for t, one in configs.items() if "compact" in one.get("cleanup.policy", "")]
    if compacted:
        return bad(
            "retention",
            f"{listed(compacted)} is compacted: messages vanish before they are read",
            "cleanup.policy=delete",
        )
    short = [
        f"{topic} {one.get('retention.ms', 'by the broker')}"
        for topic, one in configs.items()
        if one.get("retention.ms", "") != "-1" or one.get("retention.bytes", "-1") != "-1"
    ]
    if short:
        return warn(
            "retention",
            f"messages are deleted after a time: {listed(short)}",
            "retention.ms=-1, or longer than the longest outage",
        )
    return ok("retention", "the source topics keep everything")


def offsets_check(ranges: Ranges, stored: Mapping[tuple[str, int], int]) -> Check:
    """Whether the broker can go on where the books stopped."""
    lost, torn = [], []
    for place, (first, end) in ranges.items():
        following = stored.get(place)
        if following is not None and following < first:
            lost.append(f"{place[0]}/{place[1]} from {following} to {first - 1}")
        elif following is not None and following > end:
            torn.append(f"{place[0]}/{place[1]} ends at {end}, the books expect {following}")
    todo = "docs/operating/restore.md"
    if lost:
        return bad("offsets", f"deleted before they were read: {listed(lost)}", todo)
    if torn:
        return bad("offsets", f"truncated: {listed(torn)}", todo)
    return ok("offsets", "the broker has what the books expect next")


def lag_check(ranges: Ranges, stored: Mapping[tuple[str, int], int]) -> Check:
    """How far the books are behind."""
    lags = {place: end - stored.get(place, first) for place, (first, end) in ranges.items()}
    total = sum(max(0, lag) for lag in lags.values())
    if total > LAG_WARN:
        return warn("lag", f"{total} messages", "see docs/operating/watch.md, LagGrows")
    return ok("lag", f"{total} messages")


def newest_check(newest_ms: int | None, now: float) -> Check:
    """Whether the producers' clocks run ahead of ours; now in seconds since 1970."""
    if newest_ms is None:
        return skipped("producers' clock", "the topics hold no message")
    age = now - newest_ms / 1000
    if age < -AHEAD_WARN_S:
        return warn(
            "producers' clock",
            f"the newest message is {-age:.1f} s in the future",
            "synchronize by NTP: topics are merged by these timestamps",
        )
    return ok("producers' clock", f"the newest message is {age:.1f} s old")


def _kept(settings: RunSettings, found: Described) -> Iterator[Check]:
    wanted = [topic for topic in roles(settings.prefix) if topic in found.partitions]
    client = clients.admin(settings)
    try:
        with translated("describing the settings of topics"):
            asked = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in wanted]
            answer: Mapping[str, Any] = client.describe_configs(asked, config_filter="all")
    except (LedgerError, KeyError, ValueError) as fault:
        yield skipped("retention", f"this broker does not tell the settings of topics: {fault}")
        return
    finally:
        client.close()
    configs = {
        topic: {key: str(one["value"]) for key, one in held.items()}
        for by_name in answer.values()
        for topic, held in by_name.items()
    }
    yield retention_check({topic: configs.get(topic, {}) for topic in wanted})


def _read(settings: RunSettings, found: Described, stored: Stored | None) -> Iterator[Check]:
    places = [
        TopicPartition(topic, number)
        for topic in roles(settings.prefix)
        for number in range(found.partitions.get(topic, 0))
    ]
    if not places:
        yield skipped("offsets", "there is no topic")
        return
    reader = clients.consumer(settings._replace(group=None))
    try:
        with translated("asking for the ends of the topics"):
            firsts = reader.beginning_offsets(places)
            ends = reader.end_offsets(places)
            full = [place for place in places if ends[place] > firsts[place]]
            newest = _newest_ms(reader, full, ends)
            ranges = {
                (place.topic, place.partition): Range(firsts[place], ends[place])
                for place in places
            }
    finally:
        reader.close(timeout_ms=1_000)
    if stored is None:
        yield skipped("offsets", "the books could not be asked")
    else:
        ours = {
            (source.topic, number): offset
            for (source, number), offset in stored.items()
            if found.topic_ids.get(source.topic) == source.topic_id
        }
        yield offsets_check(ranges, ours)
        yield lag_check(ranges, ours)
    yield newest_check(newest, time.time())


def _newest_ms(reader: Any, places: list[Any], ends: dict[Any, int]) -> int | None:  # noqa: ANN401 - kafka ships no types
    """Timestamp of the newest message; corrects the ends by what fetches say of them.

    The embedded broker lists the first offset of the last batch as the end; its fetches know
    better.
    """
    reader.assign(places)
    for place in places:
        reader.seek(place, ends[place] - 1)
    stamps: list[int] = []
    until = time.monotonic() + _LOOK_S
    while not all(reader.highwater(place) for place in places) and time.monotonic() < until:
        polled = reader.poll(_POLL_MS)
        stamps += [record.timestamp for records in polled.values() for record in records]
    for place in places:
        ends[place] = max(ends[place], reader.highwater(place) or 0)
    return max(stamps, default=None)
