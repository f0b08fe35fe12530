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

CREATE VIEW reporting.funding_payments AS
SELECT e.pool, e.sequence, e.event_id, e.occurred_at, e.account, e.content ->> 'instrument' AS instrument,
       trim_scale((e.content ->> 'rate')::numeric) AS rate,
       trim_scale((e.content ->> 'mark_price')::numeric) AS mark_price,
       (SELECT ledger.natural_units(held.balance, c.scale)
          FROM ledger.account q
          JOIN ledger.commodity c ON c.shard = e.shard AND c.instrument = q.instrument
          CROSS JOIN LATERAL ledger.account_at(e.shard, q.account, e.sequence) held
         WHERE q.shard = e.shard AND q.owner = e.account AND q.kind = 'position'
           AND q.instrument = e.content ->> 'instrument') AS position,
       e.payment
  FROM (SELECT s.shard, s.name AS pool, p.sequence, v.event_id, v.occurred_at, a.owner AS account,
               ledger.content(v.raw, v.rejection) AS content,
               ledger.natural_units(p.amount, c.scale) AS payment
          FROM ledger.shard s
          JOIN ledger.posting p ON p.shard = s.shard AND coalesce(p.purpose = 6, false)
          JOIN ledger.account a ON a.shard = p.shard AND a.account = p.account
           AND coalesce(a.kind IN ('wallet', 'isolated', 'suspense', 'insurance'), false)
         CROSS JOIN LATERAL (SELECT k.scale FROM ledger.commodity k
                              WHERE k.shard = p.shard AND k.commodity = p.commodity OFFSET 0) c
         CROSS JOIN LATERAL (SELECT x.event_id, x.occurred_at, x.raw, x.rejection
                               FROM ledger.event x
                              WHERE x.shard = p.shard AND x.sequence = p.sequence OFFSET 0) v) e;

CREATE VIEW reporting.fees AS
SELECT s.name AS pool, p.sequence, e.event_id, e.occurred_at, a.owner AS account,
       (SELECT k.instrument FROM ledger.posting o
          JOIN ledger.commodity k ON k.shard = s.shard AND k.commodity = o.commodity
         WHERE o.shard = s.shard AND o.sequence = p.sequence AND k.instrument IS NOT NULL
         LIMIT 1) AS instrument,
       c.asset, ledger.natural_units(-p.amount, c.scale) AS fee
  FROM ledger.shard s
  JOIN ledger.posting p ON p.shard = s.shard AND coalesce(p.purpose = 5, false)
  JOIN ledger.account a ON a.shard = p.shard AND a.account = p.account AND a.kind <> 'fees'
  CROSS JOIN LATERAL (SELECT k.asset, k.scale FROM ledger.commodity k
                       WHERE k.shard = p.shard AND k.commodity = p.commodity OFFSET 0) c
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
