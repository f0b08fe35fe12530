-- The back office is as append-only as the books; a life goes by its table, and a checker is never the maker.

CREATE FUNCTION back_office.refuse_own_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- State, act, and the state that it leads to, as ledger/recon/casework/life.py has them.
    moves CONSTANT text[] := ARRAY[
        '- found open',
        'open seen_again open', 'open gone gone', 'open explained explanation_waits',
        'open proposed correction_waits', 'open assigned open', 'open commented open',
        'explanation_waits seen_again explanation_waits', 'explanation_waits gone gone',
        'explanation_waits reopened open', 'explanation_waits approved explained',
        'explanation_waits refused open', 'explanation_waits assigned explanation_waits',
        'explanation_waits commented explanation_waits',
        'correction_waits seen_again correction_waits', 'correction_waits gone gone',
        'correction_waits reopened open', 'correction_waits approved approved',
        'correction_waits refused open', 'correction_waits assigned correction_waits',
        'correction_waits commented correction_waits',
        'explained seen_again explained', 'explained gone gone', 'explained reopened open',
        'explained explained explanation_waits', 'explained proposed correction_waits',
        'explained refused open', 'explained closed closed', 'explained assigned explained',
        'explained commented explained',
        'approved seen_again approved', 'approved gone gone', 'approved reopened open',
        'approved refused open', 'approved corrected corrected', 'approved assigned approved',
        'approved commented approved',
        'corrected reopened open', 'corrected refused open', 'corrected closed closed',
        'corrected assigned corrected', 'corrected commented corrected',
        'gone reopened open', 'gone closed closed', 'gone assigned gone', 'gone commented gone',
        'closed reopened open', 'closed refused open', 'closed commented closed'
    ];
    before record;
    maker record;
    refused text;
BEGIN
    SELECT e.number, e.state, e.assignee INTO before FROM back_office.break_event e
     WHERE e.break_key = NEW.break_key ORDER BY e.number DESC LIMIT 1;
    IF NEW.number <> coalesce(before.number, 0) + 1 THEN
        refused := format('event %s does not follow %s', NEW.number, coalesce(before.number, 0));
    ELSIF concat_ws(' ', coalesce(before.state, '-'), NEW.kind, NEW.state) <> ALL (moves) THEN
        refused := format('%s to %s does not follow %s', NEW.kind, NEW.state,
                          coalesce(before.state, 'nothing'));
    ELSIF NEW.kind <> 'assigned' AND NEW.assignee IS DISTINCT FROM before.assignee THEN
        refused := format('it is assigned by %s', NEW.kind);
    ELSIF NEW.kind IN ('commented', 'explained', 'proposed', 'refused', 'closed')
          AND btrim(NEW.words) = '' THEN
        refused := format('%s without a word', NEW.kind);
    ELSIF NEW.kind = 'approved' THEN
        SELECT e.kind, e.made_by,
               EXISTS (SELECT FROM back_office.correction c
                        WHERE c.break_key = e.break_key AND c.number = e.number) AS is_written
          INTO maker FROM back_office.break_event e
         WHERE e.break_key = NEW.break_key AND e.kind IN ('explained', 'proposed')
         ORDER BY e.number DESC LIMIT 1;
        IF lower(maker.made_by) = lower(NEW.made_by) THEN
            refused := format('made by %s, and approved by the same', maker.made_by);
        ELSIF maker.kind = 'proposed' AND NOT maker.is_written THEN
            refused := 'nobody wrote the correction that is approved';
        END IF;
    ELSIF NEW.kind = 'closed' AND before.state = 'gone' THEN
        SELECT e.made_by INTO maker FROM back_office.break_event e
         WHERE e.break_key = NEW.break_key AND e.kind = 'gone' ORDER BY e.number DESC LIMIT 1;
        IF lower(maker.made_by) = lower(NEW.made_by) THEN
            refused := format('%s ran the run that found it gone', maker.made_by);
        END IF;
    ELSIF NEW.kind = 'refused' AND before.state IN ('corrected', 'closed') THEN
        SELECT c.match_key INTO maker FROM back_office.correction c
         WHERE c.break_key = NEW.break_key ORDER BY c.number DESC LIMIT 1;
        IF maker.match_key IS NULL THEN
            refused := 'only a match is refused once it is applied';
        END IF;
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION 'break %: %', NEW.break_key, refused USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER checked_by_another BEFORE INSERT ON back_office.break_event
    FOR EACH ROW EXECUTE FUNCTION back_office.refuse_own_check();
ALTER TABLE back_office.break_event ENABLE ALWAYS TRIGGER checked_by_another;

CREATE FUNCTION back_office.refuse_late_correction() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    latest record;
BEGIN
    SELECT e.number, e.kind INTO latest FROM back_office.break_event e
     WHERE e.break_key = NEW.break_key ORDER BY e.number DESC LIMIT 1;
    IF latest.kind IS DISTINCT FROM 'proposed' OR latest.number <> NEW.number THEN
        RAISE EXCEPTION 'break %: event % does not propose it, or is not its last', NEW.break_key,
            NEW.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER proposed_just_now BEFORE INSERT ON back_office.correction
    FOR EACH ROW EXECUTE FUNCTION back_office.refuse_late_correction();
ALTER TABLE back_office.correction ENABLE ALWAYS TRIGGER proposed_just_now;

CREATE FUNCTION back_office.refuse_other_run() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM added a
                WHERE a.run IS NOT NULL
                  AND NOT EXISTS (SELECT FROM back_office.run r
                                   WHERE r.run = a.run AND r.xmin = pg_current_xact_id()::xid)) THEN
        RAISE EXCEPTION '%: a run is kept whole, and nothing is added to it later', TG_TABLE_NAME
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['run_input', 'candidate', 'control', 'break', 'sighting', 'break_event'] LOOP
        EXECUTE format('CREATE TRIGGER of_its_own_run AFTER INSERT ON back_office.%I'
                       ' REFERENCING NEW TABLE AS added FOR EACH STATEMENT'
                       ' EXECUTE FUNCTION back_office.refuse_other_run()', kept);
        EXECUTE format('ALTER TABLE back_office.%I ENABLE ALWAYS TRIGGER of_its_own_run', kept);
    END LOOP;
END
$$;

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
