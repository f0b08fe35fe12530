-- The back office is as append-only as the books, and a checker is never the maker.

CREATE FUNCTION back_office.refuse_own_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before record;
    maker text;
BEGIN
    SELECT e.number, e.state INTO before FROM back_office.break_event e
     WHERE e.break_key = NEW.break_key ORDER BY e.number DESC LIMIT 1;
    IF NEW.number <> coalesce(before.number, 0) + 1 THEN
        RAISE EXCEPTION 'break %: event % does not follow %', NEW.break_key, NEW.number,
            coalesce(before.number, 0) USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.kind = 'approved' THEN
        SELECT e.made_by INTO maker FROM back_office.break_event e
         WHERE e.break_key = NEW.break_key AND e.kind IN ('explained', 'proposed')
         ORDER BY e.number DESC LIMIT 1;
        IF maker IS NULL OR before.state NOT IN ('explanation_waits', 'correction_waits') THEN
            RAISE EXCEPTION 'break %: nothing waits for a checker', NEW.break_key
                USING ERRCODE = 'check_violation';
        END IF;
        IF lower(maker) = lower(NEW.made_by) THEN
            RAISE EXCEPTION 'break %: made by %, and approved by the same', NEW.break_key, maker
                USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER checked_by_another BEFORE INSERT ON back_office.break_event
    FOR EACH ROW EXECUTE FUNCTION back_office.refuse_own_check();
ALTER TABLE back_office.break_event ENABLE ALWAYS TRIGGER checked_by_another;

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['run', 'run_input', 'candidate', 'control', 'break',
                                'sighting', 'break_event', 'correction', 'token', 'token_revocation'] LOOP
        EXECUTE format('CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON back_office.%I'
                       ' FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()', kept);
        EXECUTE format('ALTER TABLE back_office.%I ENABLE ALWAYS TRIGGER never_changed', kept);
        PERFORM ledger.guard(format('back_office.%I', kept)::regclass, false);
    END LOOP;
END
$$;
