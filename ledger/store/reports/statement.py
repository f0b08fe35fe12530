"""What one participant had and did in a period: balances, movements, trades, funding, defaults.

Found by the owner's own accounts, so that it costs what the participant did, not what the pool did.
Positions and margin are those of `clearing statement`.
"""

from collections.abc import Iterator

from ledger.errors import ConfigurationError
from ledger.store.reports.account_statement import MARGIN, POSITIONS
from ledger.store.reports.books import STREAMED_ROWS, ReportBooks, Row
from ledger.store.reports.close import PROFITS_OF_ACCOUNTS

_ACCOUNTS = """
    SELECT array_agg(account ORDER BY account) FROM ledger.account
     WHERE shard = %(shard)s AND owner = %(account)s"""
_BALANCES = """
    SELECT h.kind, h.instrument, coalesce(h.asset, h.instrument),
           CASE WHEN h.asset IS NULL THEN 'contracts' ELSE 'asset' END,
           ledger.natural_units(h.opening, h.scale), ledger.natural_units(m.debit, h.scale),
           ledger.natural_units(m.credit, h.scale), ledger.natural_units(h.closing, h.scale)
      FROM (SELECT a.account, a.kind, a.instrument, a.asset,
                   (SELECT c.scale::integer FROM ledger.commodity c
                     WHERE c.shard = %(shard)s AND c.asset IS NOT DISTINCT FROM a.asset
                       AND c.instrument IS NOT DISTINCT FROM
                           CASE WHEN a.asset IS NULL THEN a.instrument END) AS scale,
                   coalesce((SELECT past.balance
                               FROM ledger.account_at(%(shard)s, a.account, %(opening)s) past), 0)
                   AS opening,
                   (SELECT past.balance
                      FROM ledger.account_at(%(shard)s, a.account, %(closing)s) past) AS closing
              FROM ledger.account a
             WHERE a.shard = %(shard)s AND a.owner = %(account)s OFFSET 0) h
     CROSS JOIN LATERAL (SELECT coalesce(-sum(least(p.amount, 0)), 0) AS debit,
                                coalesce(sum(greatest(p.amount, 0)), 0) AS credit
                           FROM ledger.posting p
                          WHERE p.shard = %(shard)s AND p.account = h.account
                            AND p.account BETWEEN h.account AND h.account
                            AND p.sequence > %(opening)s AND p.sequence <= %(closing)s) m
     WHERE h.closing IS NOT NULL
     ORDER BY h.kind = 'position', h.kind = 'variation', h.kind COLLATE "C" DESC,
              h.asset COLLATE "C", h.instrument COLLATE "C" """
_MOVEMENTS = """
    SELECT p.sequence, e.occurred_at, e.kind, e.event_id, p.purpose, a.kind, a.instrument,
           a.asset, ledger.natural_units(p.amount, c.scale),
           ledger.natural_units(p.balance, c.scale)
      FROM ledger.posting p
     CROSS JOIN LATERAL (SELECT r.kind, r.instrument, r.asset FROM ledger.account r
                          WHERE r.shard = %(shard)s AND r.account = p.account OFFSET 0) a
     CROSS JOIN LATERAL (SELECT k.scale::integer FROM ledger.commodity k
                          WHERE k.shard = %(shard)s AND k.commodity = p.commodity OFFSET 0) c
     CROSS JOIN LATERAL (SELECT x.kind, x.occurred_at, x.event_id FROM ledger.event x
                          WHERE x.shard = %(shard)s AND x.sequence = p.sequence OFFSET 0) e
     WHERE p.shard = %(shard)s AND p.account = ANY(%(accounts)s)
       AND p.sequence > %(opening)s AND p.sequence <= %(closing)s
       AND a.kind IN ('wallet', 'isolated', 'hold')
     ORDER BY p.sequence, p.line"""
_TRADES = """
    SELECT t.sequence, e.occurred_at, e.kind, e.event_id, e.content ->> 'trade_id', t.instrument,
           ledger.natural_units(t.contracts, t.scale),
           trim_scale((e.content ->> 'price')::numeric),
           ledger.natural_units(coalesce(f.fee, 0), s.scale)
      FROM (SELECT p.sequence, k.instrument, k.scale, sum(p.amount) AS contracts
              FROM ledger.posting p
             CROSS JOIN LATERAL (SELECT c.instrument, c.scale::integer FROM ledger.commodity c
                                  WHERE c.shard = %(shard)s AND c.commodity = p.commodity
                                  OFFSET 0) k
             WHERE p.shard = %(shard)s AND p.account = ANY(%(accounts)s)
               AND p.sequence > %(opening)s AND p.sequence <= %(closing)s
               AND p.purpose = 3 AND k.instrument IS NOT NULL
             GROUP BY p.sequence, k.instrument, k.scale) t
     CROSS JOIN LATERAL (SELECT x.kind, x.occurred_at, x.event_id,
                                ledger.content(x.raw, x.rejection) AS content
                           FROM ledger.event x
                          WHERE x.shard = %(shard)s AND x.sequence = t.sequence OFFSET 0) e
     CROSS JOIN LATERAL (SELECT -sum(o.amount) AS fee FROM ledger.posting o
                          WHERE o.shard = %(shard)s AND o.sequence = t.sequence
                            AND o.account = ANY(%(accounts)s) AND o.purpose = 5) f
     CROSS JOIN ledger.settlement_of(%(shard)s) s
     ORDER BY t.sequence"""
_FUNDING = """
    SELECT p.sequence, e.occurred_at, e.event_id, e.content ->> 'instrument',
           trim_scale((e.content ->> 'rate')::numeric),
           trim_scale((e.content ->> 'mark_price')::numeric),
           ledger.natural_units(sum(p.amount), min(s.scale))
      FROM ledger.posting p
     CROSS JOIN LATERAL (SELECT x.occurred_at, x.event_id,
                                ledger.content(x.raw, x.rejection) AS content
                           FROM ledger.event x
                          WHERE x.shard = %(shard)s AND x.sequence = p.sequence OFFSET 0) e
     CROSS JOIN ledger.settlement_of(%(shard)s) s
     WHERE p.shard = %(shard)s AND p.account = ANY(%(accounts)s)
       AND p.sequence > %(opening)s AND p.sequence <= %(closing)s AND p.purpose = 6
     GROUP BY 1, 2, 3, 4, 5, 6
     ORDER BY 1"""
_DEFAULTS = """
    SELECT r.sequence, e.occurred_at, r.kind, r.subject, b.body ->> 'instrument',
           ledger.figure(b.body, 'quantity'),
           coalesce(ledger.figure(b.body, 'takeover_price'), ledger.figure(b.body, 'price')),
           ledger.figure(b.body, 'realized_pnl'), ledger.figure(b.body, 'penalty')
      FROM (SELECT DISTINCT p.sequence FROM ledger.posting p
             WHERE p.shard = %(shard)s AND p.account = ANY(%(accounts)s)
               AND p.sequence > %(opening)s AND p.sequence <= %(closing)s
               AND p.purpose IN (12, 15)) d
     CROSS JOIN LATERAL (SELECT o.* FROM ledger.record o
                          WHERE o.shard = %(shard)s AND o.sequence = d.sequence
                            AND o.kind IN ('takeover', 'deleveraged') OFFSET 0) r
     CROSS JOIN LATERAL (SELECT ledger.figures(r.body) AS body OFFSET 0) b
     CROSS JOIN LATERAL (SELECT x.occurred_at FROM ledger.event x
                          WHERE x.shard = %(shard)s AND x.sequence = r.sequence OFFSET 0) e
     WHERE b.body ->> 'account' = %(account)s
     ORDER BY r.sequence, r.line"""


def find(books: ReportBooks, account: str) -> None:
    """Look for the accounts of a participant, for all that follows.

    Raises:
        ConfigurationError: It has none in this pool, or is the house.
    """
    if account.startswith("@"):
        raise ConfigurationError(
            f"{account} is no participant: its accounts are in `clearing report close`, and in"
            f" `clearing statement {account}`"
        )
    books.named["account"] = account
    row = books.connection.execute(_ACCOUNTS, books.named).fetchone()
    if row is None or row[0] is None:
        raise ConfigurationError(f"account {account} has no posting in pool {books.pool}")
    books.named["accounts"] = row[0]


def balances(books: ReportBooks) -> list[Row]:
    """Each account that was in use by the end.

    Returns:
        kind, instrument, commodity, unit (asset or contracts), opening, debit, credit (both
        positive), closing.
    """
    return books.connection.execute(_BALANCES, books.named).fetchall()


def movements(books: ReportBooks) -> Iterator[Row]:
    """Postings to wallets, isolated margins and holds, in their order.

    Returns:
        sequence, occurred at, kind of event, event id, purpose (its number), kind, instrument,
        asset, amount (signed), balance afterwards.
    """
    with books.connection.cursor() as cursor:
        yield from cursor.stream(_MOVEMENTS, books.named, size=STREAMED_ROWS)


def trades(books: ReportBooks) -> Iterator[Row]:
    """Trades and busts, in their order.

    Returns:
        sequence, occurred at, kind (trade or trade_bust), event id, trade id, instrument, contracts
        (bought positive), price (None of a bust), fee (paid positive).
    """
    with books.connection.cursor() as cursor:
        yield from cursor.stream(_TRADES, books.named, size=STREAMED_ROWS)


def funding(books: ReportBooks) -> Iterator[Row]:
    """Funding, in its order: sequence, occurred at, event id, instrument, rate, mark, received."""
    with books.connection.cursor() as cursor:
        yield from cursor.stream(_FUNDING, books.named, size=STREAMED_ROWS)


def defaults(books: ReportBooks) -> list[Row]:
    """Positions that were taken over or deleveraged, in their order.

    Returns:
        sequence, occurred at, kind (takeover or deleveraged), id, instrument, contracts (signed of
        a takeover), price, realized P&L, penalty (None of a deleveraging).
    """
    return books.connection.execute(_DEFAULTS, books.named).fetchall()


def profits(books: ReportBooks) -> list[Row]:
    """Profit and loss by instrument, columns as those of the close."""
    return books.connection.execute(PROFITS_OF_ACCOUNTS, books.named).fetchall()


def positions(books: ReportBooks) -> list[Row]:
    """Open positions at the end, columns as those of `clearing statement`."""
    return books.connection.execute(POSITIONS, books.named).fetchall()


def margin(books: ReportBooks) -> list[Row]:
    """Margin accounts at the end, columns as those of `clearing statement`."""
    return books.connection.execute(MARGIN, books.named).fetchall()
