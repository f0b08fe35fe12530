-- Shards, and their partitions: event_3_1 holds the events of shard 3 from sequence 1.
-- A leaf is made apart and attached: PARTITION OF would wait for every reader of the table.

CREATE FUNCTION ledger.open_leaf(for_shard integer, leaf_events bigint) RETURNS bigint
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
    END LOOP;
    UPDATE ledger.shard SET leaves_end = past WHERE shard = for_shard;
    RETURN past;
END
$$;

CREATE FUNCTION ledger.declare_shard(its_name text, its_partition integer, leaf_events bigint)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number integer;
    stem text;
    level text;
BEGIN
    PERFORM pg_advisory_xact_lock(1667589234, 0); -- one declaration at a time
    SELECT shard INTO number FROM ledger.shard WHERE name = its_name;
    IF FOUND THEN
        RETURN number;
    END IF;
    IF its_name NOT LIKE '@%'
       AND (SELECT count(*) FROM ledger.shard WHERE name NOT LIKE '@%') >= 200 THEN
        RAISE EXCEPTION 'pool % is one too many: a database holds up to 200', its_name
            USING ERRCODE = 'configuration_limit_exceeded',
                  HINT = 'Keep further pools in a database of their own.';
    END IF;
    SELECT coalesce(max(shard), 0) + 1 INTO number FROM ledger.shard;
    INSERT INTO ledger.shard (shard, name, partition, epoch, next_sequence, next_account,
                              duplicates, leaves_end, chain, frontier)
    VALUES (number, its_name, its_partition, 0, 1, 1, 0, 1, decode(repeat('00', 32), 'hex'), '');
    FOREACH stem IN ARRAY ARRAY['event', 'posting', 'record'] LOOP
        level := format('%s_%s', stem, number);
        EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.%I INCLUDING ALL EXCLUDING COMMENTS)'
                       ' PARTITION BY RANGE (sequence)', level, stem);
        PERFORM ledger.guard(format('ledger.%I', level)::regclass, stem = 'posting');
        EXECUTE format('ALTER TABLE ledger.%I ATTACH PARTITION ledger.%I FOR VALUES IN (%s)',
                       stem, level, number);
    END LOOP;
    PERFORM ledger.open_leaf(number, leaf_events);
    RETURN number;
END
$$;

-- Takes the oldest leaves of a shard out of the books; their tables stay, named as before.
-- Refused while an account's latest posting stands there, for its balance would be lost.
CREATE FUNCTION ledger.detach_leaf(for_shard integer, first bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stem text;
    leaf text;
    oldest bigint;
    last bigint;
    needed integer;
BEGIN
    SELECT min(split_part(inhrelid::regclass::text, '_', 3)::bigint) INTO oldest
      FROM pg_inherits WHERE inhparent = format('ledger.event_%s', for_shard)::regclass;
    IF oldest IS DISTINCT FROM first THEN
        RAISE EXCEPTION 'shard %: the oldest leaf begins at %, not at %', for_shard, oldest, first
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('SELECT max(sequence) FROM ledger.event_%s_%s', for_shard, first) INTO last;
    IF NOT EXISTS (SELECT FROM pg_inherits
                    WHERE inhparent = format('ledger.event_%s', for_shard)::regclass
                   OFFSET 1) THEN
        RAISE EXCEPTION 'shard %: its only leaf is in use', for_shard
            USING ERRCODE = 'object_in_use';
    END IF;
    EXECUTE format('SELECT account FROM (SELECT DISTINCT account FROM ledger.posting_%1$s_%2$s) held'
                   ' WHERE NOT EXISTS (SELECT FROM ledger.posting_%1$s later'
                   ' WHERE later.shard = $2 AND later.account = held.account'
                   ' AND later.sequence > $1) LIMIT 1',
                   for_shard, first) INTO needed USING last, for_shard;
    IF needed IS NOT NULL THEN
        RAISE EXCEPTION 'shard %: the latest posting of account % is in the leaf from %',
            for_shard, needed, first USING ERRCODE = 'object_in_use';
    END IF;
    FOREACH stem IN ARRAY ARRAY['record', 'posting', 'event'] LOOP
        leaf := format('%s_%s_%s', stem, for_shard, first);
        EXECUTE format('ALTER TABLE ledger.%I DETACH PARTITION ledger.%I',
                       format('%s_%s', stem, for_shard), leaf);
        EXECUTE format('CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger.%I'
                       ' FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()', leaf);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER never_changed', leaf);
    END LOOP;
END
$$;

CREATE FUNCTION ledger.prune_snapshots(for_shard integer, keep integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM ledger.snapshot
     WHERE shard = for_shard
       AND sequence NOT IN (SELECT sequence FROM ledger.snapshot WHERE shard = for_shard
                             ORDER BY sequence DESC LIMIT greatest(keep, 1))
$$;
