-- The order in which open positions would be deleveraged, by the pool's policy, from the current books.
--
-- Scores are fractions of unrounded figures. They are put in order by their quotients to so many digits
-- that two different ones cannot agree: a/b and c/d differ by at least a unit of the last place of
-- (a*d - c*b), over b*d, and neither has more digits than the four numbers together.

CREATE FUNCTION ledger.deleveraging_score(
    policy text, unrealized numeric, cost numeric, notional numeric, denominator numeric,
    contracts numeric, equity numeric, maintenance numeric, balance numeric) RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- {numerator, denominator}; `unrealized` and `notional` are over `denominator`.
RETURN CASE policy
    WHEN 'bitmex' THEN
        CASE WHEN unrealized > 0
             THEN ARRAY[unrealized * notional, cost * equity * denominator * denominator]
             ELSE ARRAY[unrealized * equity, cost * notional] END
    WHEN 'binance' THEN
        ARRAY[greatest(unrealized, 0) * maintenance, denominator * greatest(balance, 1) * equity]
    WHEN 'hyperliquid' THEN
        ARRAY[(cost * denominator + unrealized) * notional, cost * denominator * denominator * equity]
    WHEN 'pro_rata' THEN ARRAY[contracts, 1]
    WHEN 'capped_pro_rata' THEN ARRAY[greatest(unrealized, 0), denominator] END;

CREATE VIEW reporting.adl_queue AS
SELECT r.pool, r.instrument, r.side, r.account,
       CASE WHEN r.margin_instrument IS NULL THEN 'cross' ELSE 'isolated' END AS margin_mode,
       r.quantity,
       ledger.decimal_of(r.score[1], r.score[2], 18) AS score,
       CASE WHEN r.eligible THEN r.place END AS rank,
       CASE WHEN r.eligible THEN ledger.decimal_of(r.eligibles - r.place + 1, r.eligibles, 18) END
       AS percentile,
       r.eligible
  FROM (SELECT k.*,
               row_number() OVER (
                   PARTITION BY k.pool, k.instrument, k.side, k.eligible
                   ORDER BY CASE k.policy
                                WHEN 'pro_rata' THEN (k.unrealized > 0)::integer
                                WHEN 'capped_pro_rata' THEN 0
                                ELSE ledger.floor_quotient(
                                         k.score[1] * ('1e' || k.digits)::numeric, k.score[2]) END
                            DESC,
                            k.account) AS place,
               count(*) OVER (PARTITION BY k.pool, k.instrument, k.side, k.eligible) AS eligibles
          FROM (SELECT c.*, max(4 * greatest(length(abs(c.score[1])::text), length(c.score[2]::text)))
                            OVER (PARTITION BY c.pool, c.instrument, c.side) AS digits
                  FROM (SELECT l.pool, l.instrument, l.owner AS account, l.margin_instrument, l.quantity,
                               p.policy, u.unrealized, u.score,
                               CASE WHEN l.quantity > 0 THEN 'long' ELSE 'short' END AS side,
                               l.equity > 0 AND NOT l.stale
                               AND (p.policy <> 'capped_pro_rata' OR u.unrealized > 0) AS eligible
                          FROM (SELECT m.*,
                                       sum(m.collateral + m.cost + m.value) OVER a AS equity,
                                       sum(m.maintenance) OVER a AS account_maintenance,
                                       sum(m.balance) OVER a AS account_balance
                                  FROM ledger.margin_lines m
                                 WHERE m.owner NOT LIKE '@%'
                                WINDOW a AS (PARTITION BY m.pool, m.owner, m.margin_instrument)) l
                         CROSS JOIN LATERAL (
                              SELECT e.content ->> 'adl_policy' AS policy
                                FROM ledger.reference_at(l.shard, 'pool', '', 9223372036854775807) e
                              OFFSET 0) p
                         CROSS JOIN LATERAL (
                              SELECT n.unrealized,
                                     CASE WHEN l.equity > 0 AND l.mark_price IS NOT NULL THEN ledger.deleveraging_score(
                                         p.policy, n.unrealized,
                                         greatest(abs(l.cost), ('1e-' || l.scale)::numeric),
                                         l.numerator, l.denominator, abs(l.quantity), l.equity,
                                         l.account_maintenance, l.account_balance) END AS score
                                FROM (SELECT l.cost * l.denominator + l.direction * l.numerator
                                             AS unrealized) n OFFSET 0) u
                         WHERE l.is_position) c) k) r;
