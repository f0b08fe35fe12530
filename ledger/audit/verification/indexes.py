"""Indexes held against tables: rows that one of them hides are found by the other.

Verification reads by primary keys and views by other indexes, so a row that is only in some of them
would be shown and never verified.
"""

from ledger.audit.verification.findings import Finding, Findings
from ledger.store.audit.books import Audited
from ledger.store.audit.indexes import Index, counts, indexes


def check_indexes(
    books: Audited, pools: dict[int, str], first: int, last: int | None
) -> list[Finding]:
    """Every index of the books is in use, and finds as many rows as there are.

    Args:
        books: At one moment.
        pools: Name by number of shards that are verified; partitions of others are left out.
        first, last: Only partitions with some of these events; None: up to the head.
    """
    told: dict[int | None, Findings] = {None: Findings("")}
    for shard, pool in pools.items():
        told[shard] = Findings(pool)

    def is_meant(one: Index) -> bool:
        if one.first is None or one.past is None:
            return True
        return one.shard in pools and one.past > first and (last is None or one.first <= last)

    chosen = [one for one in indexes(books.connection) if is_meant(one)]
    for one in chosen:
        if not one.is_usable:
            said = "the server does not keep or does not use this index; make it anew (REINDEX)"
            told[one.shard].add(0, one.table, one.name, "valid, ready, live", "not so", said)
    for one, by_table, by_index in counts(books.connection, [c for c in chosen if c.root]):
        said = "rows of the table that this index does not find, or the other way: views differ"
        where = (one.first or 0, one.table, f"rows by {one.name}")
        told[one.shard].differ(*where, by_table, by_index, said, 2)
    return [finding for one in told.values() for finding in one.all]
