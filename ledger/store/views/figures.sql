-- Helpers of the reporting views. They run as their owner, so that readers need no right on the books.

CREATE FUNCTION ledger.natural_units(units numeric, scale integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN trim_scale(units * ('1e-' || scale)::numeric); -- a product is exact, a quotient is not

CREATE FUNCTION ledger.floor_quotient(numerator numeric, denominator numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN denominator > 0
            THEN div(numerator, denominator) - (mod(numerator, denominator) < 0)::integer END;

-- What `quantity` contracts are worth at `price`, rounded down to the settlement asset's scale.
CREATE FUNCTION ledger.value_at(type text, multiplier numeric, quantity numeric, price numeric,
                                scale integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ledger.natural_units(
    CASE type WHEN 'linear' THEN floor(quantity * multiplier * price * ('1e' || scale)::numeric)
              ELSE ledger.floor_quotient(-quantity * multiplier * ('1e' || scale)::numeric, price)
    END, scale);

-- Average entry price, derived from cost; null where that is not positive.
CREATE FUNCTION ledger.entry_price(type text, multiplier numeric, quantity numeric, cost numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN quantity = 0 OR cost = 0 OR sign(quantity) = sign(cost) * CASE type WHEN 'linear' THEN 1 ELSE -1 END
            THEN NULL
            WHEN type = 'linear' THEN trim_scale(round(-cost / (quantity * multiplier), 18))
            ELSE trim_scale(round(quantity * multiplier / cost, 18)) END;

-- The content of an accepted event; refused bytes may be anything, and are never looked into.
-- `json`, not `jsonb`: it takes every escape that Python takes, and unpacks only what is asked for.
CREATE FUNCTION ledger.content(raw bytea, rejection text) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN rejection IS NULL THEN convert_from(raw, 'UTF8')::json END;

-- The last posting of an account up to an event: balance and where it was made. By bisection over
-- `account_sequence`, which grows with `sequence`: one index probe a step.
CREATE FUNCTION ledger.account_at(for_shard integer, for_account integer, at bigint)
RETURNS TABLE (balance numeric, sequence bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE newest AS (
        SELECT p.account_sequence, p.sequence FROM ledger.posting p
         WHERE p.shard = for_shard AND p.account = for_account
         ORDER BY p.account_sequence DESC LIMIT 1
    ), bounds (low, high) AS (
        SELECT CASE WHEN n.sequence <= at THEN n.account_sequence ELSE 0 END,
               CASE WHEN n.sequence <= at THEN n.account_sequence ELSE n.account_sequence - 1 END
          FROM newest n
        UNION ALL
        SELECT CASE WHEN coalesce(probe.sequence, 0) <= at THEN b.middle ELSE b.low END,
               CASE WHEN coalesce(probe.sequence, 0) <= at THEN b.high ELSE b.middle - 1 END
          FROM (SELECT low, high, (low + high + 1) / 2 AS middle FROM bounds WHERE low < high) b
          LEFT JOIN LATERAL (SELECT p.sequence FROM ledger.posting p
                              WHERE p.shard = for_shard AND p.account = for_account
                                AND p.account_sequence = b.middle) probe ON true
    )
    SELECT p.balance, p.sequence FROM bounds b, ledger.posting p
     WHERE b.low = b.high AND p.shard = for_shard AND p.account = for_account
       AND p.account_sequence = b.low
$$;

-- The last event whose pool time is not after a moment; 0 before the first. By bisection.
CREATE FUNCTION ledger.sequence_at(for_shard integer, moment timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE bounds (low, high) AS (
        SELECT 0::bigint, next_sequence - 1 FROM ledger.shard WHERE shard = for_shard
        UNION ALL
        SELECT CASE WHEN coalesce(probe.pool_time, '-infinity') <= moment THEN b.middle ELSE b.low END,
               CASE WHEN coalesce(probe.pool_time, '-infinity') <= moment THEN b.high ELSE b.middle - 1 END
          FROM (SELECT low, high, (low + high + 1) / 2 AS middle FROM bounds WHERE low < high) b
          LEFT JOIN LATERAL (SELECT e.pool_time FROM ledger.event e
                              WHERE e.shard = for_shard AND e.sequence = b.middle) probe ON true
    )
    SELECT low FROM bounds WHERE low = high
$$;

CREATE VIEW ledger.latest AS
SELECT s.shard, s.name AS pool, a.account, a.owner, a.kind, a.instrument, a.asset, c.scale,
       last.balance, last.sequence
  FROM ledger.shard s
  JOIN ledger.account a ON a.shard = s.shard
  CROSS JOIN LATERAL (SELECT p.balance, p.sequence, p.shard, p.commodity FROM ledger.posting p
                       WHERE p.shard = a.shard AND p.account = a.account
                       ORDER BY p.account_sequence DESC LIMIT 1) last
  JOIN ledger.commodity c ON c.shard = last.shard AND c.commodity = last.commodity;

CREATE FUNCTION ledger.latest_at(for_shard integer, at bigint, for_owner text)
RETURNS TABLE (shard integer, pool text, account integer, owner text, kind text, instrument text,
               asset text, scale smallint, balance numeric, sequence bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.shard, s.name, a.account, a.owner, a.kind, a.instrument, a.asset, c.scale,
           last.balance, last.sequence
      FROM ledger.shard s
      JOIN ledger.account a ON a.shard = s.shard AND (for_owner IS NULL OR a.owner = for_owner)
      JOIN ledger.commodity c ON c.shard = s.shard AND c.asset IS NOT DISTINCT FROM a.asset
       AND c.instrument IS NOT DISTINCT FROM CASE WHEN a.asset IS NULL THEN a.instrument END
      CROSS JOIN LATERAL ledger.account_at(s.shard, a.account, at) last
     WHERE s.shard = for_shard
$$;

CREATE VIEW ledger.instrument_terms AS
SELECT DISTINCT ON (e.shard, e.terms ->> 'instrument')
       e.shard, e.terms ->> 'instrument' AS instrument, e.terms ->> 'type' AS type,
       (e.terms ->> 'multiplier')::numeric AS multiplier
  FROM (SELECT shard, sequence, ledger.content(raw, rejection) AS terms
          FROM ledger.event WHERE kind = 'instrument' AND rejection IS NULL) e
 ORDER BY e.shard, e.terms ->> 'instrument', e.sequence DESC;

CREATE VIEW ledger.settlement AS
SELECT DISTINCT ON (e.shard) e.shard, e.pool ->> 'settlement_asset' AS asset,
       (e.pool ->> 'scale')::integer AS scale
  FROM (SELECT shard, sequence, ledger.content(raw, rejection) AS pool
          FROM ledger.event WHERE kind = 'pool' AND rejection IS NULL) e
 ORDER BY e.shard, e.sequence DESC;

CREATE VIEW ledger.margin_modes AS
SELECT DISTINCT ON (e.shard, e.mode ->> 'account', e.mode ->> 'instrument')
       e.shard, e.mode ->> 'account' AS owner, e.mode ->> 'instrument' AS instrument,
       e.mode ->> 'mode' AS mode
  FROM (SELECT shard, sequence, ledger.content(raw, rejection) AS mode
          FROM ledger.event WHERE kind = 'position_mode' AND rejection IS NULL) e
 ORDER BY e.shard, e.mode ->> 'account', e.mode ->> 'instrument', e.sequence DESC;

CREATE FUNCTION ledger.mark_at(for_shard integer, for_instrument text, at bigint) RETURNS numeric
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT trim_scale((convert_from(body, 'UTF8')::json ->> 'mark_price')::numeric)
      FROM ledger.record
     WHERE shard = for_shard AND kind = 'mark' AND subject = for_instrument AND sequence <= at
     ORDER BY sequence DESC LIMIT 1
$$;

CREATE FUNCTION ledger.margin_mode_at(for_shard integer, for_owner text, for_instrument text,
                                      at bigint) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN for_owner NOT LIKE '@%' THEN coalesce(
        (SELECT mode.content ->> 'mode'
           FROM (SELECT sequence, ledger.content(raw, rejection) AS content FROM ledger.event
                  WHERE shard = for_shard AND kind = 'position_mode' AND rejection IS NULL
                    AND sequence <= at) mode
          WHERE mode.content ->> 'account' = for_owner
            AND mode.content ->> 'instrument' = for_instrument
          ORDER BY mode.sequence DESC LIMIT 1), 'cross') END
$$;
