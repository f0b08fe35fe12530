-- Roles belong to the cluster, and many databases may be migrated at once: made only where missing.
--   clearing_owner      owns everything; nobody logs in as it
--   clearing_writer     appends; changes heads and offsets
--   clearing_reader     reads the reporting views
--   clearing_auditor    reads the reporting views and the books themselves
--   clearing_retention  may detach old partitions
--   clearing_back_office  appends to `back_office`; reads the reporting views
--   clearing_tokens     makes tokens of the API and takes them back
DO $$
DECLARE
    missing name;
BEGIN
    FOREACH missing IN ARRAY ARRAY['clearing_owner', 'clearing_writer', 'clearing_reader',
                                   'clearing_auditor', 'clearing_retention',
                                   'clearing_back_office', 'clearing_tokens']::name[] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = missing) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another migration made it between the question and the answer
            END;
        END IF;
    END LOOP;
    IF NOT pg_has_role(current_user, 'clearing_owner', 'SET') THEN
        BEGIN
            EXECUTE format('GRANT clearing_owner TO %I WITH INHERIT TRUE, SET TRUE', current_user);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION '% may not act as clearing_owner, which another login made', current_user
                USING ERRCODE = 'invalid_role_specification',
                      HINT = format('As that login or a superuser: GRANT clearing_owner TO %I'
                                    ' WITH INHERIT TRUE, SET TRUE', current_user);
        END;
    END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS ledger AUTHORIZATION clearing_owner;
CREATE SCHEMA IF NOT EXISTS reporting AUTHORIZATION clearing_owner;
CREATE SCHEMA IF NOT EXISTS back_office AUTHORIZATION clearing_owner;
