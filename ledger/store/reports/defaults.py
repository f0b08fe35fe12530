"""What a pool's funding and its default waterfall did in a period, row by row."""

from collections.abc import Iterator

from ledger.store.reports.books import STREAMED_ROWS, ReportBooks, Row

_FUNDING = """
    SELECT p.sequence, e.occurred_at, e.event_id, e.content ->> 'instrument',
           trim_scale((e.content ->> 'rate')::numeric),
           trim_scale((e.content ->> 'mark_price')::numeric),
           p.holders, ledger.natural_units(p.paid, a.scale),
           ledger.natural_units(p.received, a.scale), ledger.natural_units(p.rounding, a.scale)
      FROM (SELECT o.sequence, count(*) FILTER (WHERE o.purpose = 6) AS holders,
                   coalesce(-sum(least(o.amount, 0)) FILTER (WHERE o.purpose = 6), 0) AS paid,
                   coalesce(sum(greatest(o.amount, 0)) FILTER (WHERE o.purpose = 6), 0) AS received,
                   coalesce(sum(o.amount) FILTER (WHERE o.purpose = 9), 0) AS rounding
              FROM ledger.posting o
             WHERE o.shard = %(shard)s AND o.sequence > %(opening)s AND o.sequence <= %(closing)s
               AND o.purpose IN (6, 9)
             GROUP BY o.sequence) p
     CROSS JOIN LATERAL (SELECT x.kind, x.occurred_at, x.event_id,
                                ledger.content(x.raw, x.rejection) AS content
                           FROM ledger.event x
                          WHERE x.shard = %(shard)s AND x.sequence = p.sequence OFFSET 0) e
     CROSS JOIN ledger.settlement_of(%(shard)s) a
     WHERE e.kind = 'funding_rate'
     ORDER BY p.sequence"""
_FUND = """
    SELECT f.sequence, e.occurred_at, f.subject, b.body ->> 'cause', b.body ->> 'liquidation_id',
           b.body ->> 'instrument',
           trim_scale(m.insurance_after - m.insurance_before), m.insurance_after,
           trim_scale(m.deficit_after - m.deficit_before), m.deficit_after
      FROM ledger.record f
     CROSS JOIN LATERAL (SELECT ledger.figures(f.body) AS body OFFSET 0) b
     CROSS JOIN LATERAL (SELECT ledger.figure(b.body, 'insurance_before') AS insurance_before,
                                ledger.figure(b.body, 'insurance_after') AS insurance_after,
                                ledger.figure(b.body, 'deficit_before') AS deficit_before,
                                ledger.figure(b.body, 'deficit_after') AS deficit_after OFFSET 0) m
     CROSS JOIN LATERAL (SELECT x.occurred_at FROM ledger.event x
                          WHERE x.shard = %(shard)s AND x.sequence = f.sequence OFFSET 0) e
     WHERE f.shard = %(shard)s AND f.kind = 'fund'
       AND f.sequence > %(opening)s AND f.sequence <= %(closing)s
     ORDER BY f.sequence, f.line"""
_TAKEOVERS = """
    SELECT t.sequence, e.occurred_at, t.subject, b.body ->> 'account', b.body ->> 'instrument',
           ledger.figure(b.body, 'quantity'), ledger.figure(b.body, 'mark_price'),
           ledger.figure(b.body, 'takeover_price'), ledger.figure(b.body, 'equity'),
           ledger.figure(b.body, 'maintenance_margin'), ledger.figure(b.body, 'takeover_value'),
           ledger.figure(b.body, 'share'), ledger.figure(b.body, 'penalty')
      FROM ledger.record t
     CROSS JOIN LATERAL (SELECT ledger.figures(t.body) AS body OFFSET 0) b
     CROSS JOIN LATERAL (SELECT x.occurred_at FROM ledger.event x
                          WHERE x.shard = %(shard)s AND x.sequence = t.sequence OFFSET 0) e
     WHERE t.shard = %(shard)s AND t.kind = 'takeover'
       AND t.sequence > %(opening)s AND t.sequence <= %(closing)s
     ORDER BY t.sequence, t.line"""
_DELEVERAGED = """
    SELECT d.sequence, e.occurred_at, d.subject, b.body ->> 'liquidation_id',
           b.body ->> 'account', b.body ->> 'instrument', (b.body ->> 'rank')::bigint,
           ledger.figure(b.body, 'quantity'), ledger.figure(b.body, 'price'),
           ledger.figure(b.body, 'realized_pnl')
      FROM ledger.record d
     CROSS JOIN LATERAL (SELECT ledger.figures(d.body) AS body OFFSET 0) b
     CROSS JOIN LATERAL (SELECT x.occurred_at FROM ledger.event x
                          WHERE x.shard = %(shard)s AND x.sequence = d.sequence OFFSET 0) e
     WHERE d.shard = %(shard)s AND d.kind = 'deleveraged'
       AND d.sequence > %(opening)s AND d.sequence <= %(closing)s
     ORDER BY d.sequence, d.line"""


def funding(books: ReportBooks) -> Iterator[Row]:
    """Funding payments, a row an event.

    Returns:
        sequence, occurred at, event id, instrument, rate, mark, holders, paid and received (both
        positive), rounding (what it left over). Paid less received is the rounding.
    """
    with books.connection.cursor() as cursor:
        yield from cursor.stream(_FUNDING, books.named, size=STREAMED_ROWS)


def fund(books: ReportBooks) -> Iterator[Row]:
    """Movements of the insurance fund and of losses that nothing covered, in their order.

    Returns:
        sequence, occurred at, id, cause, liquidation, instrument, change of the fund, fund, change
        of the deficit, deficit (zero or negative).
    """
    with books.connection.cursor() as cursor:
        yield from cursor.stream(_FUND, books.named, size=STREAMED_ROWS)


def takeovers(books: ReportBooks) -> Iterator[Row]:
    """Positions taken over from liquidated accounts, in their order.

    Returns:
        sequence, occurred at, liquidation, account, instrument, contracts (signed), mark, takeover
        price, equity and maintenance margin just before, takeover value, share, penalty.
    """
    with books.connection.cursor() as cursor:
        yield from cursor.stream(_TAKEOVERS, books.named, size=STREAMED_ROWS)


def deleveraged(books: ReportBooks) -> Iterator[Row]:
    """Positions closed by auto-deleveraging, in their order.

    Returns:
        sequence, occurred at, deleveraging, liquidation, account, instrument, rank, contracts
        (positive), price, realized P&L.
    """
    with books.connection.cursor() as cursor:
        yield from cursor.stream(_DELEVERAGED, books.named, size=STREAMED_ROWS)
