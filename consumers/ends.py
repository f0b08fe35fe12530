"""Where topics end, asked of the broker: for the control that holds them against the books."""

from collections.abc import Mapping, Sequence

from kafka import TopicPartition

from consumers import clients
from consumers.admin import describe
from consumers.faults import translated
from consumers.settings import RunSettings
from ledger.recon.controls import EndOffsets
from ledger.store.recon_sums import Taken


def end_offsets(settings: RunSettings) -> EndOffsets:
    """Asks for the offset of the next message of each partition that the books have read.

    A topic that is gone, or was made again under the same name, is left out.

    Raises:
        BrokerError: When asked: the broker did not answer.
    """

    def asked(taken: Sequence[Taken]) -> Mapping[tuple[str, int], int]:
        found = describe(settings, sorted({each.topic for each in taken})) if taken else None
        places = [
            TopicPartition(each.topic, each.partition)
            for each in taken
            if found is not None
            and found.cluster == each.cluster
            and found.topic_ids.get(each.topic) == each.topic_id
            and each.partition < found.partitions.get(each.topic, 0)
        ]
        if not places:
            return {}
        reader = clients.consumer(settings._replace(group=None))
        try:
            with translated("asking for the ends of the topics"):
                ends = reader.end_offsets(places)
        finally:
            reader.close(timeout_ms=1_000)
        return {(place.topic, place.partition): ends[place] for place in places}

    return asked
