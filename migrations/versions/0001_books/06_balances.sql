-- Balances, now and as of any moment. The shard comes first and is handed down.

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

CREATE VIEW reporting.trial_balance AS
SELECT pool, coalesce(asset, instrument) AS commodity,
       ledger.natural_units(-coalesce(sum(balance) FILTER (WHERE balance < 0), 0), scale) AS debit,
       ledger.natural_units(coalesce(sum(balance) FILTER (WHERE balance > 0), 0), scale) AS credit
  FROM ledger.latest
 GROUP BY shard, pool, asset, CASE WHEN asset IS NULL THEN instrument END, coalesce(asset, instrument), scale;
