-- What stays of partitions that retention detaches: balances, terms and prices.
--
-- Expand: three tables that no earlier program knows, and functions that keep their names, arguments and
-- answers. Who writes under revision 0001 goes on writing. What an earlier program can no longer do is
-- detach: `ledger.detach_leaf` now asks for `ledger.carry_leaf` first, and says so.
CREATE TABLE ledger.carried_leaf (
    shard INTEGER NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    pool_time TIMESTAMP WITH TIME ZONE,
    balances BYTEA NOT NULL,
    facts BYTEA NOT NULL,
    PRIMARY KEY (shard, first),
    CONSTRAINT carried_leaf_is_whole CHECK (first BETWEEN 1 AND last AND octet_length(balances) = 32 AND octet_length(facts) = 32)
);
COMMENT ON TABLE ledger.carried_leaf IS 'Partitions that retention detached, or is about to, with hashes of what stays.';
COMMENT ON COLUMN ledger.carried_leaf.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.carried_leaf.first IS 'First event of the partition.';
COMMENT ON COLUMN ledger.carried_leaf.last IS 'Its last event.';
COMMENT ON COLUMN ledger.carried_leaf.pool_time IS 'Largest occurred_at applied up to there.';
COMMENT ON COLUMN ledger.carried_leaf.balances IS 'Hash of the balances carried.';
COMMENT ON COLUMN ledger.carried_leaf.facts IS 'Hash of the terms and prices carried.';
CREATE TABLE ledger.carried_balance (
    shard INTEGER NOT NULL,
    account INTEGER NOT NULL,
    account_sequence BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    commodity INTEGER NOT NULL,
    balance NUMERIC(38, 0) NOT NULL,
    PRIMARY KEY (shard, account, account_sequence)
);
COMMENT ON TABLE ledger.carried_balance IS 'The last balance of each account in a partition that was detached.';
COMMENT ON COLUMN ledger.carried_balance.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.carried_balance.account IS 'Of the registry of accounts.';
COMMENT ON COLUMN ledger.carried_balance.account_sequence IS 'Of its last posting there.';
COMMENT ON COLUMN ledger.carried_balance.sequence IS 'The event that led to that posting.';
COMMENT ON COLUMN ledger.carried_balance.commodity IS 'Of the registry of commodities.';
COMMENT ON COLUMN ledger.carried_balance.balance IS 'Of the account after that posting.';
CREATE TABLE ledger.carried_fact (
    shard INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    kind VARCHAR COLLATE "C" NOT NULL,
    subject VARCHAR COLLATE "C" NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (shard, kind, subject, sequence)
);
CREATE INDEX carried_fact_sequence ON ledger.carried_fact (shard, sequence);
COMMENT ON TABLE ledger.carried_fact IS 'The last terms and prices of each subject in a partition that was detached.';
COMMENT ON COLUMN ledger.carried_fact.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.carried_fact.sequence IS 'The event that told it.';
COMMENT ON COLUMN ledger.carried_fact.occurred_at IS 'When, as that event says.';
COMMENT ON COLUMN ledger.carried_fact.kind IS 'Of a reference event, mark or asset_price.';
COMMENT ON COLUMN ledger.carried_fact.subject IS 'What it is about.';
COMMENT ON COLUMN ledger.carried_fact.content IS 'The message, or the record''s body.';

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['carried_leaf', 'carried_balance', 'carried_fact'] LOOP
        EXECUTE format('CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger.%I'
                       ' FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()', kept);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER never_changed', kept);
        PERFORM ledger.guard(format('ledger.%I', kept)::regclass, false);
    END LOOP;
END
$$;

DROP FUNCTION ledger.detach_leaf(integer, bigint); -- its arguments have other names

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


CREATE FUNCTION ledger.require_held(for_shard integer, at bigint, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone record;
BEGIN
    SELECT l.last, l.pool_time INTO gone FROM ledger.carried_leaf l
     WHERE l.shard = for_shard AND NOT EXISTS (SELECT FROM ledger.event e
                                                WHERE e.shard = l.shard AND e.sequence = l.last)
     ORDER BY l.first DESC LIMIT 1;
    IF at < gone.last OR (at = gone.last AND moment < gone.pool_time) THEN
        RAISE EXCEPTION 'events up to % of shard % were detached: what was before their end is not in'
            ' the database any more', gone.last, for_shard
            USING ERRCODE = 'no_data_found',
                  HINT = 'Ask as of that event or later, or replay the archive up to the event asked for.';
    END IF;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION ledger.account_at(for_shard integer, for_account integer, at bigint)
RETURNS TABLE (balance numeric, sequence bigint)
LANGUAGE plpgsql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT p.balance, p.sequence FROM ledger.posting p
     WHERE p.shard = for_shard AND p.account = for_account AND p.sequence <= at
       AND p.account BETWEEN for_account AND for_account
     ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1;
    IF NOT FOUND AND ledger.require_held(for_shard, at, NULL) THEN
        RETURN QUERY
        SELECT c.balance, c.sequence FROM ledger.carried_balance c
         WHERE c.shard = for_shard AND c.account = for_account AND c.sequence <= at
         ORDER BY c.account_sequence DESC LIMIT 1;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION ledger.sequence_at(for_shard integer, moment timestamptz) RETURNS bigint
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
    SELECT low FROM bounds WHERE low = high AND ledger.require_held(for_shard, low, moment)
$$;

CREATE OR REPLACE VIEW ledger.latest AS
SELECT s.shard, s.name AS pool, a.account, a.owner, a.kind, a.instrument, a.asset, c.scale,
       last.balance, last.sequence
  FROM ledger.shard s
  JOIN ledger.account a ON a.shard = s.shard
  CROSS JOIN LATERAL (SELECT h.* FROM (
                      (SELECT p.balance, p.sequence, p.shard, p.commodity FROM ledger.posting p
                        WHERE p.shard = a.shard AND p.account = a.account
                          AND p.account BETWEEN a.account AND a.account
                        ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1)
                      UNION ALL
                      (SELECT o.balance, o.sequence, o.shard, o.commodity FROM ledger.carried_balance o
                        WHERE o.shard = a.shard AND o.account = a.account
                        ORDER BY o.account_sequence DESC LIMIT 1)) h
                       ORDER BY h.sequence DESC LIMIT 1) last
  JOIN ledger.commodity c ON c.shard = last.shard AND c.commodity = last.commodity;

CREATE OR REPLACE FUNCTION ledger.reference_at(for_shard integer, for_kind text, for_subject text, at bigint)
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
    IF NOT FOUND THEN
        RETURN QUERY
        SELECT f.sequence, convert_from(f.content, 'UTF8')::json FROM ledger.carried_fact f
         WHERE f.shard = for_shard AND f.kind = for_kind AND f.subject = for_subject AND f.sequence <= at
         ORDER BY f.sequence DESC LIMIT 1;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION ledger.recorded_at(for_shard integer, for_kind text, for_subject text, at bigint)
RETURNS TABLE (sequence bigint, body json)
LANGUAGE plpgsql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT r.sequence, convert_from(r.body, 'UTF8')::json FROM ledger.record r
     WHERE r.shard = for_shard AND r.kind = for_kind AND r.subject = for_subject AND r.sequence <= at
       AND r.subject BETWEEN for_subject AND for_subject -- as in `account_at`
     ORDER BY r.sequence DESC LIMIT 1;
    IF NOT FOUND THEN -- marks and prices of assets are carried from partitions that were detached
        RETURN QUERY
        SELECT f.sequence, convert_from(f.content, 'UTF8')::json FROM ledger.carried_fact f
         WHERE f.shard = for_shard AND f.kind = for_kind AND f.subject = for_subject AND f.sequence <= at
         ORDER BY f.sequence DESC LIMIT 1;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION ledger.occurred_at(for_shard integer, at bigint) RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(
        (SELECT e.occurred_at FROM ledger.event e WHERE e.shard = for_shard AND e.sequence = at),
        (SELECT f.occurred_at FROM ledger.carried_fact f
          WHERE f.shard = for_shard AND f.sequence = at LIMIT 1));
END
$$;

CREATE OR REPLACE FUNCTION ledger.pool_time_at(for_shard integer, at bigint) RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(
        (SELECT e.pool_time FROM ledger.event e WHERE e.shard = for_shard AND e.sequence <= at
          ORDER BY e.sequence DESC LIMIT 1),
        (SELECT l.pool_time FROM ledger.carried_leaf l WHERE l.shard = for_shard AND l.last = at));
END
$$;

REVOKE EXECUTE ON FUNCTION ledger.closed_leaf(integer, bigint),
    ledger.hashes_of_carried(integer, bigint, bigint, timestamptz), ledger.carry_leaf(integer, bigint),
    ledger.detach_leaf(integer, bigint), ledger.require_held(integer, bigint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.carry_leaf(integer, bigint), ledger.detach_leaf(integer, bigint)
    TO clearing_retention;
GRANT SELECT ON ledger.carried_leaf, ledger.carried_balance, ledger.carried_fact TO clearing_auditor;

-- Partitions that were detached before: an account that had moved there has a posting since, which says
-- what its balance was. Their terms and prices are in their tables, where those were not dropped; of their
-- last pool time it is known that it is not after that of the first event at hand.
DO $$
DECLARE
    books record;
    leaf bigint;
BEGIN
    FOR books IN
        SELECT s.shard, held.first - 1 AS last, held.pool_time FROM ledger.shard s
         CROSS JOIN LATERAL (SELECT e.sequence AS first, e.pool_time FROM ledger.event e
                              WHERE e.shard = s.shard ORDER BY e.sequence LIMIT 1) held
         WHERE held.first > 1
    LOOP
        INSERT INTO ledger.carried_balance (shard, account, account_sequence, sequence, commodity, balance)
        SELECT a.shard, a.account, p.account_sequence - 1, books.last, p.commodity, p.balance - p.amount
          FROM ledger.account a
         CROSS JOIN LATERAL (SELECT o.account_sequence, o.commodity, o.balance, o.amount
                               FROM ledger.posting o
                              WHERE o.shard = a.shard AND o.account = a.account
                                AND o.account BETWEEN a.account AND a.account
                              ORDER BY o.sequence, o.account_sequence LIMIT 1) p
         WHERE a.shard = books.shard AND p.account_sequence > 1;
        FOR leaf IN -- the newest first, so that what was told last is there when older tables are read
            SELECT split_part(c.relname, '_', 3)::bigint FROM pg_class c
             WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind = 'r'
               AND c.relname ~ format('^event_%s_[0-9]+$', books.shard)
               AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
             ORDER BY 1 DESC
        LOOP
            EXECUTE format($facts$
                INSERT INTO ledger.carried_fact (shard, sequence, occurred_at, kind, subject, content)
                SELECT told.* FROM (
                    SELECT DISTINCT ON (e.kind, ledger.reference_subject(e.kind, e.raw)) e.shard, e.sequence,
                           e.occurred_at, e.kind, ledger.reference_subject(e.kind, e.raw) AS subject, e.raw
                      FROM ledger.%I e
                     WHERE e.rejection IS NULL
                       AND e.kind IN ('account', 'asset', 'instrument', 'pool', 'position_mode', 'risk_tiers')
                       AND ledger.reference_subject(e.kind, e.raw) IS NOT NULL
                     ORDER BY e.kind, ledger.reference_subject(e.kind, e.raw), e.sequence DESC) told
                 WHERE NOT EXISTS (SELECT FROM ledger.carried_fact f WHERE f.shard = told.shard
                                      AND f.kind = told.kind AND f.subject = told.subject)
                $facts$, format('event_%s_%s', books.shard, leaf));
            EXECUTE format($prices$
                INSERT INTO ledger.carried_fact (shard, sequence, occurred_at, kind, subject, content)
                SELECT told.shard, told.sequence, e.occurred_at, told.kind, told.subject, told.body FROM (
                    SELECT DISTINCT ON (r.kind, r.subject) r.shard, r.sequence, r.kind, r.subject, r.body
                      FROM ledger.%I r WHERE r.kind IN ('mark', 'asset_price')
                     ORDER BY r.kind, r.subject, r.sequence DESC, r.line DESC) told
                  JOIN ledger.%I e ON e.shard = told.shard AND e.sequence = told.sequence
                 WHERE NOT EXISTS (SELECT FROM ledger.carried_fact f WHERE f.shard = told.shard
                                      AND f.kind = told.kind AND f.subject = told.subject)
                $prices$, format('record_%s_%s', books.shard, leaf), format('event_%s_%s', books.shard, leaf));
        END LOOP;
        INSERT INTO ledger.carried_leaf (shard, first, last, pool_time, balances, facts)
        SELECT books.shard, 1, books.last, books.pool_time, of_balances, of_facts
          FROM ledger.hashes_of_carried(books.shard, 1, books.last, books.pool_time);
    END LOOP;
END
$$;
