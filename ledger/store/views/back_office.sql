-- Breaks as they stand, and tokens that open something.

CREATE VIEW back_office.all_breaks AS
SELECT b.break_key, b.pool, b.source, b.type, b.subject, b.account, b.commodity,
       s.severity, l.state, l.assignee, s.ours, s.theirs,
       coalesce(s.ours, 0) - coalesce(s.theirs, 0) AS difference,
       s.our_references, s.their_references, s.happened_at, s.says,
       f.made_at AS found_at, o.made_at AS opened_at, clock_timestamp() - f.made_at AS age,
       b.run AS first_run, s.run AS changed_run, l.number AS events, l.made_at AS moved_at
  FROM back_office.break b
  JOIN back_office.break_event f ON f.break_key = b.break_key AND f.number = 1
 CROSS JOIN LATERAL (SELECT e.number, e.state, e.assignee, e.made_at FROM back_office.break_event e
                      WHERE e.break_key = b.break_key ORDER BY e.number DESC LIMIT 1) l
 CROSS JOIN LATERAL (SELECT e.made_at FROM back_office.break_event e
                      WHERE e.break_key = b.break_key AND e.kind IN ('found', 'reopened')
                      ORDER BY e.number DESC LIMIT 1) o
 CROSS JOIN LATERAL (SELECT g.* FROM back_office.sighting g
                      WHERE g.break_key = b.break_key ORDER BY g.run DESC LIMIT 1) s;

CREATE VIEW back_office.open_breaks AS
SELECT * FROM back_office.all_breaks WHERE state <> 'closed';

CREATE VIEW back_office.break_lives AS
SELECT b.pool, b.break_key, e.number, e.kind, e.state, e.made_by, e.made_at, e.run, e.assignee, e.words,
       c.event_id, c.match_key, c.content, e.login
  FROM back_office.break b
  JOIN back_office.break_event e ON e.break_key = b.break_key
  LEFT JOIN back_office.correction c ON c.break_key = e.break_key AND c.number = e.number;

CREATE VIEW back_office.runs AS
SELECT r.run, r.pool, r.sequence, r.rules_version, encode(r.rules_hash, 'hex') AS rules_hash,
       encode(r.result_hash, 'hex') AS result_hash, r.matched, r.breaks, r.made_by, r.made_at,
       g.inputs, r.agreed, r.login
  FROM back_office.run r
 CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg(jsonb_build_object(
                         'source', i.source, 'name', i.name, 'lines', i.lines,
                         'covers_from', i.covers_from, 'covers_until', i.covers_until,
                         'content_hash', encode(i.content_hash, 'hex'))
                         ORDER BY i.source, i.name), '[]'::jsonb) AS inputs
                       FROM back_office.run_input i WHERE i.run = r.run) g;

CREATE VIEW back_office.live_tokens AS
SELECT t.token, t.name, t.scopes, t.token_hash, t.made_by, t.made_at, t.expires_at
  FROM back_office.token t
  LEFT JOIN back_office.token_revocation v ON v.token = t.token
 WHERE t.expires_at > clock_timestamp() AND v.token IS NULL;

DO $$
DECLARE
    named record;
    words jsonb := '{
        "break_key": "The break''s key, the same in every run.",
        "pool": "Whose books.",
        "source": "The outside source; internal where a control of ours does not hold.",
        "type": "missing_here, missing_there, amount, timing, duplicate, wrong_account, unpaired, opening, control.",
        "subject": "What it is about: a trade id, a reference, account/commodity, a control.",
        "account": "Where it lies; empty: nowhere.",
        "commodity": "The asset, or the instrument whose contracts are counted; empty: none.",
        "severity": "low, medium, high or critical, by the rules file.",
        "state": "open, explanation_waits, correction_waits, explained, approved, corrected, gone or closed.",
        "assignee": "Who works on it; null: nobody.",
        "ours": "Our amount, natural units; null: missing on our side.",
        "theirs": "Their amount, natural units; null: missing on their side.",
        "difference": "Ours less theirs; a side that is missing counts as zero.",
        "our_references": "Event ids of ours.",
        "their_references": "References of theirs, or lines of their file.",
        "happened_at": "When, as one of both sides says.",
        "says": "The difference in words.",
        "found_at": "When it was first found.",
        "opened_at": "When it was found, or last opened again.",
        "age": "Since it was first found.",
        "first_run": "The run that first found it.",
        "changed_run": "The run that last found its amounts, references or severity changed.",
        "events": "How many its life has.",
        "moved_at": "When the last of them was.",
        "number": "Place in the life of the break, from 1.",
        "kind": "What happened.",
        "made_by": "Who did it, or had it run.",
        "made_at": "When.",
        "run": "Number of the run; null: a person did it.",
        "words": "What was said with it.",
        "event_id": "Of the adjustment that was proposed with it.",
        "match_key": "Of the candidate that was proposed with it.",
        "content": "That adjustment or candidate, as JSON.",
        "sequence": "Last event of the books that it took.",
        "rules_version": "As the rules file says.",
        "rules_hash": "SHA-256 of the rules file, hex.",
        "result_hash": "The same for the same inputs, hex.",
        "matched": "Of ours, how many agreed.",
        "breaks": "How many differences it found.",
        "inputs": "What it was given: source, name, lines, covers_from, covers_until, content_hash.",
        "agreed": "Keys of the matches that it was told people agreed to.",
        "login": "Login of the database that wrote it, whatever name was given.",
        "token": "Its number.",
        "name": "What it is for.",
        "scopes": "What it opens.",
        "token_hash": "SHA-256 of it.",
        "expires_at": "From then on it opens nothing."
    }';
    views jsonb := '{
        "all_breaks": "Every break as it stands, closed ones too.",
        "open_breaks": "Breaks that are not closed, as they stand.",
        "break_lives": "What happened to each break, in order.",
        "runs": "Reconciliations, and what they came to.",
        "live_tokens": "Tokens of the API that have not expired and were not taken back."
    }';
BEGIN
    FOR named IN SELECT c.relname, a.attname FROM pg_catalog.pg_class c
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                  WHERE c.relnamespace = 'back_office'::regnamespace AND c.relkind = 'v' LOOP
        EXECUTE format('COMMENT ON COLUMN back_office.%I.%I IS %L', named.relname, named.attname,
                       words ->> named.attname);
        EXECUTE format('COMMENT ON VIEW back_office.%I IS %L', named.relname, views ->> named.relname);
    END LOOP;
END
$$;
