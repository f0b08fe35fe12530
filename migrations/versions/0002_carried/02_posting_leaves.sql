-- Postings may be sent straight to the leaf that they belong to.
--
-- Expand: whoever sends them through the parent goes on doing so. Each leaf has the trigger, the keys, the
-- check and the bounds of its own that it always had, so nothing is let in that the parent refuses.
-- The leaf that a sequence belongs to: its first sequence, which is in the names of its tables, and the one
-- behind its last. A writer sends postings straight to `posting_SHARD_FIRST`: through the parent every row
-- is written by itself, because of the trigger there.
CREATE FUNCTION ledger.leaf_of(for_shard integer, at bigint, OUT first bigint, OUT past bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.first, l.past
      FROM (SELECT split_part(c.relname, '_', 3)::bigint AS first,
                   substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''?(\d+)')::bigint AS past
              FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
             WHERE inhparent = to_regclass(format('ledger.posting_%s', for_shard))) l
     WHERE at >= l.first AND at < l.past
$$;

CREATE OR REPLACE FUNCTION ledger.open_leaf(for_shard integer, leaf_events bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stem text;
    leaf text;
    first bigint;
    past bigint;
BEGIN
    SELECT leaves_end INTO first FROM ledger.shard WHERE shard = for_shard FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'shard % is not declared', for_shard USING ERRCODE = 'no_data_found';
    END IF;
    IF leaf_events < 1 THEN
        RAISE EXCEPTION 'a leaf of % events: expected 1 or more', leaf_events
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    past := first + leaf_events;
    FOREACH stem IN ARRAY ARRAY['event', 'posting', 'record'] LOOP
        leaf := format('%s_%s_%s', stem, for_shard, first);
        EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.%I INCLUDING ALL EXCLUDING COMMENTS)',
                       leaf, stem);
        IF stem = 'posting' THEN
            EXECUTE format('ALTER TABLE ledger.%I ADD UNIQUE (shard, account, sequence, account_sequence)',
                           leaf);
        END IF;
        PERFORM ledger.guard(format('ledger.%I', leaf)::regclass, stem = 'posting');
        EXECUTE format('ALTER TABLE ledger.%I ATTACH PARTITION ledger.%I'
                       ' FOR VALUES FROM (%s) TO (%s)',
                       format('%s_%s', stem, for_shard), leaf, first, past);
        IF stem = 'posting' THEN
            EXECUTE format('GRANT INSERT ON ledger.%I TO clearing_writer', leaf);
        END IF;
    END LOOP;
    UPDATE ledger.shard SET leaves_end = past WHERE shard = for_shard;
    RETURN past;
END
$$;

REVOKE EXECUTE ON FUNCTION ledger.leaf_of(integer, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.leaf_of(integer, bigint) TO clearing_writer;

DO $$
DECLARE
    leaf regclass;
BEGIN
    FOR leaf IN
        SELECT c.oid FROM pg_inherits l JOIN pg_inherits i ON i.inhparent = l.inhrelid
          JOIN pg_class c ON c.oid = i.inhrelid WHERE l.inhparent = 'ledger.posting'::regclass
    LOOP
        EXECUTE format('GRANT INSERT ON %s TO clearing_writer', leaf);
    END LOOP;
END
$$;
