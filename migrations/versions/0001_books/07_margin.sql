-- Margin and positions, now and as of any moment: section by section what docs/spec/margin.md says,
-- written from the rules and not from the core, so that each can be held against the other.
--
-- How it works. `ledger.margin_lines` has a line for each thing that a margin account stands on: a
-- wallet balance, the balance of an isolated position, an open position. `reporting.margin` sums the
-- lines of a margin account; `reporting.positions` shows the positions among them, each against the
-- sum of the others. Terms, marks and prices are looked up once per instrument and asset of the pool,
-- by index; accounts only where they are asked for, for `owner` goes through grouping and windows down
-- to the registry of accounts.
--
-- Each is made twice from one text, for now and for a moment of the past; only where balances come from
-- and up to which event things are known is different.
--
-- Exactness. Decimals multiply exactly, and nothing is divided but to be rounded; a sum that rounds
-- only at its end is a fraction (numerator, denominator). It is exact as long as the denominator, the
-- product of the marks of an account's inverse positions, has fewer than 100,000 digits.

-- Maintenance of the notional numerator/denominator before rounding, over the same denominator.
CREATE FUNCTION ledger.exact_maintenance(numerator numeric, denominator numeric, rate numeric,
                                         amount numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(rate * numerator - amount * denominator, 0);

-- The mark at which equity meets maintenance while all else stands still.
--
-- In the notional n of the position equity less maintenance is
--     excess(n) = rest + direction * n - greatest(rate * n - amount, 0)        by the tier of n
-- where `rest` (a fraction) is all that stands still: collateral, the other positions with their value
-- and maintenance, and this one's cost; `direction` is 1 where equity rises with the notional (a linear
-- long, an inverse short), else -1. Tiers are cut where maintenance leaves zero; excess is then a
-- straight line in each stretch, and taken is the end of those notionals at which it is negative:
--     direction  1    above them: stretches from the highest down, the first that begins below zero
--     direction -1    beneath them: stretches from the lowest up, the first that ends below zero
-- Where tiers do not quite meet (a unit at most) this is the root that an account in health meets first,
-- or the border that steps over it; along a flat stretch at zero, where it begins.
CREATE FUNCTION ledger.liquidation_price(
    type text, contracts numeric, direction integer, rest numeric[], floors numeric[],
    rates numeric[], amounts numeric[], price_scale integer) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stretches integer := 2 * cardinality(floors);
    place integer; -- of a tier's two stretches the odd one asks for nothing
    tier integer;
    rate numeric;
    amount numeric;
    floor numeric;
    cap numeric;
    first numeric[]; -- of the stretch, as fractions; `past` null where it has no end
    past numeric[];
    root numeric[];
    met numeric[];
    price numeric;
BEGIN
    FOR step IN 1 .. stretches LOOP
        place := CASE direction WHEN 1 THEN stretches + 1 - step ELSE step END;
        tier := (place + 1) / 2;
        rate := rates[tier];
        amount := amounts[tier];
        floor := floors[tier];
        cap := floors[tier + 1];
        first := ARRAY[floor, 1];
        past := CASE WHEN cap IS NOT NULL THEN ARRAY[cap, 1] END;
        IF place % 2 = 1 THEN
            CONTINUE WHEN amount <= rate * floor;
            IF rate > 0 AND (cap IS NULL OR amount < rate * cap) THEN
                past := ARRAY[amount, rate];
            END IF;
            rate := 0;
            amount := 0;
        ELSE
            CONTINUE WHEN amount > 0 AND (amount >= rate * cap OR rate = 0);
            IF amount > rate * floor THEN
                first := ARRAY[amount, rate];
            END IF;
        END IF;
        root := ARRAY[-direction * (rest[1] + amount * rest[2]), rest[2] * (1 - direction * rate)];
        IF direction = 1 THEN
            CONTINUE WHEN root[1] * first[2] <= root[2] * first[1]; -- begins at zero or above
            IF past IS NOT NULL AND root[1] * past[2] > root[2] * past[1] THEN
                root := past;
            END IF;
        ELSE
            CONTINUE WHEN root[1] * past[2] >= root[2] * past[1]; -- ends at zero or above
            IF root[1] * first[2] < root[2] * first[1] THEN
                root := first;
            END IF;
        END IF;
        met := root;
        EXIT;
    END LOOP;
    IF met IS NULL OR met[1] <= 0 OR met[2] = 0 THEN
        RETURN NULL;
    END IF;
    price := CASE type WHEN 'linear' THEN ledger.decimal_of(met[1], met[2] * contracts, price_scale)
                       ELSE ledger.decimal_of(contracts * met[2], met[1], price_scale) END;
    RETURN CASE WHEN price > 0 THEN price END;
END
$$;

DO $make$
DECLARE
    lines text := $lines$
SELECT s.shard, s.name AS pool, l.*
  FROM ledger.shard s
 CROSS JOIN LATERAL (
    WITH held AS {how} (
        SELECT b.* FROM {books}
    ), settlement AS MATERIALIZED (
        SELECT a.asset, a.scale, ('1e' || a.scale)::numeric AS units
          FROM ledger.settlement_of(s.shard) a
    ), assets AS MATERIALIZED (
        SELECT c.asset, c.scale, c.asset = a.asset AS at_par,
               (k.content ->> 'haircut')::numeric AS haircut,
               (r.body ->> 'price')::numeric AS price
          FROM ledger.commodity c
         CROSS JOIN settlement a
          LEFT JOIN LATERAL ledger.reference_at(s.shard, 'asset', c.asset, {at}) k ON true
          LEFT JOIN LATERAL ledger.recorded_at(s.shard, 'asset_price', c.asset, {at}) r ON true
         WHERE c.shard = s.shard AND c.asset IS NOT NULL
    ), instruments AS MATERIALIZED (
        SELECT c.instrument, i.type, i.multiplier, i.price_scale, g.floors, g.initial_rates,
               g.maintenance_rates, g.maintenance_amounts, m.mark_price,
               m.mark_price IS NULL OR coalesce(m.occurred_at + i.age < {pool_time}, false) AS stale
          FROM ledger.commodity c
         CROSS JOIN LATERAL ledger.reference_at(s.shard, 'instrument', c.instrument, {at}) t
          LEFT JOIN LATERAL ledger.reference_at(s.shard, 'risk_tiers', c.instrument, {at}) u ON true
         CROSS JOIN LATERAL (
              SELECT t.content ->> 'type' AS type, (t.content ->> 'multiplier')::numeric AS multiplier,
                     (t.content ->> 'price_scale')::integer AS price_scale,
                     (t.content ->> 'price_max_age')::numeric * interval '1 second' AS age,
                     CASE WHEN u.sequence > t.sequence THEN u.content ELSE t.content END -> 'tiers'
                     AS tiers OFFSET 0) i
         CROSS JOIN LATERAL (
              SELECT 0::numeric || (array_agg((x.tier ->> 'notional_cap')::numeric ORDER BY x.place))
                                   [: count(*)::integer - 1] AS floors,
                     array_agg((x.tier ->> 'initial_rate')::numeric ORDER BY x.place)
                     AS initial_rates,
                     array_agg((x.tier ->> 'maintenance_rate')::numeric ORDER BY x.place)
                     AS maintenance_rates,
                     array_agg((x.tier ->> 'maintenance_amount')::numeric ORDER BY x.place)
                     AS maintenance_amounts
                FROM json_array_elements(i.tiers) WITH ORDINALITY x(tier, place)) g
          LEFT JOIN LATERAL (
              SELECT (r.body ->> 'mark_price')::numeric AS mark_price,
                     CASE WHEN i.age IS NOT NULL THEN ledger.occurred_at(s.shard, r.sequence) END
                     AS occurred_at
                FROM ledger.recorded_at(s.shard, 'mark', c.instrument, {at}) r OFFSET 0) m ON true
         WHERE c.shard = s.shard AND c.instrument IS NOT NULL
    )
    -- What stands behind positions: wallets, and the margin of isolated positions.
    SELECT b.owner, CASE b.kind WHEN 'isolated' THEN b.instrument END AS margin_instrument,
           false AS is_position, c.value AS collateral,
           CASE WHEN k.at_par THEN c.value ELSE 0 END AS balance,
           c.exact AS equity_numerator, 1::numeric AS equity_denominator,
           NULL::text AS instrument, NULL::text AS type, NULL::numeric AS quantity,
           0::numeric AS cost, NULL::numeric AS mark_price, NULL::boolean AS stale,
           NULL::numeric AS contracts, 0::numeric AS numerator, 1::numeric AS denominator,
           0::numeric AS value, 0::numeric AS maintenance, 0::numeric AS initial,
           NULL::integer AS direction, NULL::numeric AS multiplier,
           NULL::integer AS price_scale,
           NULL::numeric[] AS floors, NULL::numeric[] AS rates, NULL::numeric[] AS amounts,
           a.scale
      FROM held b
     CROSS JOIN settlement a
      JOIN assets k ON k.asset = b.asset
     CROSS JOIN LATERAL (
          SELECT ledger.natural_units(b.balance, k.scale)
                 * CASE WHEN k.at_par THEN 1
                        ELSE coalesce(k.price * (1 - sign(b.balance) * k.haircut), 0) END AS exact
          OFFSET 0) x
     CROSS JOIN LATERAL (SELECT trim_scale(x.exact) AS exact,
                                ledger.natural_units(floor(x.exact * a.units), a.scale) AS value OFFSET 0) c
     WHERE b.owner NOT LIKE '@%'
       AND (b.kind = 'wallet' OR (b.kind = 'isolated' AND b.balance <> 0))
    UNION ALL
    -- Open positions. Without a mark a position counts nothing: its value is what it cost.
    SELECT q.owner, CASE WHEN o.mode = 'isolated' THEN q.instrument END, true, 0, 0,
           CASE WHEN i.mark_price IS NULL THEN 0
                ELSE q.cost * n.denominator + n.direction * n.numerator - r.exact_maintenance END,
           n.denominator,
           q.instrument, i.type, q.quantity, q.cost, i.mark_price, i.stale, n.contracts, n.numerator,
           n.denominator, f.value,
           ledger.natural_units(ledger.ceil_quotient(r.exact_maintenance * a.units, n.denominator),
                                a.scale),
           ledger.natural_units(
               CASE WHEN o.leverage * i.initial_rates[f.tier] < 1
                    THEN ledger.ceil_quotient(n.numerator * a.units, n.denominator * o.leverage)
                    ELSE ledger.ceil_quotient(n.numerator * i.initial_rates[f.tier] * a.units,
                                              n.denominator) END, a.scale),
           n.direction, i.multiplier, i.price_scale, i.floors, i.maintenance_rates,
           i.maintenance_amounts, a.scale
      FROM (SELECT b.owner, b.instrument,
                   ledger.natural_units(max(b.balance) FILTER (WHERE b.kind = 'position'),
                                        max(b.scale) FILTER (WHERE b.kind = 'position')) AS quantity,
                   ledger.natural_units(coalesce(sum(b.balance) FILTER (WHERE b.kind = 'variation'), 0),
                                        coalesce(max(b.scale) FILTER (WHERE b.kind = 'variation'), 0))
                   AS cost
              FROM held b
             WHERE b.kind IN ('position', 'variation')
             GROUP BY b.owner, b.instrument
            HAVING max(b.balance) FILTER (WHERE b.kind = 'position') <> 0) q
     CROSS JOIN settlement a
      JOIN instruments i ON i.instrument = q.instrument
      LEFT JOIN LATERAL (
          SELECT d.content ->> 'mode' AS mode, (d.content ->> 'leverage')::numeric AS leverage
            FROM ledger.reference_at(s.shard, 'position_mode', q.owner || '/' || q.instrument, {at}) d
          OFFSET 0) o ON true
     CROSS JOIN LATERAL (
          SELECT c.contracts,
                 CASE WHEN i.mark_price IS NULL THEN 0
                      WHEN i.type = 'linear' THEN c.contracts * i.mark_price
                      ELSE c.contracts * c.units END AS numerator,
                 CASE WHEN i.mark_price IS NULL OR i.type = 'linear' THEN 1
                      ELSE trim_scale(i.mark_price * c.units) END AS denominator, -- whole
                 (sign(q.quantity) * CASE i.type WHEN 'linear' THEN 1 ELSE -1 END)::integer AS direction
            FROM (SELECT abs(q.quantity) * i.multiplier AS contracts,
                         ('1e' || i.price_scale)::numeric AS units) c OFFSET 0) n
     CROSS JOIN LATERAL (
          SELECT CASE WHEN i.mark_price IS NULL THEN -q.cost
                      ELSE ledger.natural_units(
                               ledger.floor_quotient(n.direction * n.numerator * a.units, n.denominator),
                               a.scale) END AS value,
                 width_bucket(ledger.natural_units(ledger.floor_quotient(n.numerator * a.units,
                                                                         n.denominator), a.scale),
                              i.floors) AS tier OFFSET 0) f -- caps are no finer than the scale
     CROSS JOIN LATERAL (
          SELECT ledger.exact_maintenance(n.numerator, n.denominator, i.maintenance_rates[f.tier],
                                          i.maintenance_amounts[f.tier]) AS exact_maintenance
          OFFSET 0) r
 ) l
$lines$;
    margin text := $margin$
SELECT l.pool, l.owner AS account, l.margin_instrument AS instrument,
       CASE WHEN l.margin_instrument IS NULL THEN 'cross' ELSE 'isolated' END AS margin_mode,
       l.collateral, l.unrealized_pnl, e.equity, l.initial_margin, l.maintenance_margin,
       trim_scale(e.equity - l.initial_margin) AS free_collateral,
       CASE WHEN e.equity > 0 THEN ledger.decimal_of(l.maintenance_margin, e.equity, 18) END
       AS margin_ratio,
       CASE WHEN e.equity > 0
            THEN ledger.decimal_of(l.notional[1], l.notional[2] * e.equity, 18) END AS leverage,
       l.stale_instruments
  FROM (SELECT m.pool, m.owner, m.margin_instrument, trim_scale(sum(m.collateral)) AS collateral,
               trim_scale(sum(m.cost + m.value)) AS unrealized_pnl,
               trim_scale(sum(m.initial)) AS initial_margin,
               trim_scale(sum(m.maintenance)) AS maintenance_margin,
               ledger.sum_fraction(m.numerator, m.denominator) AS notional,
               coalesce(array_agg(m.instrument ORDER BY m.instrument) FILTER (WHERE m.stale), '{}')
               AS stale_instruments
          FROM {lines} m
         WHERE m.owner NOT LIKE '@%'
         GROUP BY m.pool, m.owner, m.margin_instrument) l
 CROSS JOIN LATERAL (SELECT trim_scale(l.collateral + l.unrealized_pnl) AS equity) e
$margin$;
    positions text := $positions$
SELECT l.pool, l.owner AS account, l.instrument,
       CASE WHEN l.owner LIKE '@%' THEN NULL
            WHEN l.margin_instrument IS NULL THEN 'cross' ELSE 'isolated' END AS margin_mode,
       l.quantity, ledger.entry_price(l.type, l.multiplier, l.quantity, l.cost) AS entry_price, l.cost,
       trim_scale(l.mark_price) AS mark_price,
       CASE WHEN l.mark_price IS NOT NULL THEN ledger.decimal_of(l.numerator, l.denominator, l.scale) END
       AS notional,
       trim_scale(l.cost + l.value) AS unrealized_pnl,
       CASE WHEN l.owner NOT LIKE '@%' THEN l.maintenance END AS maintenance_margin,
       CASE WHEN l.owner NOT LIKE '@%' AND l.mark_price IS NOT NULL
            THEN ledger.liquidation_price(
                     l.type, l.contracts, l.direction,
                     ledger.add_fraction(l.account_equity,
                                         l.cost * l.equity_denominator - l.equity_numerator,
                                         l.equity_denominator),
                     l.floors, l.rates, l.amounts, l.price_scale) END AS liquidation_price
  FROM (SELECT m.*, ledger.sum_fraction(m.equity_numerator, m.equity_denominator)
                    OVER (PARTITION BY m.pool, m.owner, m.margin_instrument) AS account_equity
          FROM {lines} m) l
 WHERE l.is_position
$positions$;
    made text;
    past text := ' LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L';
BEGIN
    made := replace(replace(replace(replace(lines, '{how}', 'NOT MATERIALIZED'),
            '{books}', 'ledger.latest b WHERE b.shard = s.shard'),
            '{at}', '9223372036854775807'), '{pool_time}', 's.pool_time');
    EXECUTE 'CREATE VIEW ledger.margin_lines AS' || made;
    made := replace(replace(replace(replace(lines, '{how}', 'MATERIALIZED'),
            '{books}', 'ledger.latest_at(s.shard, at, of_account) b'),
            '{at}', 'at'), '{pool_time}', 'ledger.pool_time_at(s.shard, at)') || ' WHERE s.name = its_pool';
    EXECUTE 'CREATE FUNCTION ledger.margin_lines_at(its_pool text, at bigint, of_account text)'
            ' RETURNS SETOF ledger.margin_lines' || format(past, made);
    EXECUTE 'CREATE VIEW reporting.margin AS' || replace(margin, '{lines}', 'ledger.margin_lines');
    EXECUTE 'CREATE FUNCTION reporting.margin_at(its_pool text, at bigint, of_account text DEFAULT NULL)'
            ' RETURNS SETOF reporting.margin'
            || format(past, replace(margin, '{lines}', 'ledger.margin_lines_at(its_pool, at, of_account)'));
    EXECUTE 'CREATE VIEW reporting.positions AS' || replace(positions, '{lines}', 'ledger.margin_lines');
    EXECUTE 'CREATE FUNCTION reporting.positions_at(its_pool text, at bigint, of_account text DEFAULT NULL)'
            ' RETURNS SETOF reporting.positions'
            || format(past, replace(positions, '{lines}', 'ledger.margin_lines_at(its_pool, at, of_account)'));
END
$make$;

CREATE FUNCTION reporting.margin_at(its_pool text, at timestamptz, of_account text DEFAULT NULL)
RETURNS SETOF reporting.margin
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT m.* FROM ledger.shard s
     CROSS JOIN LATERAL reporting.margin_at(its_pool, ledger.sequence_at(s.shard, at), of_account) m
     WHERE s.name = its_pool
$$;

CREATE FUNCTION reporting.positions_at(its_pool text, at timestamptz, of_account text DEFAULT NULL)
RETURNS SETOF reporting.positions
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.* FROM ledger.shard s
     CROSS JOIN LATERAL reporting.positions_at(its_pool, ledger.sequence_at(s.shard, at), of_account) p
     WHERE s.name = its_pool
$$;

CREATE VIEW reporting.open_interest AS
SELECT pool, instrument, sum(quantity) AS quantity, max(mark_price) AS mark_price,
       sum(notional) AS notional
  FROM reporting.positions
 WHERE quantity > 0
 GROUP BY pool, instrument;
