"""How far the books of each pool have taken the topics that its messages come from."""

from collections.abc import Mapping, Sequence

from ledger.store.console.pools import Connection
from ledger.store.recon.sums import Taken

_TAKEN = """
    SELECT DISTINCT ON (h.name, s.topic, o.partition)
           h.name, s.cluster, s.topic_id, s.topic, o.partition, max(o.next_offset)
      FROM (SELECT DISTINCT r.name, p.partition FROM ledger.shard r
              JOIN ledger.source_offset p ON p.shard = r.shard) h
      JOIN ledger.source_offset o ON o.partition = h.partition
      JOIN ledger.source s ON s.source = o.source AND s.cluster <> 'file'
     GROUP BY h.name, s.source, s.cluster, s.topic_id, s.topic, o.partition
     ORDER BY h.name, s.topic, o.partition, s.source DESC"""


def taken(connection: Connection) -> Mapping[str, Sequence[Taken]]:
    """By pool, every partition that its books have read, or other pools of the same partition.

    Of a topic that was made again under its name, the one that was read last. A pool that never
    read a topic is left out. Cost: a walk over the offsets, of which each shard
    has one a topic.
    """
    found: dict[str, list[Taken]] = {}
    for pool, *of in connection.execute(_TAKEN):
        found.setdefault(pool, []).append(Taken._make(of))
    return found
