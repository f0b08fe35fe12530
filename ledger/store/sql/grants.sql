-- Who may do what. Partitions carry no grants, everybody goes through the parent; but the writer may add to
-- the leaves of `posting` (`ledger.open_leaf` grants it, `ledger.detach_leaf` takes it back).
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger, reporting FROM PUBLIC;
REVOKE ALL ON SCHEMA ledger, reporting FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; -- of functions made later, too

GRANT USAGE ON SCHEMA ledger TO clearing_writer, clearing_auditor, clearing_retention;
GRANT USAGE ON SCHEMA reporting TO clearing_reader, clearing_auditor;

GRANT SELECT, INSERT ON ledger.event, ledger.posting, ledger.record, ledger.event_identity,
    ledger.account, ledger.commodity, ledger.source, ledger.snapshot, ledger.source_offset,
    ledger.checkpoint, ledger.signing_key TO clearing_writer;
GRANT UPDATE (next_offset) ON ledger.source_offset TO clearing_writer;
GRANT SELECT ON ledger.shard TO clearing_writer, clearing_retention;
GRANT UPDATE (partition, epoch, next_sequence, next_account, pool_time, duplicates, chain, frontier)
    ON ledger.shard TO clearing_writer;
GRANT EXECUTE ON FUNCTION ledger.declare_shard(text, integer, bigint),
    ledger.open_leaf(integer, bigint), ledger.leaf_of(integer, bigint),
    ledger.prune_snapshots(integer, integer) TO clearing_writer;
GRANT EXECUTE ON FUNCTION ledger.carry_leaf(integer, bigint), ledger.detach_leaf(integer, bigint)
    TO clearing_retention;

GRANT SELECT ON ledger.shard, ledger.source, ledger.source_offset, ledger.account,
    ledger.commodity, ledger.event, ledger.posting, ledger.record, ledger.event_identity,
    ledger.snapshot, ledger.checkpoint, ledger.signing_key, ledger.carried_leaf,
    ledger.carried_balance, ledger.carried_fact TO clearing_auditor;
GRANT EXECUTE ON FUNCTION ledger.sequence_at(integer, timestamptz) TO clearing_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO clearing_reader, clearing_auditor;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting TO clearing_reader, clearing_auditor;
GRANT EXECUTE ON FUNCTION ledger.natural_units(numeric, integer),
    ledger.floor_quotient(numeric, numeric),
    ledger.entry_price(text, numeric, numeric, numeric), ledger.content(bytea, text),
    ledger.account_at(integer, integer, bigint)
    TO clearing_reader, clearing_auditor;
