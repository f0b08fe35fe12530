-- What the views compute with, for those who read them: a function in a view runs as its reader.
GRANT EXECUTE ON FUNCTION ledger.ceil_quotient(numeric, numeric), ledger.half_even_quotient(numeric, numeric),
    ledger.decimal_of(numeric, numeric, integer), ledger.add_fraction(numeric[], numeric, numeric),
    ledger.sum_fraction(numeric, numeric),
    ledger.exact_maintenance(numeric, numeric, numeric, numeric),
    ledger.liquidation_price(text, numeric, integer, numeric[], numeric[], numeric[], numeric[], integer),
    ledger.deleveraging_score(text, numeric, numeric, numeric, numeric, numeric, numeric, numeric,
                              numeric),
    ledger.reference_at(integer, text, text, bigint), ledger.recorded_at(integer, text, text, bigint),
    ledger.occurred_at(integer, bigint), ledger.settlement_of(integer), ledger.figures(bytea), ledger.figure(json, text)
    TO clearing_reader, clearing_auditor;
-- A generated column of ledger.event is computed by whoever inserts.
GRANT EXECUTE ON FUNCTION ledger.reference_subject(text, bytea)
    TO clearing_reader, clearing_auditor, clearing_writer;
