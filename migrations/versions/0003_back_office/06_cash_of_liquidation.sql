-- The same rows, of which a range of events is now found by index.

CREATE OR REPLACE VIEW ledger.cash_of_liquidation AS
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
