"""The sums that internal controls ask of a pool's books, as of a sequence."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from ledger.core.outcome import Purpose
from ledger.store.recon.books import STREAMED_ROWS, OurBooks

_COMMODITIES = """
    SELECT coalesce(asset, instrument), count(*), sum(balance),
           coalesce(sum(balance) FILTER (WHERE kind = 'custody'), 0),
           coalesce(sum(balance) FILTER (WHERE left(account, 1) <> '@'), 0),
           coalesce(sum(balance) FILTER (WHERE left(account, 1) = '@' AND kind <> 'custody'), 0),
           asset IS NOT NULL
      FROM reporting.balances_at(%(pool)s, %(sequence)s::bigint)
     GROUP BY asset, CASE WHEN asset IS NULL THEN instrument END, coalesce(asset, instrument)
     ORDER BY coalesce(asset, instrument) COLLATE "C", asset IS NULL"""
_FUNDING = """
    SELECT e.instrument, c.asset, count(DISTINCT p.sequence),
           ledger.natural_units(coalesce(sum(p.amount)
               FILTER (WHERE p.purpose = %(funding)s AND p.amount > 0), 0), c.scale),
           ledger.natural_units(coalesce(-sum(p.amount)
               FILTER (WHERE p.purpose = %(funding)s AND p.amount < 0), 0), c.scale),
           ledger.natural_units(coalesce(sum(p.amount)
               FILTER (WHERE p.purpose = %(rounding)s), 0), c.scale)
      FROM (SELECT sequence, ledger.content(raw, rejection) ->> 'instrument' AS instrument
              FROM ledger.event
             WHERE shard = %(shard)s AND sequence <= %(sequence)s AND kind = 'funding_rate'
               AND rejection IS NULL) e
      JOIN ledger.posting p ON p.shard = %(shard)s AND p.sequence = e.sequence
       AND p.purpose IN (%(funding)s, %(rounding)s)
      JOIN ledger.commodity c ON c.shard = p.shard AND c.commodity = p.commodity
     GROUP BY e.instrument, c.asset, c.scale
     ORDER BY e.instrument COLLATE "C", c.asset COLLATE "C" """
_TOLD = """
    SELECT r.sequence,
           coalesce(sum(ledger.figure(b.body, 'amount')) FILTER (WHERE r.kind = 'fund'), 0),
           coalesce(sum(ledger.figure(b.body, 'insurance_after')
                      - ledger.figure(b.body, 'insurance_before')), 0),
           coalesce(sum(ledger.figure(b.body, 'deficit_after')
                      - ledger.figure(b.body, 'deficit_before')), 0),
           coalesce(sum(ledger.figure(b.body, 'amount')) FILTER (WHERE r.kind = 'deleveraged'), 0),
           coalesce(sum(ledger.figure(b.body, 'loss_absorbed')), 0),
           coalesce(-sum(least(ledger.figure(b.body, 'amount'), 0))
               FILTER (WHERE r.kind = 'fund'), 0),
           coalesce(sum(greatest(ledger.figure(b.body, 'insurance_before')
                               - ledger.figure(b.body, 'insurance_after'), 0)), 0),
           coalesce(sum(greatest(ledger.figure(b.body, 'deficit_before')
                               - ledger.figure(b.body, 'deficit_after'), 0)), 0)
      FROM ledger.record r
     CROSS JOIN LATERAL (SELECT ledger.figures(r.body) AS body OFFSET 0) b
     WHERE r.shard = %(shard)s AND r.sequence <= %(sequence)s
       AND r.kind IN ('fund', 'deleveraging', 'deleveraged')
     GROUP BY r.sequence ORDER BY r.sequence"""
_POSTED = """
    SELECT p.sequence,
           ledger.natural_units(coalesce(sum(p.amount)
               FILTER (WHERE a.kind = 'insurance'), 0), c.scale),
           ledger.natural_units(coalesce(sum(p.amount)
               FILTER (WHERE a.kind = 'deficit'), 0), c.scale)
      FROM ledger.account a
      JOIN ledger.posting p ON p.shard = a.shard AND p.account = a.account
       AND p.account BETWEEN a.account AND a.account AND p.sequence <= %(sequence)s
      JOIN ledger.commodity c ON c.shard = p.shard AND c.commodity = p.commodity
     WHERE a.shard = %(shard)s AND a.kind IN ('insurance', 'deficit')
     GROUP BY p.sequence, c.scale ORDER BY p.sequence"""
_TAKEN = """
    SELECT p.sequence, ledger.natural_units(sum(p.amount), c.scale)
      FROM unnest(%(sequences)s::bigint[]) AS s(sequence)
      JOIN ledger.posting p ON p.shard = %(shard)s AND p.sequence = s.sequence
       AND p.purpose = %(deleveraging)s
      JOIN ledger.account a ON a.shard = p.shard AND a.account = p.account
       AND a.kind = 'variation' AND a.owner <> '@liquidation'
      JOIN ledger.commodity c ON c.shard = p.shard AND c.commodity = p.commodity
     GROUP BY p.sequence, c.scale"""
_EVENT_IDS = """
    SELECT sequence, event_id FROM ledger.event
     WHERE shard = %(shard)s AND sequence = ANY (%(sequences)s::bigint[])"""
_OFFSETS = """
    SELECT s.cluster, s.topic_id, s.topic, o.partition, max(o.next_offset)
      FROM ledger.source_offset o JOIN ledger.source s USING (source)
     WHERE s.cluster <> 'file'
       AND o.partition IN (SELECT partition FROM ledger.source_offset WHERE shard = %(shard)s)
     GROUP BY s.source, s.cluster, s.topic_id, s.topic, o.partition
     ORDER BY s.topic COLLATE "C", s.source DESC, o.partition"""
_TRADE_IDS = """
    SELECT t.instrument, t.trade_id::bigint
      FROM ledger.event e
     CROSS JOIN LATERAL json_to_record(ledger.content(e.raw, e.rejection))
            AS t(trade_id text, instrument text)
     WHERE e.shard = %(shard)s AND e.sequence <= %(sequence)s AND e.kind = 'trade'
       AND e.rejection IS NULL AND t.trade_id ~ '^[0-9]{1,18}$'"""


class CommoditySums(NamedTuple):
    """Balances of one commodity, natural units; `total` is that of all its `accounts`."""

    commodity: str
    accounts: int
    total: Decimal
    custody: Decimal
    participants: Decimal
    house: Decimal
    is_asset: bool


class FundingSums(NamedTuple):
    """Funding of one instrument: all positive; `rounding` is what the house kept, signed."""

    instrument: str
    asset: str
    events: int
    received: Decimal
    paid: Decimal
    rounding: Decimal


class DefaultSums(NamedTuple):
    """What one event moved on the fund and by deleveraging, as told and as posted.

    Attributes:
        amount: Told change of the fund as a whole; negative is a loss.
        insurance, deficit, deleveraged: Told by records.
        absorbed: Losses that deleveraged positions took, told.
        lost, drawn, opened: Told losses of the fund, none set off against gains; what of them the
            insurance paid, and what opened deficits.
        posted_insurance, posted_deficit, posted_deleveraged: The same by postings.
    """

    sequence: int
    amount: Decimal
    insurance: Decimal
    deficit: Decimal
    deleveraged: Decimal
    absorbed: Decimal
    lost: Decimal
    drawn: Decimal
    opened: Decimal
    posted_insurance: Decimal
    posted_deficit: Decimal
    posted_deleveraged: Decimal


class Taken(NamedTuple):
    """How far the books have taken a partition of a topic: `next_offset` is what they expect."""

    cluster: str
    topic_id: str
    topic: str
    partition: int
    next_offset: int


def commodity_sums(books: OurBooks) -> list[CommoditySums]:
    """Sums of balances, by commodity."""
    rows = books.connection.execute(_COMMODITIES, _named(books))
    return [CommoditySums._make(row) for row in rows]


def funding_sums(books: OurBooks) -> list[FundingSums]:
    """Sums of funding, by instrument."""
    purposes = {"funding": int(Purpose.FUNDING), "rounding": int(Purpose.ROUNDING)}
    rows = books.connection.execute(_FUNDING, _named(books) | purposes)
    return [FundingSums._make(row) for row in rows]


def default_sums(books: OurBooks) -> list[DefaultSums]:
    """What records tell and postings moved of the fund, event by event, in order."""
    named = _named(books)
    told = {row[0]: row for row in books.connection.execute(_TOLD, named)}
    posted = {row[0]: row for row in books.connection.execute(_POSTED, named)}
    named |= {"sequences": list(told), "deleveraging": int(Purpose.DELEVERAGING)}
    taken = {row[0]: row[1] for row in books.connection.execute(_TAKEN, named)}
    zero = Decimal(0)
    found = []
    for at in sorted(told.keys() | posted.keys()):
        of_records = told.get(at, (at, *(zero,) * 8))
        _, insurance, deficit = posted.get(at, (at, zero, zero))
        posts = (insurance, deficit, taken.get(at, zero))
        found.append(DefaultSums._make((*of_records, *posts)))
    return found


def event_ids(books: OurBooks, sequences: list[int]) -> dict[int, str]:
    """Event ids of these events."""
    named = _named(books) | {"sequences": sequences}
    return dict(books.connection.execute(_EVENT_IDS, named).fetchall())


def offsets_taken(books: OurBooks) -> list[Taken]:
    """Of the partitions that the pool's messages come from, how far any pool's books have come.

    By topic; of one that was made again under its name the newest first.
    """
    return [Taken._make(row) for row in books.connection.execute(_OFFSETS, _named(books))]


def numeric_trade_ids(books: OurBooks) -> Iterator[tuple[str, int]]:
    """Instrument and trade id of each trade whose id is a number, in no order."""
    with books.connection.cursor(binary=True) as cursor:
        yield from cursor.stream(_TRADE_IDS, _named(books), size=STREAMED_ROWS)


def _named(books: OurBooks) -> dict[str, object]:
    return {"pool": books.pool, "shard": books.shard, "sequence": books.sequence}
