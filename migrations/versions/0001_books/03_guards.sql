-- What makes the books append-only and balanced, whoever writes to them.
-- Row triggers reach the partitions by themselves. Statement triggers do not, so `ledger.guard` is
-- called for every level and every leaf. ENABLE ALWAYS: else `session_replication_role = replica`
-- would walk past.

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% on %.% refused: the books are append-only',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
              HINT = 'Correct by a new event, such as an adjustment or a trade_bust.';
END
$$;

CREATE FUNCTION ledger.refuse_unbalanced() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry record;
BEGIN
    SELECT shard, sequence, commodity, sum(amount) AS excess INTO entry
      FROM added GROUP BY shard, sequence, commodity HAVING sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'unbalanced entry: shard %, sequence %, commodity % sums to %, expected 0',
            entry.shard, entry.sequence, entry.commodity, entry.excess
            USING ERRCODE = 'check_violation',
                  HINT = 'All postings of an event are written by one statement.';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger.guard(relation regclass, holds_postings boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %s'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', relation);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER never_emptied', relation);
    IF holds_postings THEN
        EXECUTE format('CREATE TRIGGER always_balanced AFTER INSERT ON %s'
                       ' REFERENCING NEW TABLE AS added'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unbalanced()', relation);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER always_balanced', relation);
    END IF;
END
$$;

DO $$
DECLARE
    kept text;
    part integer;
BEGIN
    FOR part IN 0..7 LOOP
        EXECUTE format('CREATE TABLE ledger.event_identity_%s PARTITION OF ledger.event_identity'
                       ' FOR VALUES WITH (MODULUS 8, REMAINDER %s)', part, part);
        PERFORM ledger.guard(format('ledger.event_identity_%s', part)::regclass, false);
    END LOOP;
    FOREACH kept IN ARRAY ARRAY['event', 'posting', 'record', 'event_identity',
                                'account', 'commodity', 'source',
                                'checkpoint', 'signing_key'] LOOP
        EXECUTE format('CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger.%I'
                       ' FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()', kept);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER never_changed', kept);
        PERFORM ledger.guard(format('ledger.%I', kept)::regclass, kept = 'posting');
    END LOOP;
END
$$;

ALTER TABLE ledger.snapshot ALTER COLUMN body SET STORAGE EXTERNAL; -- compressed already
