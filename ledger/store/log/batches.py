"""What a batch must keep to, whichever log takes it.

The database checks the rest by itself.
"""

from ledger.errors import StoreError
from ledger.ports import ShardBatch


def require_whole(batch: ShardBatch) -> None:
    """Refuse a batch with gaps, or with lines of events that it does not hold.

    Raises:
        StoreError: Naming the shard and the sequence.
    """
    expected = batch.expected_sequence
    for event in batch.events:
        if event.sequence != expected:
            raise StoreError(
                f"shard {batch.shard}: event {event.sequence} follows {expected - 1},"
                f" expected {expected}; nothing was written"
            )
        expected += 1
    if batch.next_sequence != expected:
        raise StoreError(
            f"shard {batch.shard}: head {batch.next_sequence} after event {expected - 1},"
            f" expected {expected}; nothing was written"
        )
    for lines in (batch.postings, batch.records):
        for sequence in {line[0] for line in lines}:
            if not batch.expected_sequence <= sequence < expected:
                raise StoreError(
                    f"shard {batch.shard}: lines of event {sequence}, which is not in the batch"
                    f" {batch.expected_sequence} to {expected - 1}; nothing was written"
                )
