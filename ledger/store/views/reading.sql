-- What readers need to turn pages: how far each pool is, a moment as a sequence, owners in order.

CREATE VIEW reporting.pools AS
SELECT s.name AS pool, s.next_sequence - 1 AS sequence, s.pool_time, a.asset AS settlement_asset
  FROM ledger.shard s
  LEFT JOIN LATERAL ledger.settlement_of(s.shard) a ON true;

CREATE FUNCTION reporting.sequence_at(its_pool text, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ledger.sequence_at(s.shard, at) FROM ledger.shard s WHERE s.name = its_pool
$$;

-- One index probe an owner, however many accounts each has.
CREATE FUNCTION reporting.owners_after(its_pool text, after text, at_most integer)
RETURNS TABLE (account text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_shard integer := (SELECT s.shard FROM ledger.shard s WHERE s.name = its_pool);
    reached text := after;
BEGIN
    FOR place IN 1 .. at_most LOOP
        reached := (SELECT a.owner FROM ledger.account a
                     WHERE a.shard = its_shard AND a.owner > reached ORDER BY a.owner LIMIT 1);
        EXIT WHEN reached IS NULL;
        account := reached;
        RETURN NEXT;
    END LOOP;
END
$$;
