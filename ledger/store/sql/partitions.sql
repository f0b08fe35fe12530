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
        IF stem = 'posting' THEN
            EXECUTE format('GRANT INSERT ON ledger.%I TO clearing_writer', leaf);
        END IF;
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

-- Where the oldest leaf of a shard ends, if it begins where it should and is full. Nothing in a full
-- leaf changes any more.
CREATE FUNCTION ledger.closed_leaf(for_shard integer, its_first bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    oldest bigint;
    past bigint;
    head bigint;
BEGIN
    SELECT split_part(c.relname, '_', 3)::bigint,
           substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''?(\d+)')::bigint
      INTO oldest, past
      FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
     WHERE inhparent = format('ledger.event_%s', for_shard)::regclass ORDER BY 1 LIMIT 1;
    IF oldest IS DISTINCT FROM its_first THEN
        RAISE EXCEPTION 'shard %: the oldest leaf begins at %, not at %', for_shard, oldest, its_first
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT next_sequence INTO head FROM ledger.shard WHERE shard = for_shard;
    IF past > head THEN
        RAISE EXCEPTION 'shard %: the leaf from % is in use: it ends at %, the books at %',
            for_shard, its_first, past - 1, head - 1 USING ERRCODE = 'object_in_use';
    END IF;
    RETURN past - 1;
END
$$;

-- Hashes of what is carried from a leaf, each over lines:
--   the two hashes of the leaf before, in hex
--   first last pool_time                  in microseconds since 1970, `-` for none
--   balances, by account:          account account_sequence sequence commodity balance
--   facts, by kind and subject:    kind subject sequence occurred_at content
-- The subject is in hex, and so is SHA-256 of the content.
CREATE FUNCTION ledger.hashes_of_carried(for_shard integer, its_first bigint, its_last bigint,
                                         its_pool_time timestamptz,
                                         OUT of_balances bytea, OUT of_facts bytea)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(convert_to(h.line || coalesce(b.lines, ''), 'UTF8')),
           sha256(convert_to(h.line || coalesce(f.lines, ''), 'UTF8'))
      FROM (SELECT concat((SELECT encode(balances, 'hex') || ' ' || encode(facts, 'hex')
                             FROM ledger.carried_leaf WHERE shard = for_shard AND first < its_first
                            ORDER BY first DESC LIMIT 1), E'\n', its_first, ' ', its_last, ' ',
                          coalesce((extract(epoch FROM its_pool_time) * 1000000)::bigint::text, '-'),
                          E'\n') AS line) h
     CROSS JOIN (SELECT string_agg(concat_ws(' ', account, account_sequence, sequence, commodity, balance)
                                   || E'\n', '' ORDER BY account) AS lines
                   FROM ledger.carried_balance
                  WHERE shard = for_shard AND sequence BETWEEN its_first AND its_last) b
     CROSS JOIN (SELECT string_agg(concat_ws(' ', kind, encode(convert_to(subject, 'UTF8'), 'hex'), sequence,
                                             (extract(epoch FROM occurred_at) * 1000000)::bigint,
                                             encode(sha256(content), 'hex'))
                                   || E'\n', '' ORDER BY kind, subject) AS lines
                   FROM ledger.carried_fact
                  WHERE shard = for_shard AND sequence BETWEEN its_first AND its_last) f
$$;

-- Writes down what stays of the oldest leaf of a shard: the last balance of each account, the last terms
-- and prices of each subject. `detach_leaf` comes after, in another transaction: who began to read before
-- it then finds these rows.
CREATE FUNCTION ledger.carry_leaf(for_shard integer, its_first bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_last bigint := ledger.closed_leaf(for_shard, its_first);
    its_pool_time timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(1667589236, for_shard); -- one at a time
    IF EXISTS (SELECT FROM ledger.carried_leaf WHERE shard = for_shard AND first = its_first) THEN
        RETURN;
    END IF;
    SELECT pool_time INTO STRICT its_pool_time FROM ledger.event
     WHERE shard = for_shard AND sequence = its_last;
    INSERT INTO ledger.carried_balance (shard, account, account_sequence, sequence, commodity, balance)
    SELECT DISTINCT ON (account) shard, account, account_sequence, sequence, commodity, balance
      FROM ledger.posting WHERE shard = for_shard AND sequence BETWEEN its_first AND its_last
     ORDER BY account, account_sequence DESC;
    INSERT INTO ledger.carried_fact (shard, sequence, occurred_at, kind, subject, content)
    SELECT DISTINCT ON (e.kind, ledger.reference_subject(e.kind, e.raw))
           e.shard, e.sequence, e.occurred_at, e.kind, ledger.reference_subject(e.kind, e.raw), e.raw
      FROM ledger.event e
     WHERE e.shard = for_shard AND e.sequence BETWEEN its_first AND its_last AND e.rejection IS NULL
       AND e.kind IN ('account', 'asset', 'instrument', 'pool', 'position_mode', 'risk_tiers')
       AND ledger.reference_subject(e.kind, e.raw) IS NOT NULL
     ORDER BY e.kind, ledger.reference_subject(e.kind, e.raw), e.sequence DESC;
    INSERT INTO ledger.carried_fact (shard, sequence, occurred_at, kind, subject, content)
    SELECT r.shard, r.sequence, e.occurred_at, r.kind, r.subject, r.body
      FROM (SELECT DISTINCT ON (kind, subject) shard, sequence, kind, subject, body FROM ledger.record
             WHERE shard = for_shard AND kind IN ('mark', 'asset_price')
               AND sequence BETWEEN its_first AND its_last
             ORDER BY kind, subject, sequence DESC, line DESC) r
      JOIN ledger.event e ON e.shard = r.shard AND e.sequence = r.sequence;
    INSERT INTO ledger.carried_leaf (shard, first, last, pool_time, balances, facts)
    SELECT for_shard, its_first, its_last, its_pool_time, of_balances, of_facts
      FROM ledger.hashes_of_carried(for_shard, its_first, its_last, its_pool_time);
END
$$;

-- Takes the oldest leaf of a shard out of the books, once it is carried; its tables stay, named as before.
-- Refused while the writer would need a trade from there to start: one that was busted since the newest
-- snapshot.
CREATE FUNCTION ledger.detach_leaf(for_shard integer, its_first bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_last bigint := ledger.closed_leaf(for_shard, its_first);
    stem text;
    leaf text;
    busted text;
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.carried_leaf WHERE shard = for_shard AND first = its_first) THEN
        RAISE EXCEPTION 'shard %: the leaf from % is not carried yet', for_shard, its_first
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Call ledger.carry_leaf first, in a transaction of its own.';
    END IF;
    FOREACH stem IN ARRAY ARRAY['record', 'posting', 'event'] LOOP
        leaf := format('%s_%s_%s', stem, for_shard, its_first);
        EXECUTE format('ALTER TABLE ledger.%I DETACH PARTITION ledger.%I',
                       format('%s_%s', stem, for_shard), leaf);
        EXECUTE format('REVOKE ALL ON ledger.%I FROM clearing_writer', leaf);
        EXECUTE format('CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger.%I'
                       ' FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()', leaf);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER never_changed', leaf);
    END LOOP;
    SELECT r.subject INTO busted -- nobody writes any more, up to the end of this transaction
      FROM ledger.record r
      JOIN ledger.event_identity i ON i.shard = r.shard AND i.event_id = r.subject
     WHERE r.shard = for_shard AND r.kind = 'trade_bust' AND i.sequence <= its_last
       AND r.sequence > coalesce((SELECT max(sequence) FROM ledger.snapshot WHERE shard = for_shard), 0)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'shard %: trade %, in the leaf from %, was busted since the newest snapshot',
            for_shard, busted, its_first USING ERRCODE = 'object_in_use',
            HINT = 'Let the writer keep a state once (stop it in good order), then try again.';
    END IF;
END
$$;

CREATE FUNCTION ledger.prune_snapshots(for_shard integer, keep integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM ledger.snapshot
     WHERE shard = for_shard
       AND sequence NOT IN (SELECT sequence FROM ledger.snapshot WHERE shard = for_shard
                             ORDER BY sequence DESC LIMIT greatest(keep, 1))
$$;
