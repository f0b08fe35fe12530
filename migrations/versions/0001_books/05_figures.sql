-- What the reporting views compute with. Look-ups run as their owner, so that readers need no right
-- on the books.

CREATE FUNCTION ledger.natural_units(units numeric, scale integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN trim_scale(units * ('1e-' || scale)::numeric); -- a product is exact, a quotient is not

-- A fraction rounded to a whole number; exact, for both are divided as whole numbers with a remainder.
CREATE FUNCTION ledger.floor_quotient(numerator numeric, denominator numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN denominator > 0
            THEN div(numerator, denominator) - (mod(numerator, denominator) < 0)::integer END;

CREATE FUNCTION ledger.ceil_quotient(numerator numeric, denominator numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN denominator > 0
            THEN div(numerator, denominator) + (mod(numerator, denominator) > 0)::integer END;

CREATE FUNCTION ledger.half_even_quotient(numerator numeric, denominator numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    quotient numeric := div(numerator, denominator) - (mod(numerator, denominator) < 0)::integer;
    twice numeric := 2 * (numerator - quotient * denominator);
BEGIN
    RETURN quotient + (twice > denominator OR (twice = denominator AND mod(quotient, 2) <> 0))::integer;
END
$$;

-- A fraction as a decimal: half-even at the last of `decimals`.
CREATE FUNCTION ledger.decimal_of(numerator numeric, denominator numeric, decimals integer)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ledger.natural_units(
    ledger.half_even_quotient(numerator * ('1e' || decimals)::numeric, denominator), decimals);

-- The exact sum of fractions, as {numerator, denominator}. Equal denominators are kept, so that linear
-- positions never leave 1; others are multiplied.
CREATE FUNCTION ledger.add_fraction(total numeric[], numerator numeric, denominator numeric)
RETURNS numeric[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF total[2] = denominator THEN
        RETURN ARRAY[total[1] + numerator, denominator];
    ELSIF denominator = 1 THEN
        RETURN ARRAY[total[1] + numerator * total[2], total[2]];
    END IF;
    RETURN ARRAY[total[1] * denominator + numerator * total[2], total[2] * denominator];
END
$$;

CREATE AGGREGATE ledger.sum_fraction(numerator numeric, denominator numeric) (
    SFUNC = ledger.add_fraction, STYPE = numeric[], INITCOND = '{0,1}', PARALLEL = SAFE
);
-- Average entry price, derived from cost, half-even; null where that is not positive.
CREATE FUNCTION ledger.entry_price(type text, multiplier numeric, quantity numeric, cost numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN quantity = 0 OR cost = 0 OR sign(quantity) = sign(cost) * CASE type WHEN 'linear' THEN 1 ELSE -1 END
            THEN NULL
            WHEN type = 'linear' THEN ledger.decimal_of(abs(cost), abs(quantity) * multiplier, 18)
            ELSE ledger.decimal_of(abs(quantity) * multiplier, abs(cost), 18) END;

-- The content of an accepted event; refused bytes may be anything, and are never looked into.
-- `json`, not `jsonb`: it takes every escape that Python takes, and unpacks only what is asked for.
CREATE FUNCTION ledger.content(raw bytea, rejection text) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN rejection IS NULL THEN convert_from(raw, 'UTF8')::json END;

-- The last posting of an account up to an event: balance and where it was made. One index probe in the
-- partition of the event, and one in each before it until the account is found.
--
-- `BETWEEN` says once more what `=` says. Without it the planner takes a column of few values for one
-- whose every value is near, and walks the primary key back: far, for an account at rest.
CREATE FUNCTION ledger.account_at(for_shard integer, for_account integer, at bigint)
RETURNS TABLE (balance numeric, sequence bigint)
LANGUAGE plpgsql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT p.balance, p.sequence FROM ledger.posting p
     WHERE p.shard = for_shard AND p.account = for_account AND p.sequence <= at
       AND p.account BETWEEN for_account AND for_account
     ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1;
END
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
                         AND p.account BETWEEN a.account AND a.account
                       ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1) last
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

-- Look-ups by key, each up to an event. They are functions so that the planner meets the partitioned
-- tables in small queries of their own, whose plans a session keeps: in one large query it would open
-- every partition of every pool once for each mention.

-- The latest terms of one subject: an accepted reference event, by the index `event_reference`.
CREATE FUNCTION ledger.reference_at(for_shard integer, for_kind text, for_subject text, at bigint)
RETURNS TABLE (sequence bigint, content json)
LANGUAGE plpgsql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT e.sequence, ledger.content(e.raw, e.rejection) FROM ledger.event e
     WHERE e.shard = for_shard AND e.rejection IS NULL AND e.kind = for_kind
       AND e.kind IN ('account', 'asset', 'instrument', 'pool', 'position_mode', 'risk_tiers')
       AND ledger.reference_subject(e.kind, e.raw) = for_subject AND e.sequence <= at
       AND e.kind BETWEEN for_kind AND for_kind -- as in `account_at`
     ORDER BY e.sequence DESC LIMIT 1;
END
$$;

-- The latest record of a kind on one subject.
CREATE FUNCTION ledger.recorded_at(for_shard integer, for_kind text, for_subject text, at bigint)
RETURNS TABLE (sequence bigint, body json)
LANGUAGE plpgsql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT r.sequence, convert_from(r.body, 'UTF8')::json FROM ledger.record r
     WHERE r.shard = for_shard AND r.kind = for_kind AND r.subject = for_subject AND r.sequence <= at
       AND r.subject BETWEEN for_subject AND for_subject -- as in `account_at`
     ORDER BY r.sequence DESC LIMIT 1;
END
$$;

CREATE FUNCTION ledger.occurred_at(for_shard integer, at bigint) RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT e.occurred_at FROM ledger.event e WHERE e.shard = for_shard AND e.sequence = at);
END
$$;

CREATE FUNCTION ledger.pool_time_at(for_shard integer, at bigint) RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT e.pool_time FROM ledger.event e WHERE e.shard = for_shard AND e.sequence <= at
             ORDER BY e.sequence DESC LIMIT 1);
END
$$;

CREATE FUNCTION ledger.settlement_of(for_shard integer) RETURNS TABLE (asset text, scale integer)
LANGUAGE sql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.content ->> 'settlement_asset', (p.content ->> 'scale')::integer
      FROM ledger.reference_at(for_shard, 'pool', '', 9223372036854775807) p
$$;
