"""Refused messages that may be driven again: those that nothing has re-submitted yet.

A message that was driven again and refused again stands twice; the newer row is the one to drive.
Found by the partial indexes on refused and on driven events, so the cost follows these, not the
ledger.
"""

from collections.abc import Iterator, Sequence

from ledger.errors import ConfigurationError
from ledger.ports import StoredEvent
from ledger.store.faults import translated
from ledger.store.log.postgres import PostgresLog
from ledger.store.log.reading import EVENT_COLUMNS, stored_event

_REFUSED = f"""
    SELECT {EVENT_COLUMNS}
      FROM ledger.event JOIN ledger.source USING (source)
     WHERE event.shard = %(shard)s AND event.rejection IS NOT NULL
       AND (%(codes)s::text[] = '{{}}' OR event.rejection = ANY(%(codes)s))
       AND (%(sequences)s::bigint[] = '{{}}' OR event.sequence = ANY(%(sequences)s))
     ORDER BY event.sequence"""  # noqa: S608 - constants
_DRIVEN = """
    SELECT redrive_shard, redrive_sequence FROM ledger.event WHERE redrive_shard IS NOT NULL"""


def refusals(
    log: PostgresLog, pool: str | None, codes: Sequence[str], sequences: Sequence[int]
) -> Iterator[tuple[str, StoredEvent]]:
    """Name of the shard and row of each refused message that was not driven again.

    Args:
        log: The books.
        pool: Only of this shard; None for all.
        codes: Only for these reasons; empty for any.
        sequences: Only these; empty for all.

    Raises:
        ConfigurationError: The books have no such shard.
    """
    shards = log.shards()
    names = [shard.name for shard in shards]
    if pool is not None and pool not in names:
        raise ConfigurationError(
            f"pool {pool} is not in the books; they have {', '.join(names) or 'none yet'}"
        )
    with translated():
        driven = set(log.connection.execute(_DRIVEN))
        for shard in shards:
            if pool in (None, shard.name):
                named = {"shard": shard.shard, "codes": list(codes), "sequences": list(sequences)}
                for row in log.connection.execute(_REFUSED, named, binary=True).fetchall():
                    stored = stored_event(row)
                    if (shard.name, stored.sequence) not in driven:
                        yield shard.name, stored
