"""Who holds what of a pool at the close: open interest, largest accounts, all margin together."""

from ledger.store.reports.books import ReportBooks, Row

_OPEN_INTEREST = """
    SELECT h.instrument, count(*) FILTER (WHERE h.balance > 0),
           count(*) FILTER (WHERE h.balance < 0),
           ledger.natural_units(coalesce(sum(h.balance) FILTER (WHERE h.balance > 0), 0), h.scale),
           ledger.natural_units(coalesce(-sum(h.balance) FILTER (WHERE h.balance < 0), 0), h.scale),
           trim_scale(t.mark_price),
           trim_scale(sum(ledger.decimal_of(
               CASE t.type WHEN 'linear' THEN q.contracts * t.multiplier * t.mark_price
                           ELSE q.contracts * t.multiplier END,
               CASE t.type WHEN 'linear' THEN 1 ELSE t.mark_price END, s.scale))
               FILTER (WHERE h.balance > 0 AND t.mark_price IS NOT NULL))
      FROM (SELECT a.instrument,
                   (SELECT c.scale::integer FROM ledger.commodity c
                     WHERE c.shard = %(shard)s AND c.asset IS NULL
                       AND c.instrument = a.instrument) AS scale,
                   coalesce((SELECT p.balance FROM ledger.posting p
                              WHERE p.shard = %(shard)s AND p.account = a.account
                                AND p.account BETWEEN a.account AND a.account
                                AND p.sequence <= %(at)s
                              ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1),
                            (SELECT past.balance
                               FROM ledger.account_at(%(shard)s, a.account, %(at)s) past))
                   AS balance
              FROM ledger.account a
             WHERE a.shard = %(shard)s AND a.kind = 'position' OFFSET 0) h
     CROSS JOIN LATERAL (SELECT abs(ledger.natural_units(h.balance, h.scale)) AS contracts) q
     CROSS JOIN (SELECT c.instrument, r.content ->> 'type' AS type,
                        (r.content ->> 'multiplier')::numeric AS multiplier,
                        (m.body ->> 'mark_price')::numeric AS mark_price
                   FROM ledger.commodity c
                  CROSS JOIN LATERAL ledger.reference_at(c.shard, 'instrument', c.instrument,
                                                         %(at)s) r
                   LEFT JOIN LATERAL ledger.recorded_at(c.shard, 'mark', c.instrument, %(at)s) m
                          ON true
                  WHERE c.shard = %(shard)s AND c.instrument IS NOT NULL OFFSET 0) t
     CROSS JOIN ledger.settlement_of(%(shard)s) s
     WHERE t.instrument = h.instrument AND h.balance <> 0
     GROUP BY h.instrument, h.scale, t.mark_price
     ORDER BY h.instrument COLLATE "C" """
_LARGEST = """
    SELECT account, instrument, collateral, unrealized_pnl, equity, initial_margin,
           maintenance_margin, free_collateral,
           count(*) OVER (), sum(collateral) OVER (), sum(unrealized_pnl) OVER (),
           sum(equity) OVER (), sum(initial_margin) OVER (), sum(maintenance_margin) OVER (),
           count(*) FILTER (WHERE equity < 0) OVER (),
           count(*) FILTER (WHERE equity < initial_margin) OVER (),
           count(*) FILTER (WHERE equity < maintenance_margin) OVER ()
      FROM reporting.margin_at(%(pool)s, %(closing)s::bigint)
     ORDER BY equity DESC, account COLLATE "C", instrument COLLATE "C" NULLS FIRST
     LIMIT %(accounts)s"""


def open_interest(books: ReportBooks, at: int) -> list[Row]:
    """Open contracts by instrument after an event.

    Returns:
        instrument, holders long, holders short, contracts long, contracts short (both positive),
        mark (None before the first), notional of the longs in the settlement asset, each position
        rounded half-even.
    """
    return books.connection.execute(_OPEN_INTEREST, {**books.named, "at": at}).fetchall()


def largest(books: ReportBooks, accounts: int) -> list[Row]:
    """The margin accounts of the most equity at the close, and what all of them come to.

    Returns:
        account, instrument (of an isolated position; None of a cross account), collateral,
        unrealized P&L, equity, initial margin, maintenance margin, free collateral; then, in every
        row the same, of all: how many, collateral, unrealized P&L, equity, initial margin,
        maintenance margin, how many of negative equity, under initial, under maintenance margin.
    """
    return books.connection.execute(_LARGEST, {**books.named, "accounts": accounts}).fetchall()
