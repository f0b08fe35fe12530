"""Small batches, made by hand, for the tests of the logs."""

import hashlib
from collections.abc import Sequence

from ledger.core.outcome import Commodity, OpenedAccount, Posting, Record
from ledger.ports import Log, Shard, ShardBatch, Source, StoredEvent

SOURCE = Source("cluster", "topic-1", "clearing.transfers")
START = 1_704_067_200_000_000  # 2024-01-01T00:00:00Z
OPENED = (
    OpenedAccount(1, "alice", "wallet", None, "USD"),
    OpenedAccount(2, "@house", "custody", None, "USD"),
)
USD = Commodity(1, "USD", None, 2)


def accepted(sequence: int, event_id: str | None = None, raw: bytes = b"{}") -> StoredEvent:
    """An accepted deposit, one second after the one before."""
    moment = START + sequence * 1_000_000
    name = event_id or f"d-{sequence}"
    digest = hashlib.sha256(name.encode()).digest()
    return StoredEvent(
        *(sequence, "deposit", name, moment, moment, 1, SOURCE, 0, sequence - 1),
        *(1_704_067_200_000, b"main", raw, digest, None, None, None),
        *(digest, digest),
    )


def refused(sequence: int, raw: bytes = b"\xff\x00") -> StoredEvent:
    """A refused message of which nothing could be decoded."""
    digest = hashlib.sha256(raw).digest()
    return StoredEvent(
        *(sequence, None, None, None, None, 1, SOURCE, 0, sequence - 1, -1, None, raw, digest),
        *(("main", 1), "invalid_utf8", "byte 0 is \\x00 \\ud800", digest, digest),
    )


def batch(shard: Shard, count: int = 1, amount: int = 100) -> ShardBatch:
    """`count` deposits into alice's wallet against custody, from the head of the shard."""
    first = shard.next_sequence
    sequences = range(first, first + count)
    postings = [
        (
            s,
            [
                Posting(account, s, 1, 1, sign * amount, sign * amount * s)
                for account, sign in ((1, 1), (2, -1))
            ],
        )
        for s in sequences
    ]
    return ShardBatch(
        shard=shard.shard,
        epoch=shard.epoch,
        expected_sequence=first,
        next_sequence=first + count,
        next_account=3,
        pool_time=START + (first + count - 1) * 1_000_000,
        duplicates=0,
        chain=hashlib.sha256(b"chain").digest(),
        frontier=hashlib.sha256(b"frontier").digest(),
        partition=0,
        events=[accepted(s) for s in sequences],
        opened=OPENED if first == 1 else (),
        commodities=(USD,) if first == 1 else (),
        postings=postings,
        records=[
            (s, 1, Record("mark", "BTC", {"mark_price": "1.5", "é": None})) for s in sequences
        ],
        offsets=[(SOURCE, 0, first + count - 1)],
    )


def owned(log: Log, name: str = "main") -> Shard:
    """The shard of this name, declared and acquired."""
    return log.acquire(log.declare(name, None).shard)


def head(log: Log, shard: Shard) -> Shard:
    """The shard as the log knows it now."""
    return next(known for known in log.shards() if known.shard == shard.shard)


def commit(log: Log, parts: Sequence[ShardBatch]) -> None:
    """Append, and wait until it is committed."""
    log.append(parts)
    log.settle()
