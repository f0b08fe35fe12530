-- The back office's tables, beside the books.
--
-- Expand: a schema that no earlier program knows.
CREATE TABLE back_office.run (
    run BIGINT GENERATED ALWAYS AS IDENTITY,
    pool VARCHAR COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    matched BIGINT NOT NULL,
    breaks BIGINT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    rules_version VARCHAR COLLATE "C" NOT NULL,
    made_by VARCHAR COLLATE "C" NOT NULL,
    rules_hash BYTEA NOT NULL,
    result_hash BYTEA NOT NULL,
    agreed VARCHAR[] COLLATE "C" NOT NULL,
    login VARCHAR COLLATE "C" DEFAULT SESSION_USER NOT NULL,
    PRIMARY KEY (run),
    CONSTRAINT run_hashes_are_sha256 CHECK (octet_length(rules_hash) = 32 AND octet_length(result_hash) = 32)
);
CREATE INDEX run_pool ON back_office.run (pool, run);
COMMENT ON TABLE back_office.run IS 'Reconciliations: what was held against what, and what it came to.';
COMMENT ON COLUMN back_office.run.run IS 'Its number.';
COMMENT ON COLUMN back_office.run.pool IS 'Whose books.';
COMMENT ON COLUMN back_office.run.sequence IS 'Last event of them that it took.';
COMMENT ON COLUMN back_office.run.matched IS 'Of ours, how many agreed.';
COMMENT ON COLUMN back_office.run.breaks IS 'How many differences it found.';
COMMENT ON COLUMN back_office.run.made_at IS 'When.';
COMMENT ON COLUMN back_office.run.rules_version IS 'As the rules file says.';
COMMENT ON COLUMN back_office.run.made_by IS 'Who ran it.';
COMMENT ON COLUMN back_office.run.rules_hash IS 'SHA-256 of the rules file.';
COMMENT ON COLUMN back_office.run.result_hash IS 'The same for the same inputs.';
COMMENT ON COLUMN back_office.run.agreed IS 'Keys of the matches that it was told people agreed to: an input as the files are.';
COMMENT ON COLUMN back_office.run.login IS 'Login that wrote it.';
CREATE TABLE back_office.token (
    token BIGINT GENERATED ALWAYS AS IDENTITY,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    made_by VARCHAR COLLATE "C" NOT NULL,
    scopes VARCHAR[] COLLATE "C" NOT NULL,
    token_hash BYTEA NOT NULL,
    login VARCHAR COLLATE "C" DEFAULT SESSION_USER NOT NULL,
    PRIMARY KEY (token),
    CONSTRAINT token_hash_is_sha256 CHECK (octet_length(token_hash) = 32),
    CONSTRAINT token_opens_something CHECK (cardinality(scopes) > 0),
    UNIQUE (token_hash)
);
COMMENT ON TABLE back_office.token IS 'Tokens of the API; of a token itself only its hash is kept.';
COMMENT ON COLUMN back_office.token.token IS 'Its number.';
COMMENT ON COLUMN back_office.token.made_at IS 'When.';
COMMENT ON COLUMN back_office.token.expires_at IS 'From then on it opens nothing.';
COMMENT ON COLUMN back_office.token.name IS 'What it is for.';
COMMENT ON COLUMN back_office.token.made_by IS 'Who made it.';
COMMENT ON COLUMN back_office.token.scopes IS 'What it opens.';
COMMENT ON COLUMN back_office.token.token_hash IS 'SHA-256 of it.';
COMMENT ON COLUMN back_office.token.login IS 'Login that wrote it.';
CREATE TABLE back_office.break (
    run BIGINT NOT NULL,
    break_key VARCHAR COLLATE "C" NOT NULL,
    type VARCHAR COLLATE "C" NOT NULL,
    source VARCHAR COLLATE "C" NOT NULL,
    pool VARCHAR COLLATE "C" NOT NULL,
    subject VARCHAR COLLATE "C" NOT NULL,
    account VARCHAR COLLATE "C" NOT NULL,
    commodity VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (break_key),
    CONSTRAINT break_key_is_16_hex_digits CHECK (break_key ~ '^[0-9a-f]{16}$'),
    FOREIGN KEY(run) REFERENCES back_office.run (run)
);
CREATE INDEX break_pool ON back_office.break (pool, source);
COMMENT ON TABLE back_office.break IS 'What each break is about: the part of it that never changes.';
COMMENT ON COLUMN back_office.break.run IS 'First found it.';
COMMENT ON COLUMN back_office.break.break_key IS 'The same in every run.';
COMMENT ON COLUMN back_office.break.type IS 'missing_here, amount, timing, ...';
COMMENT ON COLUMN back_office.break.source IS 'The outside source; internal: a control.';
COMMENT ON COLUMN back_office.break.pool IS 'Whose books.';
COMMENT ON COLUMN back_office.break.subject IS 'What it is about.';
COMMENT ON COLUMN back_office.break.account IS 'Where it lies; empty: nowhere.';
COMMENT ON COLUMN back_office.break.commodity IS 'Of its amounts; empty: of none.';
CREATE TABLE back_office.candidate (
    run BIGINT NOT NULL,
    score INTEGER NOT NULL,
    match_key VARCHAR COLLATE "C" NOT NULL,
    source VARCHAR COLLATE "C" NOT NULL,
    our_references VARCHAR[] COLLATE "C" NOT NULL,
    their_references VARCHAR[] COLLATE "C" NOT NULL,
    content VARCHAR NOT NULL,
    PRIMARY KEY (run, match_key),
    FOREIGN KEY(run) REFERENCES back_office.run (run)
);
COMMENT ON TABLE back_office.candidate IS 'Things of both sides that may be the same; nothing is done until people agree.';
COMMENT ON COLUMN back_office.candidate.run IS 'Found it.';
COMMENT ON COLUMN back_office.candidate.score IS '0 to 100: how much speaks for it.';
COMMENT ON COLUMN back_office.candidate.match_key IS 'The same in every run.';
COMMENT ON COLUMN back_office.candidate.source IS 'The outside source.';
COMMENT ON COLUMN back_office.candidate.our_references IS 'Event ids of ours.';
COMMENT ON COLUMN back_office.candidate.their_references IS 'Theirs.';
COMMENT ON COLUMN back_office.candidate.content IS 'Both sides and what speaks for it, JSON.';
CREATE TABLE back_office.control (
    run BIGINT NOT NULL,
    checked BIGINT NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    holds BOOLEAN NOT NULL,
    says VARCHAR NOT NULL,
    PRIMARY KEY (run, name),
    FOREIGN KEY(run) REFERENCES back_office.run (run)
);
COMMENT ON TABLE back_office.control IS 'Internal controls, as each run found them.';
COMMENT ON COLUMN back_office.control.run IS 'Looked at it.';
COMMENT ON COLUMN back_office.control.checked IS 'How many figures it looked at.';
COMMENT ON COLUMN back_office.control.name IS 'Of the control.';
COMMENT ON COLUMN back_office.control.holds IS 'Whether it does.';
COMMENT ON COLUMN back_office.control.says IS 'In words.';
CREATE TABLE back_office.run_input (
    run BIGINT NOT NULL,
    source VARCHAR COLLATE "C" NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    lines BIGINT NOT NULL,
    covers_from TIMESTAMP WITH TIME ZONE,
    covers_until TIMESTAMP WITH TIME ZONE,
    content_hash BYTEA NOT NULL,
    PRIMARY KEY (run, source, name),
    CONSTRAINT run_input_hash_is_sha256 CHECK (octet_length(content_hash) = 32),
    FOREIGN KEY(run) REFERENCES back_office.run (run)
);
COMMENT ON TABLE back_office.run_input IS 'What a run was given of each outside source.';
COMMENT ON COLUMN back_office.run_input.run IS 'Whose.';
COMMENT ON COLUMN back_office.run_input.source IS 'As the rules file names it.';
COMMENT ON COLUMN back_office.run_input.name IS 'Of the file, or of the topic.';
COMMENT ON COLUMN back_office.run_input.lines IS 'How many it has.';
COMMENT ON COLUMN back_office.run_input.covers_from IS 'Earliest moment that it tells of; null: of none.';
COMMENT ON COLUMN back_office.run_input.covers_until IS 'Latest moment that it tells of; null: of none.';
COMMENT ON COLUMN back_office.run_input.content_hash IS 'SHA-256 of its bytes.';
CREATE TABLE back_office.token_revocation (
    token BIGINT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    made_by VARCHAR COLLATE "C" NOT NULL,
    reason VARCHAR NOT NULL,
    login VARCHAR COLLATE "C" DEFAULT SESSION_USER NOT NULL,
    PRIMARY KEY (token),
    FOREIGN KEY(token) REFERENCES back_office.token (token)
);
COMMENT ON TABLE back_office.token_revocation IS 'Tokens that were taken back.';
COMMENT ON COLUMN back_office.token_revocation.token IS 'Opens nothing any more.';
COMMENT ON COLUMN back_office.token_revocation.made_at IS 'When.';
COMMENT ON COLUMN back_office.token_revocation.made_by IS 'Who took it back.';
COMMENT ON COLUMN back_office.token_revocation.reason IS 'Why.';
COMMENT ON COLUMN back_office.token_revocation.login IS 'Login that wrote it.';
CREATE TABLE back_office.break_event (
    made_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    run BIGINT,
    number INTEGER NOT NULL,
    break_key VARCHAR COLLATE "C" NOT NULL,
    kind VARCHAR COLLATE "C" NOT NULL,
    state VARCHAR COLLATE "C" NOT NULL,
    made_by VARCHAR COLLATE "C" NOT NULL,
    assignee VARCHAR COLLATE "C",
    words VARCHAR NOT NULL,
    login VARCHAR COLLATE "C" DEFAULT SESSION_USER NOT NULL,
    PRIMARY KEY (break_key, number),
    CONSTRAINT break_event_kind_is_known CHECK (kind IN ('found', 'seen_again', 'gone', 'reopened', 'assigned', 'commented', 'explained', 'proposed', 'approved', 'refused', 'corrected', 'closed')),
    CONSTRAINT break_event_state_is_known CHECK (state IN ('open', 'explanation_waits', 'correction_waits', 'explained', 'approved', 'corrected', 'gone', 'closed')),
    CONSTRAINT break_event_is_of_a_run_or_a_person CHECK ((run IS NOT NULL) = (kind IN ('found', 'seen_again', 'gone', 'reopened', 'corrected'))),
    FOREIGN KEY(run) REFERENCES back_office.run (run),
    FOREIGN KEY(break_key) REFERENCES back_office.break (break_key)
);
COMMENT ON TABLE back_office.break_event IS 'The life of each break, from found to closed.';
COMMENT ON COLUMN back_office.break_event.made_at IS 'When.';
COMMENT ON COLUMN back_office.break_event.run IS 'By which run; null: by a person.';
COMMENT ON COLUMN back_office.break_event.number IS 'Place in the break''s life, from 1.';
COMMENT ON COLUMN back_office.break_event.break_key IS 'Whose life.';
COMMENT ON COLUMN back_office.break_event.kind IS 'What happened.';
COMMENT ON COLUMN back_office.break_event.state IS 'That it led to.';
COMMENT ON COLUMN back_office.break_event.made_by IS 'Who did it, or had it run.';
COMMENT ON COLUMN back_office.break_event.assignee IS 'Who works on it from then on; null: nobody.';
COMMENT ON COLUMN back_office.break_event.words IS 'What was said with it.';
COMMENT ON COLUMN back_office.break_event.login IS 'Login that wrote it.';
CREATE TABLE back_office.sighting (
    run BIGINT NOT NULL,
    happened_at TIMESTAMP WITH TIME ZONE,
    break_key VARCHAR COLLATE "C" NOT NULL,
    severity VARCHAR COLLATE "C" NOT NULL,
    ours NUMERIC,
    theirs NUMERIC,
    our_references VARCHAR[] COLLATE "C" NOT NULL,
    their_references VARCHAR[] COLLATE "C" NOT NULL,
    says VARCHAR NOT NULL,
    PRIMARY KEY (break_key, run),
    CONSTRAINT sighting_severity_is_known CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    FOREIGN KEY(run) REFERENCES back_office.run (run),
    FOREIGN KEY(break_key) REFERENCES back_office.break (break_key)
);
COMMENT ON TABLE back_office.sighting IS 'What a run found of a break, where that differs from the run before.';
COMMENT ON COLUMN back_office.sighting.run IS 'Found it so.';
COMMENT ON COLUMN back_office.sighting.happened_at IS 'When, as one of both sides says.';
COMMENT ON COLUMN back_office.sighting.break_key IS 'Which break.';
COMMENT ON COLUMN back_office.sighting.severity IS 'low, medium, high or critical.';
COMMENT ON COLUMN back_office.sighting.ours IS 'Natural units; null: missing on our side.';
COMMENT ON COLUMN back_office.sighting.theirs IS 'Natural units; null: missing on their side.';
COMMENT ON COLUMN back_office.sighting.our_references IS 'Event ids.';
COMMENT ON COLUMN back_office.sighting.their_references IS 'References, or lines.';
COMMENT ON COLUMN back_office.sighting.says IS 'In words.';
CREATE TABLE back_office.correction (
    number INTEGER NOT NULL,
    break_key VARCHAR COLLATE "C" NOT NULL,
    event_id VARCHAR COLLATE "C",
    match_key VARCHAR COLLATE "C",
    content VARCHAR NOT NULL,
    PRIMARY KEY (break_key, number),
    FOREIGN KEY(break_key, number) REFERENCES back_office.break_event (break_key, number),
    CONSTRAINT correction_is_adjustment_or_match CHECK ((event_id IS NULL) <> (match_key IS NULL)),
    UNIQUE (event_id)
);
COMMENT ON TABLE back_office.correction IS 'What was proposed to mend a break: an adjustment, or a match to be agreed to.';
COMMENT ON COLUMN back_office.correction.number IS 'Of the event that proposed it.';
COMMENT ON COLUMN back_office.correction.break_key IS 'Whose.';
COMMENT ON COLUMN back_office.correction.event_id IS 'Of the adjustment; null: it is a match.';
COMMENT ON COLUMN back_office.correction.match_key IS 'Of the candidate; null: it is an adjustment.';
COMMENT ON COLUMN back_office.correction.content IS 'The adjustment, or the candidate, JSON.';
