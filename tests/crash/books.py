"""What a round must end in: books that are right, and the same as if nothing had happened."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from kafka import TopicPartition

from consumers import clients
from consumers.settings import RunSettings
from consumers.topics import DEAD_LETTERS, name, roles
from ledger.audit.proofs.sealing import Sealer
from ledger.audit.proofs.signing import signer
from ledger.audit.verification.verify import Scope, verify
from ledger.ports import Message
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer

_SHARDS = "SELECT name, partition, next_sequence, next_account, pool_time, duplicates, chain,"
_SHARDS += " frontier FROM ledger.shard ORDER BY name"
_OFFSETS = "SELECT name, cluster, topic_id, topic, held.partition, next_offset FROM"
_OFFSETS += " ledger.source_offset AS held JOIN ledger.shard USING (shard)"
_OFFSETS += " JOIN ledger.source USING (source) ORDER BY 1, 2, 3, 5"
_ORDER = {
    "account": "account",
    "commodity": "commodity",
    "event": "sequence",
    "event_identity": "sequence",
    "posting": "sequence, line",
    "record": "sequence, line",
}
_NUMBERS = "- 'shard' - 'source' - 'redrive_shard'"
"""Given out in the order of arrival; names stand in their place."""

_POLL_MS = 1_000


class Facts(NamedTuple):
    """What two books are compared by; all of it, but for numbers of shards, sources and epochs.

    Attributes:
        shards: Heads, with chain and frontier.
        offsets: Where reading goes on.
        rows: Of each table the count and SHA-256 of all rows.
    """

    shards: list[tuple[object, ...]]
    offsets: list[tuple[object, ...]]
    rows: dict[str, tuple[int, str]]


class Wrong(Exception):
    """A round did not end as it must; the message says how."""


def require_same(url: str, faultless: str) -> int:
    """Hold two databases against each other; returns how many events they have.

    Raises:
        Wrong: Naming the first difference.
    """
    found, expected = facts(url), facts(faultless)
    for part in Facts._fields:
        if getattr(found, part) != getattr(expected, part):
            raise Wrong(f"{part}: found {getattr(found, part)}, expected {getattr(expected, part)}")
    return found.rows["event"][0]


def require_verified(url: str) -> None:
    """`clearing verify --mode all`.

    Raises:
        Wrong: With what it found first.
    """
    verdict = verify(url, Scope())
    if not verdict.is_good:
        raise Wrong(f"clearing verify: {verdict.found[0].line()}")


def require_letters(url: str, settings: RunSettings) -> int:
    """Every refused message stands among the dead letters; returns how many stand there twice.

    Raises:
        Wrong: Naming those that are missing.
    """
    letters = _letters(settings)
    with psycopg.connect(url) as connection:
        refused = connection.execute(
            "SELECT name, sequence FROM ledger.event JOIN ledger.shard USING (shard)"
            " WHERE rejection IS NOT NULL"
        ).fetchall()
    missing = sorted(set(refused) - set(letters))
    if missing:
        raise Wrong(f"{len(missing)} dead letters are missing, of {len(refused)}: {missing[:5]}")
    return len(letters) - len(set(letters))


def write_faultless(url: str, prefix: str, messages: Sequence[Message], batch: int) -> None:
    """Apply a history without Kafka, and without faults."""
    log = PostgresLog.connect(url, "faultless")
    writer = Writer(log, roles=roles(prefix), seal=Sealer(signer()))
    writer.assign(sorted({message.partition for message in messages}))
    for first in range(0, len(messages), batch):
        writer.take(messages[first : first + batch])
    writer.close()


def facts(url: str) -> Facts:
    """All that two books are compared by."""
    with psycopg.connect(url) as connection:
        return Facts(
            connection.execute(_SHARDS).fetchall(),
            connection.execute(_OFFSETS).fetchall(),
            {table: _rows(connection, table) for table in _ORDER},
        )


def heads(url: str) -> dict[str, tuple[int, int]]:
    """Epoch and next sequence of each shard by name."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT name, epoch, next_sequence FROM ledger.shard")
        return {shard: (epoch, next_sequence) for shard, epoch, next_sequence in rows}


def _rows(connection: psycopg.Connection, table: str) -> tuple[int, str]:
    digest, count = hashlib.sha256(), 0
    rows = connection.execute(
        f"SELECT shard.name || (to_jsonb(kept) {_NUMBERS})::text FROM ledger.{table} AS kept"
        f" JOIN ledger.shard USING (shard) ORDER BY shard.name, {_ORDER[table]}"
    )
    for (text,) in rows:
        digest.update(text.encode())
        count += 1
    return count, digest.hexdigest()


def _letters(settings: RunSettings) -> list[tuple[str, int]]:
    place = TopicPartition(name(settings.prefix, DEAD_LETTERS), 0)
    reader = clients.consumer(settings._replace(group=None))
    found = []
    try:
        reader.assign([place])
        reader.seek(place, 0)
        while records := reader.poll(_POLL_MS).get(place):
            for record in records:
                headers = dict(record.headers)
                found.append((headers["pool"].decode(), int(headers["sequence"])))
            if reader.position(place) >= (reader.highwater(place) or 0):
                break
    finally:
        reader.close(timeout_ms=1_000)
    return found
