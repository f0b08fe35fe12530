-- Balances and positions, now and as of any moment. The shard comes first and is handed down.

CREATE VIEW reporting.balances AS
SELECT pool, owner AS account, kind, instrument, asset,
       ledger.natural_units(balance, scale) AS balance, sequence
  FROM ledger.latest;

CREATE FUNCTION reporting.balances_at(its_pool text, at bigint, of_account text DEFAULT NULL)
RETURNS TABLE (pool text, account text, kind text, instrument text, asset text, balance numeric,
               sequence bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.pool, l.owner, l.kind, l.instrument, l.asset,
           ledger.natural_units(l.balance, l.scale), l.sequence
      FROM ledger.shard s
      CROSS JOIN LATERAL ledger.latest_at(s.shard, at, of_account) l
     WHERE s.name = its_pool
$$;

CREATE FUNCTION reporting.balances_at(its_pool text, at timestamptz, of_account text DEFAULT NULL)
RETURNS TABLE (pool text, account text, kind text, instrument text, asset text, balance numeric,
               sequence bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT b.* FROM ledger.shard s
     CROSS JOIN LATERAL reporting.balances_at(its_pool, ledger.sequence_at(s.shard, at), of_account) b
     WHERE s.name = its_pool
$$;

-- One row of `positions`, from a position and its cost in smallest units. What is decoded from
-- messages is decoded once, and the variation account is found by its identity.
CREATE VIEW reporting.positions AS
WITH settlement AS MATERIALIZED (SELECT * FROM ledger.settlement),
     terms AS MATERIALIZED (SELECT * FROM ledger.instrument_terms),
     modes AS MATERIALIZED (SELECT * FROM ledger.margin_modes)
SELECT q.pool, q.owner AS account, q.instrument,
       CASE WHEN q.owner NOT LIKE '@%' THEN coalesce(o.mode, 'cross') END AS margin_mode,
       f.quantity, ledger.entry_price(t.type, t.multiplier, f.quantity, f.cost) AS entry_price,
       f.cost, m.mark_price, abs(w.value) AS notional, trim_scale(f.cost + w.value) AS unrealized_pnl,
       NULL::numeric AS maintenance_margin, NULL::numeric AS liquidation_price
  FROM ledger.latest q
  JOIN settlement a ON a.shard = q.shard
  JOIN terms t ON t.shard = q.shard AND t.instrument = q.instrument
  LEFT JOIN modes o ON o.shard = q.shard AND o.owner = q.owner AND o.instrument = q.instrument
  LEFT JOIN LATERAL (
      SELECT last.balance FROM ledger.account v
       CROSS JOIN LATERAL (SELECT p.balance FROM ledger.posting p
                            WHERE p.shard = v.shard AND p.account = v.account
                            ORDER BY p.account_sequence DESC LIMIT 1) last
       WHERE v.shard = q.shard AND v.owner = q.owner AND v.kind = 'variation'
         AND v.instrument = q.instrument AND v.asset = a.asset
       LIMIT 1) v ON true
  CROSS JOIN LATERAL (SELECT ledger.natural_units(q.balance, q.scale) AS quantity,
                             ledger.natural_units(coalesce(v.balance, 0), a.scale) AS cost) f
  CROSS JOIN LATERAL (SELECT ledger.mark_at(q.shard, q.instrument, 9223372036854775807)
                             AS mark_price OFFSET 0) m
  CROSS JOIN LATERAL (SELECT ledger.value_at(t.type, t.multiplier, f.quantity, m.mark_price, a.scale)
                             AS value OFFSET 0) w
 WHERE q.kind = 'position' AND q.balance <> 0;

CREATE FUNCTION reporting.positions_at(its_pool text, at bigint, of_account text DEFAULT NULL)
RETURNS TABLE (pool text, account text, instrument text, margin_mode text, quantity numeric,
               entry_price numeric, cost numeric, mark_price numeric, notional numeric,
               unrealized_pnl numeric, maintenance_margin numeric, liquidation_price numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH held AS MATERIALIZED (
        SELECT l.* FROM ledger.shard s
         CROSS JOIN LATERAL ledger.latest_at(s.shard, at, of_account) l
         WHERE s.name = its_pool AND l.kind IN ('position', 'variation')
    )
    SELECT q.pool, q.owner, q.instrument,
           ledger.margin_mode_at(q.shard, q.owner, q.instrument, at),
           f.quantity, ledger.entry_price(t.type, t.multiplier, f.quantity, f.cost),
           f.cost, m.mark_price, abs(w.value), trim_scale(f.cost + w.value),
           NULL::numeric, NULL::numeric
      FROM held q
      JOIN ledger.settlement a ON a.shard = q.shard
      JOIN ledger.instrument_terms t ON t.shard = q.shard AND t.instrument = q.instrument
      LEFT JOIN held v ON v.owner = q.owner AND v.kind = 'variation'
       AND v.instrument = q.instrument AND v.asset = a.asset
      CROSS JOIN LATERAL (SELECT ledger.natural_units(q.balance, q.scale) AS quantity,
                                 ledger.natural_units(coalesce(v.balance, 0), a.scale) AS cost) f
      CROSS JOIN LATERAL (SELECT ledger.mark_at(q.shard, q.instrument, at) AS mark_price) m
      CROSS JOIN LATERAL (SELECT ledger.value_at(t.type, t.multiplier, f.quantity, m.mark_price,
                                                 a.scale) AS value) w
     WHERE q.kind = 'position' AND q.balance <> 0
$$;

CREATE FUNCTION reporting.positions_at(its_pool text, at timestamptz, of_account text DEFAULT NULL)
RETURNS TABLE (pool text, account text, instrument text, margin_mode text, quantity numeric,
               entry_price numeric, cost numeric, mark_price numeric, notional numeric,
               unrealized_pnl numeric, maintenance_margin numeric, liquidation_price numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.* FROM ledger.shard s
     CROSS JOIN LATERAL reporting.positions_at(its_pool, ledger.sequence_at(s.shard, at), of_account) p
     WHERE s.name = its_pool
$$;

CREATE VIEW reporting.trial_balance AS
SELECT pool, coalesce(asset, instrument) AS commodity,
       ledger.natural_units(-coalesce(sum(balance) FILTER (WHERE balance < 0), 0), scale) AS debit,
       ledger.natural_units(coalesce(sum(balance) FILTER (WHERE balance > 0), 0), scale) AS credit
  FROM ledger.latest
 GROUP BY shard, pool, asset, CASE WHEN asset IS NULL THEN instrument END, coalesce(asset, instrument), scale;

CREATE VIEW reporting.open_interest AS
SELECT pool, instrument, sum(quantity) AS quantity, max(mark_price) AS mark_price,
       sum(notional) AS notional
  FROM reporting.positions
 WHERE quantity > 0
 GROUP BY pool, instrument;
