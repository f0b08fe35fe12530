-- The back office appends to its own tables and reads the reports; of the books it sees the revision alone.
-- Tokens are none of its business: who works on breaks makes himself no token.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA back_office FROM PUBLIC;

GRANT USAGE ON SCHEMA back_office TO clearing_back_office, clearing_auditor, clearing_reader, clearing_tokens;
GRANT USAGE ON SCHEMA reporting, ledger TO clearing_back_office;
GRANT USAGE ON SCHEMA ledger TO clearing_tokens;
GRANT SELECT ON back_office.run, back_office.run_input, back_office.candidate, back_office.control,
    back_office.break, back_office.sighting, back_office.break_event, back_office.correction
    TO clearing_back_office, clearing_auditor;
GRANT SELECT ON back_office.token, back_office.token_revocation TO clearing_auditor, clearing_tokens;
GRANT INSERT ON back_office.run_input, back_office.candidate, back_office.control, back_office.break, back_office.sighting,
    back_office.correction
    TO clearing_back_office;
-- When a row was written, and by which login, the database says.
GRANT INSERT (pool, sequence, matched, breaks, rules_version, made_by, rules_hash, result_hash, agreed)
    ON back_office.run TO clearing_back_office;
GRANT INSERT (run, number, break_key, kind, state, made_by, assignee, words) ON back_office.break_event TO clearing_back_office;
GRANT INSERT (expires_at, name, made_by, scopes, token_hash) ON back_office.token TO clearing_tokens;
GRANT INSERT (token, made_by, reason) ON back_office.token_revocation TO clearing_tokens;
GRANT SELECT ON back_office.all_breaks, back_office.open_breaks, back_office.break_lives, back_office.runs
    TO clearing_back_office, clearing_auditor, clearing_reader;
GRANT SELECT ON back_office.live_tokens TO clearing_auditor, clearing_tokens;

GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO clearing_back_office;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting TO clearing_back_office;
-- What the views of `reporting` compute with: a function in a view runs as its reader.
GRANT EXECUTE ON FUNCTION ledger.natural_units(numeric, integer),
    ledger.floor_quotient(numeric, numeric),
    ledger.entry_price(text, numeric, numeric, numeric), ledger.content(bytea, text),
    ledger.account_at(integer, integer, bigint),
    ledger.ceil_quotient(numeric, numeric), ledger.half_even_quotient(numeric, numeric),
    ledger.decimal_of(numeric, numeric, integer), ledger.add_fraction(numeric[], numeric, numeric),
    ledger.sum_fraction(numeric, numeric),
    ledger.exact_maintenance(numeric, numeric, numeric, numeric),
    ledger.liquidation_price(text, numeric, integer, numeric[], numeric[], numeric[], numeric[], integer),
    ledger.deleveraging_score(text, numeric, numeric, numeric, numeric, numeric, numeric, numeric,
                              numeric),
    ledger.reference_at(integer, text, text, bigint), ledger.recorded_at(integer, text, text, bigint),
    ledger.occurred_at(integer, bigint), ledger.settlement_of(integer), ledger.figures(bytea),
    ledger.figure(json, text), ledger.reference_subject(text, bytea)
    TO clearing_back_office;
