-- What happened, row by row.
--
-- These views hold their pace on a database that was never analyzed. There the planner takes any
-- equality for one row in 200, multiplies that for every table joined on the shard, and reads a whole
-- shard for each of the "few" rows. Two turns of phrase keep it right:
--   LATERAL (... OFFSET 0)        looked up by its key for each row, never by the shard alone
--   coalesce(<equality>, false)   the same filter, taken for one row in two

CREATE VIEW reporting.postings AS
SELECT s.name AS pool, p.sequence, p.line, e.event_id, e.kind, e.occurred_at, a.owner AS account,
       a.kind AS account_kind, a.instrument, coalesce(c.asset, c.instrument) AS commodity,
       ledger.natural_units(p.amount, c.scale) AS amount,
       ledger.natural_units(p.balance, c.scale) AS balance
  FROM ledger.shard s
  JOIN ledger.posting p ON p.shard = s.shard
  JOIN ledger.event e ON e.shard = s.shard AND e.sequence = p.sequence
  JOIN ledger.account a ON a.shard = s.shard AND a.account = p.account
  JOIN ledger.commodity c ON c.shard = s.shard AND c.commodity = p.commodity;

CREATE VIEW reporting.trades AS
SELECT e.pool, e.sequence, e.event_id, e.content ->> 'trade_id' AS trade_id, e.occurred_at,
       e.content ->> 'instrument' AS instrument,
       trim_scale((e.content ->> 'price')::numeric) AS price,
       trim_scale((e.content ->> 'quantity')::numeric) AS quantity,
       e.content ->> 'buyer' AS buyer, e.content ->> 'seller' AS seller,
       trim_scale((e.content ->> 'buyer_fee')::numeric) AS buyer_fee,
       trim_scale((e.content ->> 'seller_fee')::numeric) AS seller_fee,
       e.content ->> 'liquidation_id' AS liquidation_id, bust.event_id AS busted_by
  FROM (SELECT s.name AS pool, s.shard, t.sequence, t.event_id, t.occurred_at,
               ledger.content(t.raw, t.rejection) AS content
          FROM ledger.shard s JOIN ledger.event t ON t.shard = s.shard
         WHERE t.kind = 'trade' AND t.rejection IS NULL) e
  LEFT JOIN LATERAL (SELECT b.event_id FROM ledger.record r
                       JOIN ledger.event b ON b.shard = r.shard AND b.sequence = r.sequence
                      WHERE r.shard = e.shard AND r.kind = 'trade_bust' AND r.subject = e.event_id
                      ORDER BY r.sequence LIMIT 1) bust ON true;

-- Cash of `@liquidation` by event and purpose. It has no wallet: the fund pays and receives for it.
CREATE VIEW ledger.cash_of_liquidation AS
SELECT s.shard, s.name AS pool, p.sequence, p.purpose, '@liquidation' AS account, c.asset,
       ledger.natural_units(sum(p.amount), c.scale) AS amount
  FROM ledger.shard s
  JOIN ledger.account a ON a.shard = s.shard AND a.owner = '@house'
   AND a.kind IN ('insurance', 'deficit')
  JOIN ledger.posting p ON p.shard = a.shard AND p.account = a.account
   AND p.account BETWEEN a.account AND a.account -- as in `account_at`
   AND coalesce(p.purpose IN (5, 6), false)
 CROSS JOIN LATERAL (SELECT k.asset, k.scale FROM ledger.commodity k
                      WHERE k.shard = a.shard AND k.commodity = p.commodity OFFSET 0) c
 GROUP BY s.shard, s.name, p.sequence, p.purpose, c.asset, c.scale;

-- The position is that before the event: its own defaults come after the payments.
CREATE VIEW reporting.funding_payments AS
SELECT p.pool, p.sequence, e.event_id, e.occurred_at, p.account, e.content ->> 'instrument' AS instrument,
       trim_scale((e.content ->> 'rate')::numeric) AS rate,
       trim_scale((e.content ->> 'mark_price')::numeric) AS mark_price,
       (SELECT ledger.natural_units(held.balance, c.scale)
          FROM ledger.account q
          JOIN ledger.commodity c ON c.shard = p.shard AND c.instrument = q.instrument
          CROSS JOIN LATERAL ledger.account_at(p.shard, q.account, p.sequence - 1) held
         WHERE q.shard = p.shard AND q.owner = p.account AND q.kind = 'position'
           AND q.instrument = e.content ->> 'instrument') AS position,
       p.payment
  FROM (SELECT s.shard, s.name AS pool, o.sequence, a.owner AS account,
               ledger.natural_units(o.amount, c.scale) AS payment
          FROM ledger.shard s
          JOIN ledger.posting o ON o.shard = s.shard AND coalesce(o.purpose = 6, false)
          JOIN ledger.account a ON a.shard = o.shard AND a.account = o.account
           AND coalesce(a.kind IN ('wallet', 'isolated', 'suspense'), false)
         CROSS JOIN LATERAL (SELECT k.scale FROM ledger.commodity k
                              WHERE k.shard = o.shard AND k.commodity = o.commodity OFFSET 0) c
        UNION ALL
        SELECT f.shard, f.pool, f.sequence, f.account, f.amount
          FROM ledger.cash_of_liquidation f WHERE f.purpose = 6) p
 CROSS JOIN LATERAL (SELECT x.event_id, x.occurred_at, ledger.content(x.raw, x.rejection) AS content
                       FROM ledger.event x
                      WHERE x.shard = p.shard AND x.sequence = p.sequence OFFSET 0) e;

-- The instrument is that of the first contracts that the event moved: the trade's own.
CREATE VIEW reporting.fees AS
SELECT p.pool, p.sequence, e.event_id, e.occurred_at, p.account,
       (SELECT k.instrument FROM ledger.posting o
          JOIN ledger.commodity k ON k.shard = p.shard AND k.commodity = o.commodity
         WHERE o.shard = p.shard AND o.sequence = p.sequence AND k.instrument IS NOT NULL
         ORDER BY o.line LIMIT 1) AS instrument,
       p.asset, p.fee
  FROM (SELECT s.shard, s.name AS pool, o.sequence, a.owner AS account, c.asset,
               ledger.natural_units(-o.amount, c.scale) AS fee
          FROM ledger.shard s
          JOIN ledger.posting o ON o.shard = s.shard AND coalesce(o.purpose = 5, false)
          JOIN ledger.account a ON a.shard = o.shard AND a.account = o.account AND a.kind = 'wallet'
         CROSS JOIN LATERAL (SELECT k.asset, k.scale FROM ledger.commodity k
                              WHERE k.shard = o.shard AND k.commodity = o.commodity OFFSET 0) c
        UNION ALL
        SELECT f.shard, f.pool, f.sequence, f.account, f.asset, -f.amount
          FROM ledger.cash_of_liquidation f WHERE f.purpose = 5) p
 CROSS JOIN LATERAL (SELECT v.event_id, v.occurred_at FROM ledger.event v
                      WHERE v.shard = p.shard AND v.sequence = p.sequence OFFSET 0) e;

CREATE VIEW reporting.realized_pnl AS
SELECT s.name AS pool, p.sequence, e.event_id, e.occurred_at, a.owner AS account, a.instrument,
       ledger.natural_units(-sum(p.amount), c.scale) AS realized_pnl
  FROM ledger.shard s
  JOIN ledger.posting p ON p.shard = s.shard AND coalesce(p.purpose = 4, false)
  JOIN ledger.account a ON a.shard = p.shard AND a.account = p.account AND coalesce(a.kind = 'variation', false)
  CROSS JOIN LATERAL (SELECT k.asset, k.scale FROM ledger.commodity k
                       WHERE k.shard = p.shard AND k.commodity = p.commodity OFFSET 0) c
  CROSS JOIN LATERAL (SELECT v.event_id, v.occurred_at FROM ledger.event v
                       WHERE v.shard = p.shard AND v.sequence = p.sequence OFFSET 0) e
 GROUP BY s.name, p.sequence, e.event_id, e.occurred_at, a.owner, a.instrument, c.scale;

CREATE VIEW reporting.rejections AS
SELECT s.name AS pool, e.sequence, e.event_id, e.kind, e.rejection AS code, e.detail
  FROM ledger.shard s JOIN ledger.event e ON e.shard = s.shard
 WHERE e.rejection IS NOT NULL;
