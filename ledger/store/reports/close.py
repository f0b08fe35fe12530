"""What the daily close of a pool is made of: balances, movements, profits, funding, the fund.

Holders: `participants` together, `@house`, `@liquidation`. Each function gives rows as tuples, in
the order of its docstring.
"""

from collections.abc import Iterator

from ledger.store.reports.books import STREAMED_ROWS, ReportBooks, Row

_BALANCES = """
    SELECT commodity, unit, holder, kind, count(*) FILTER (WHERE balance <> 0),
           ledger.natural_units(sum(balance), min(scale)),
           ledger.natural_units(-sum(least(balance, 0)), min(scale)),
           ledger.natural_units(sum(greatest(balance, 0)), min(scale))
      FROM (SELECT coalesce(a.asset, a.instrument) AS commodity, a.kind,
                   CASE WHEN a.asset IS NULL THEN 'contracts' ELSE 'asset' END AS unit,
                   CASE WHEN a.owner LIKE '@%%' THEN a.owner ELSE 'participants' END AS holder,
                   (SELECT c.scale::integer FROM ledger.commodity c
                     WHERE c.shard = %(shard)s AND c.asset IS NOT DISTINCT FROM a.asset
                       AND c.instrument IS NOT DISTINCT FROM
                           CASE WHEN a.asset IS NULL THEN a.instrument END) AS scale,
                   coalesce((SELECT p.balance FROM ledger.posting p
                              WHERE p.shard = %(shard)s AND p.account = a.account
                                AND p.account BETWEEN a.account AND a.account
                                AND p.sequence <= %(at)s
                              ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1),
                            (SELECT past.balance
                               FROM ledger.account_at(%(shard)s, a.account, %(at)s) past))
                   AS balance
              FROM ledger.account a WHERE a.shard = %(shard)s OFFSET 0) held
     WHERE balance IS NOT NULL
     GROUP BY commodity, unit, holder, kind
     ORDER BY unit, commodity COLLATE "C", holder COLLATE "C", kind COLLATE "C" """
_MOVEMENTS = """
    SELECT coalesce(a.asset, a.instrument) AS commodity,
           CASE WHEN a.asset IS NULL THEN 'contracts' ELSE 'asset' END AS unit,
           CASE WHEN a.owner LIKE '@%%' THEN a.owner ELSE 'participants' END AS holder, a.kind,
           p.purpose, sum(p.postings)::bigint,
           ledger.natural_units(sum(p.debit), min(p.scale)),
           ledger.natural_units(sum(p.credit), min(p.scale))
      FROM (SELECT o.account, o.purpose, count(*) AS postings, -sum(least(o.amount, 0)) AS debit,
                   sum(greatest(o.amount, 0)) AS credit,
                   (SELECT c.scale::integer FROM ledger.commodity c
                     WHERE c.shard = %(shard)s AND c.commodity = o.commodity) AS scale
              FROM ledger.posting o
             WHERE o.shard = %(shard)s AND o.sequence > %(opening)s AND o.sequence <= %(closing)s
             GROUP BY o.account, o.purpose, o.commodity) p
     CROSS JOIN LATERAL (SELECT r.* FROM ledger.account r
                          WHERE r.shard = %(shard)s AND r.account = p.account OFFSET 0) a
     GROUP BY 1, 2, 3, 4, 5
     ORDER BY 2, 1, 3, 4, 5"""
_PROFITS_OF = """
    SELECT account, instrument, realized_pnl, settled, funding, fees, covered,
           trim_scale(realized_pnl + settled + funding - fees + covered) AS net
      FROM (SELECT account, instrument,
                   ledger.natural_units(coalesce(sum(units) FILTER (WHERE purpose = 4), 0), scale)
                   AS realized_pnl,
                   ledger.natural_units(coalesce(sum(units) FILTER (WHERE purpose = 7), 0), scale)
                   AS settled,
                   ledger.natural_units(coalesce(sum(units) FILTER (WHERE purpose = 6), 0), scale)
                   AS funding,
                   ledger.natural_units(coalesce(-sum(units) FILTER (WHERE purpose = 5), 0), scale)
                   AS fees,
                   ledger.natural_units(coalesce(sum(units) FILTER (WHERE purpose IN (14, 16)), 0),
                                        scale) AS covered
              FROM (SELECT a.owner AS account, a.instrument, p.purpose, -p.units AS units
                      FROM (SELECT o.account, o.purpose, sum(o.amount) AS units
                              FROM ledger.posting o
                             WHERE o.shard = %(shard)s AND o.sequence > %(opening)s
                               AND o.sequence <= %(closing)s AND o.purpose IN (4, 7)
                               {accounts}
                             GROUP BY o.account, o.purpose) p
                     CROSS JOIN LATERAL (SELECT r.* FROM ledger.account r
                                          WHERE r.shard = %(shard)s AND r.account = p.account
                                          OFFSET 0) a
                     WHERE a.kind = 'variation'
                    UNION ALL
                    SELECT CASE WHEN a.kind IN ('insurance', 'deficit') THEN '@liquidation'
                                ELSE a.owner END, p.instrument, p.purpose, p.units
                      FROM (SELECT o.account, o.purpose, sum(o.amount) AS units,
                                   CASE o.purpose
                                        WHEN 5 THEN (SELECT k.instrument FROM ledger.posting l
                                                       JOIN ledger.commodity k
                                                         ON k.shard = %(shard)s
                                                        AND k.commodity = l.commodity
                                                      WHERE l.shard = %(shard)s
                                                        AND l.sequence = o.sequence
                                                        AND k.instrument IS NOT NULL
                                                      ORDER BY l.line LIMIT 1)
                                        WHEN 6 THEN (SELECT ledger.content(e.raw, e.rejection)
                                                            ->> 'instrument'
                                                       FROM ledger.event e
                                                      WHERE e.shard = %(shard)s
                                                        AND e.sequence = o.sequence)
                                   END AS instrument
                              FROM ledger.posting o
                             WHERE o.shard = %(shard)s AND o.sequence > %(opening)s
                               AND o.sequence <= %(closing)s AND o.purpose IN (5, 6, 14, 16)
                               {accounts}
                             GROUP BY 1, 2, 4) p
                     CROSS JOIN LATERAL (SELECT r.* FROM ledger.account r
                                          WHERE r.shard = %(shard)s AND r.account = p.account
                                          OFFSET 0) a
                     WHERE a.kind IN ('wallet', 'isolated', 'suspense')
                        OR (p.purpose IN (5, 6) AND a.kind IN ('insurance', 'deficit'))) moved
             CROSS JOIN ledger.settlement_of(%(shard)s)
             GROUP BY account, instrument, scale) whole
     ORDER BY abs(realized_pnl + settled + funding - fees + covered) DESC, account COLLATE "C",
              instrument COLLATE "C" NULLS FIRST"""
_PROFITS = _PROFITS_OF.replace("{accounts}", "")
PROFITS_OF_ACCOUNTS = _PROFITS_OF.replace("{accounts}", "AND o.account = ANY(%(accounts)s)")
"""The same columns, of the accounts of one owner; the list of them is bound to it."""

_VOLUME = """
    SELECT instrument, count(*),
           ledger.natural_units(sum(contracts), min(scale))
      FROM (SELECT o.sequence, o.commodity, sum(o.amount) AS contracts
              FROM ledger.posting o
             WHERE o.shard = %(shard)s AND o.sequence > %(opening)s AND o.sequence <= %(closing)s
               AND o.purpose = 3 AND o.amount > 0
               AND o.sequence NOT IN (SELECT r.sequence FROM ledger.record r
                                       WHERE r.shard = %(shard)s AND r.kind = 'trade_bust'
                                         AND r.sequence > %(opening)s AND r.sequence <= %(closing)s)
             GROUP BY o.sequence, o.commodity) t
     CROSS JOIN LATERAL (SELECT c.instrument, c.scale::integer FROM ledger.commodity c
                          WHERE c.shard = %(shard)s AND c.commodity = t.commodity OFFSET 0) k
     WHERE k.instrument IS NOT NULL
     GROUP BY instrument ORDER BY instrument COLLATE "C" """
_EVENTS = """
    SELECT coalesce(kind, 'undecoded'), count(*) FILTER (WHERE rejection IS NULL),
           count(*) FILTER (WHERE rejection IS NOT NULL)
      FROM ledger.event
     WHERE shard = %(shard)s AND sequence > %(opening)s AND sequence <= %(closing)s
     GROUP BY 1 ORDER BY 1"""
_REFUSED = """
    SELECT rejection, count(*), min(sequence), max(sequence) FROM ledger.event
     WHERE shard = %(shard)s AND sequence > %(opening)s AND sequence <= %(closing)s
       AND rejection IS NOT NULL
     GROUP BY 1 ORDER BY 1"""


def balances(books: ReportBooks, at: int) -> list[Row]:
    """Balances of each line of the chart of accounts after an event, house and participants apart.

    Returns:
        commodity, unit (asset or contracts), holder, kind, accounts with a balance, balance,
        debit, credit; the last two sum negative and positive balances, and are positive.
    """
    return books.connection.execute(_BALANCES, {**books.named, "at": at}).fetchall()


def movements(books: ReportBooks) -> list[Row]:
    """What moved on each line of the chart, by purpose.

    Returns:
        commodity, unit, holder, kind, purpose (its number), postings, debit, credit; both positive.
    """
    return books.connection.execute(_MOVEMENTS, books.named).fetchall()


def profits(books: ReportBooks) -> Iterator[Row]:
    """Profit and loss of each holder by instrument, the largest net first, in settlement asset.

    Returns:
        account, instrument (None: of the account as a whole), realized, settled (variation that
        periodic settlements paid out), funding, fees (paid: positive), covered (made whole, less
        losses shared out), net.
    """
    with books.connection.cursor() as cursor:
        yield from cursor.stream(_PROFITS, books.named, size=STREAMED_ROWS)


def volume(books: ReportBooks) -> list[Row]:
    """Trades by instrument, busts left out: instrument, trades, contracts."""
    return books.connection.execute(_VOLUME, books.named).fetchall()


def events(books: ReportBooks) -> list[Row]:
    """Messages of the period: kind, accepted, refused."""
    return books.connection.execute(_EVENTS, books.named).fetchall()


def refused(books: ReportBooks) -> list[Row]:
    """Why messages were refused: code, how many, first and last sequence."""
    return books.connection.execute(_REFUSED, books.named).fetchall()
