"""Where topics end, asked of the broker: for the control that holds them against the books."""

import time
from collections.abc import Mapping, Sequence

from kafka import KafkaConsumer, TopicPartition

from consumers import clients
from consumers.admin import describe
from consumers.faults import translated
from consumers.settings import RunSettings
from ledger.recon.controls import EndOffsets
from ledger.store.recon.sums import Taken

_LOOK_S = 2
_POLL_MS = 200


def end_offsets(settings: RunSettings) -> EndOffsets:
    """Asks for the offset of the next message of each partition that the books have read.

    A topic that is gone, or was made again under the same name, is left out. Where nothing seems
    to lie beyond what the books have read, a fetch has the last word: the embedded broker lists the
    first offset of its last batch as the end, and its fetches know better.

    Raises:
        BrokerError: When asked: the broker did not answer.
    """

    def asked(taken: Sequence[Taken]) -> Mapping[tuple[str, int], int]:
        found = describe(settings, sorted({each.topic for each in taken})) if taken else None
        read = {
            TopicPartition(each.topic, each.partition): each.next_offset
            for each in taken
            if found is not None
            and found.cluster == each.cluster
            and found.topic_ids.get(each.topic) == each.topic_id
            and each.partition < found.partitions.get(each.topic, 0)
        }
        if not read:
            return {}
        reader = clients.consumer(settings._replace(group=None))
        try:
            with translated("asking for the ends of the topics"):
                ends = dict(reader.end_offsets(list(read)))
                short = [place for place in read if ends[place] <= read[place]]
                ends |= _by_fetch(reader, {place: ends[place] for place in short})
        finally:
            reader.close(timeout_ms=1_000)
        return {(place.topic, place.partition): end for place, end in ends.items()}

    return asked


def ends_of(reader: KafkaConsumer, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Where partitions end, asked of a reader that is assigned to others afterwards."""
    return _by_fetch(reader, reader.end_offsets(list(places)))


def _by_fetch(
    reader: KafkaConsumer, listed: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The ends as fetches tell them; as listed, where none answers in time."""
    reader.assign(list(listed))
    for place, end in listed.items():
        reader.seek(place, end)
    until = time.monotonic() + _LOOK_S
    while listed and time.monotonic() < until:
        reader.poll(_POLL_MS)
        if all(reader.highwater(place) is not None for place in listed):
            break
    return {place: max(end, reader.highwater(place) or 0) for place, end in listed.items()}
