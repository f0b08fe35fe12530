-- Tables and their indexes.
CREATE TABLE ledger.shard (
    shard INTEGER NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    partition INTEGER,
    epoch BIGINT NOT NULL,
    next_sequence BIGINT NOT NULL,
    next_account INTEGER NOT NULL,
    pool_time TIMESTAMP WITH TIME ZONE,
    duplicates BIGINT NOT NULL,
    leaves_end BIGINT NOT NULL,
    chain BYTEA NOT NULL,
    frontier BYTEA NOT NULL,
    PRIMARY KEY (shard),
    CONSTRAINT shard_heads CHECK (next_sequence > 0 AND next_account > 0 AND epoch >= 0),
    UNIQUE (name)
)
 WITH (fillfactor = 50);
COMMENT ON TABLE ledger.shard IS 'The head of each shard, its writer''s epoch, and how far it is partitioned.';
COMMENT ON COLUMN ledger.shard.shard IS 'From 1.';
COMMENT ON COLUMN ledger.shard.name IS 'The pool, or @unrouted/N.';
COMMENT ON COLUMN ledger.shard.partition IS 'Partition number its first Kafka message came from.';
COMMENT ON COLUMN ledger.shard.epoch IS 'Of the writer that owns it: the fence.';
COMMENT ON COLUMN ledger.shard.next_sequence IS 'Of the next event.';
COMMENT ON COLUMN ledger.shard.next_account IS 'Of the next account opened.';
COMMENT ON COLUMN ledger.shard.pool_time IS 'Largest occurred_at applied.';
COMMENT ON COLUMN ledger.shard.duplicates IS 'Messages counted and skipped.';
COMMENT ON COLUMN ledger.shard.leaves_end IS 'First sequence without a partition.';
COMMENT ON COLUMN ledger.shard.chain IS 'Hash of all events so far.';
COMMENT ON COLUMN ledger.shard.frontier IS 'Of the Merkle tree over them.';
CREATE TABLE ledger.source (
    source INTEGER GENERATED ALWAYS AS IDENTITY,
    cluster VARCHAR COLLATE "C" NOT NULL,
    topic_id VARCHAR COLLATE "C" NOT NULL,
    topic VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (source),
    CONSTRAINT source_identity UNIQUE (cluster, topic_id, topic)
);
COMMENT ON TABLE ledger.source IS 'Topics by identity: a topic made again under the same name is another source.';
COMMENT ON COLUMN ledger.source.source IS 'Its number.';
COMMENT ON COLUMN ledger.source.cluster IS 'Cluster id, or `file`.';
COMMENT ON COLUMN ledger.source.topic_id IS 'Identity of the topic, or name of a file.';
COMMENT ON COLUMN ledger.source.topic IS 'Name of the topic or of the file.';
CREATE TABLE ledger.source_offset (
    shard INTEGER NOT NULL,
    source INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    PRIMARY KEY (shard, source, partition)
)
 WITH (fillfactor = 50);
COMMENT ON TABLE ledger.source_offset IS 'What each shard has taken of each partition; written with the events themselves.';
COMMENT ON COLUMN ledger.source_offset.shard IS 'Whose progress this is.';
COMMENT ON COLUMN ledger.source_offset.source IS 'Of the registry of sources.';
COMMENT ON COLUMN ledger.source_offset.partition IS 'Partition number.';
COMMENT ON COLUMN ledger.source_offset.next_offset IS 'Next one this shard expects.';
CREATE TABLE ledger.account (
    shard INTEGER NOT NULL,
    account INTEGER NOT NULL,
    owner VARCHAR COLLATE "C" NOT NULL,
    kind VARCHAR COLLATE "C" NOT NULL,
    instrument VARCHAR COLLATE "C",
    asset VARCHAR COLLATE "C",
    PRIMARY KEY (shard, account),
    CONSTRAINT account_identity UNIQUE NULLS NOT DISTINCT (shard, owner, kind, instrument, asset)
);
COMMENT ON TABLE ledger.account IS 'The registry of accounts, each written at its first use.';
COMMENT ON COLUMN ledger.account.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.account.account IS 'Number in the pool, from 1.';
COMMENT ON COLUMN ledger.account.owner IS 'A participant, @house or @liquidation.';
COMMENT ON COLUMN ledger.account.kind IS 'Line of the chart of accounts.';
COMMENT ON COLUMN ledger.account.instrument IS 'Of isolated, position and variation.';
COMMENT ON COLUMN ledger.account.asset IS 'What it holds; null for contracts of the instrument.';
CREATE TABLE ledger.commodity (
    shard INTEGER NOT NULL,
    commodity INTEGER NOT NULL,
    asset VARCHAR COLLATE "C",
    instrument VARCHAR COLLATE "C",
    scale SMALLINT NOT NULL,
    PRIMARY KEY (shard, commodity),
    CONSTRAINT commodity_identity UNIQUE NULLS NOT DISTINCT (shard, asset, instrument),
    CONSTRAINT commodity_is_one_thing CHECK ((asset IS NULL) <> (instrument IS NULL))
);
COMMENT ON TABLE ledger.commodity IS 'What postings are counted in: assets, and contracts of instruments.';
COMMENT ON COLUMN ledger.commodity.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.commodity.commodity IS 'Number in the pool.';
COMMENT ON COLUMN ledger.commodity.asset IS 'The asset; null for contracts.';
COMMENT ON COLUMN ledger.commodity.instrument IS 'The instrument of contracts; null for an asset.';
COMMENT ON COLUMN ledger.commodity.scale IS 'Decimals of the smallest unit.';
CREATE TABLE ledger.event (
    shard INTEGER NOT NULL,
    source INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    "offset" BIGINT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE,
    pool_time TIMESTAMP WITH TIME ZONE,
    redrive_sequence BIGINT,
    redrive_shard VARCHAR COLLATE "C",
    partition INTEGER NOT NULL,
    rules SMALLINT NOT NULL,
    kind VARCHAR COLLATE "C",
    event_id VARCHAR COLLATE "C",
    rejection VARCHAR COLLATE "C",
    detail VARCHAR,
    message_key BYTEA,
    content_hash BYTEA NOT NULL,
    leaf BYTEA NOT NULL,
    chain BYTEA NOT NULL,
    raw BYTEA NOT NULL,
    PRIMARY KEY (shard, sequence),
    CONSTRAINT event_hashes_are_sha256 CHECK (octet_length(content_hash) = 32 AND octet_length(leaf) = 32 AND octet_length(chain) = 32),
    CONSTRAINT event_accepted_is_decoded CHECK (rejection IS NOT NULL OR (kind IS NOT NULL AND event_id IS NOT NULL AND occurred_at IS NOT NULL AND pool_time IS NOT NULL)),
    CONSTRAINT event_redrive_is_whole CHECK ((redrive_shard IS NULL) = (redrive_sequence IS NULL))
)
 PARTITION BY LIST (shard);
CREATE INDEX event_redriven ON ledger.event (redrive_shard, redrive_sequence) WHERE redrive_shard IS NOT NULL;
CREATE INDEX event_reference ON ledger.event (shard, kind, ledger.reference_subject(kind, raw), sequence) WHERE rejection IS NULL AND kind IN ('account', 'asset', 'instrument', 'pool', 'position_mode', 'risk_tiers');
CREATE INDEX event_refused ON ledger.event (shard, sequence) WHERE rejection IS NOT NULL;
COMMENT ON TABLE ledger.event IS 'Every message ever delivered, as it came, and whether it was accepted.';
COMMENT ON COLUMN ledger.event.shard IS 'Where it was decided.';
COMMENT ON COLUMN ledger.event.source IS 'Where it was delivered from.';
COMMENT ON COLUMN ledger.event.sequence IS 'Its number in the shard, gapless.';
COMMENT ON COLUMN ledger.event."offset" IS 'Kafka offset, or line of the file.';
COMMENT ON COLUMN ledger.event.timestamp_ms IS 'Of the Kafka record, as it came.';
COMMENT ON COLUMN ledger.event.occurred_at IS 'As the event says; null if undecoded.';
COMMENT ON COLUMN ledger.event.pool_time IS 'Largest occurred_at applied up to here.';
COMMENT ON COLUMN ledger.event.redrive_sequence IS 'Refused event that this one re-submits.';
COMMENT ON COLUMN ledger.event.redrive_shard IS 'Name of the shard of that refused event.';
COMMENT ON COLUMN ledger.event.partition IS 'Partition number.';
COMMENT ON COLUMN ledger.event.rules IS 'Version of the rules that decided.';
COMMENT ON COLUMN ledger.event.kind IS 'Of the event; null if undecoded.';
COMMENT ON COLUMN ledger.event.event_id IS 'Its identity; taken only by accepted events.';
COMMENT ON COLUMN ledger.event.rejection IS 'Code of the refusal; null when accepted.';
COMMENT ON COLUMN ledger.event.detail IS 'The refusal in words.';
COMMENT ON COLUMN ledger.event.message_key IS 'The Kafka key, as it came.';
COMMENT ON COLUMN ledger.event.content_hash IS 'SHA-256 of the content.';
COMMENT ON COLUMN ledger.event.leaf IS 'Hash of this event and its outcome.';
COMMENT ON COLUMN ledger.event.chain IS 'Hash of all events up to this one.';
COMMENT ON COLUMN ledger.event.raw IS 'The message, as it came.';
CREATE TABLE ledger.posting (
    shard INTEGER NOT NULL,
    account INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    account_sequence BIGINT NOT NULL,
    line INTEGER NOT NULL,
    commodity INTEGER NOT NULL,
    purpose SMALLINT NOT NULL,
    amount NUMERIC(38, 0) NOT NULL,
    balance NUMERIC(38, 0) NOT NULL,
    PRIMARY KEY (shard, sequence, line),
    CONSTRAINT posting_moves_something CHECK (amount <> 0)
)
 PARTITION BY LIST (shard);
COMMENT ON TABLE ledger.posting IS 'Double entry: each event''s lines sum to zero per commodity.';
COMMENT ON COLUMN ledger.posting.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.posting.account IS 'Of the registry of accounts.';
COMMENT ON COLUMN ledger.posting.sequence IS 'The event that led to it.';
COMMENT ON COLUMN ledger.posting.account_sequence IS 'Counts the account''s own.';
COMMENT ON COLUMN ledger.posting.line IS 'Place in the event''s entry, from 1.';
COMMENT ON COLUMN ledger.posting.commodity IS 'Of the registry of commodities.';
COMMENT ON COLUMN ledger.posting.purpose IS 'Why: ledger.core.outcome.Purpose.';
COMMENT ON COLUMN ledger.posting.amount IS 'Signed, smallest units, never zero.';
COMMENT ON COLUMN ledger.posting.balance IS 'Of the account after this posting.';
CREATE TABLE ledger.record (
    shard INTEGER NOT NULL,
    line INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    kind VARCHAR COLLATE "C" NOT NULL,
    subject VARCHAR COLLATE "C" NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (shard, sequence, line)
)
 PARTITION BY LIST (shard);
CREATE INDEX record_subject ON ledger.record (shard, kind, subject, sequence);
COMMENT ON TABLE ledger.record IS 'What the ledger decided beside the postings.';
COMMENT ON COLUMN ledger.record.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.record.line IS 'Place among the event''s records, from 1.';
COMMENT ON COLUMN ledger.record.sequence IS 'The event that led to it.';
COMMENT ON COLUMN ledger.record.kind IS 'mark, trade_bust, ...';
COMMENT ON COLUMN ledger.record.subject IS 'What it is about.';
COMMENT ON COLUMN ledger.record.body IS 'Its figures, canonical JSON, UTF-8.';
CREATE TABLE ledger.event_identity (
    shard INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    event_id VARCHAR COLLATE "C" NOT NULL,
    content_hash BYTEA NOT NULL,
    PRIMARY KEY (shard, event_id)
)
 PARTITION BY HASH (shard, event_id);
COMMENT ON TABLE ledger.event_identity IS 'Which event ids are taken, by what content.';
COMMENT ON COLUMN ledger.event_identity.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.event_identity.sequence IS 'The event that took the id.';
COMMENT ON COLUMN ledger.event_identity.event_id IS 'Unique among accepted events.';
COMMENT ON COLUMN ledger.event_identity.content_hash IS 'SHA-256 of its content.';
CREATE TABLE ledger.snapshot (
    shard INTEGER NOT NULL,
    rules SMALLINT NOT NULL,
    sequence BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (shard, sequence)
);
COMMENT ON TABLE ledger.snapshot IS 'Kept states, to start from; derived, so the oldest are dropped.';
COMMENT ON COLUMN ledger.snapshot.shard IS 'The pool''s shard.';
COMMENT ON COLUMN ledger.snapshot.rules IS 'Version of the rules in force.';
COMMENT ON COLUMN ledger.snapshot.sequence IS 'Last event that it includes.';
COMMENT ON COLUMN ledger.snapshot.body IS 'Canonical bytes of the state, zlib.';
CREATE TABLE ledger.checkpoint (
    shard INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    body BYTEA NOT NULL,
    key BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (shard, sequence),
    CONSTRAINT checkpoint_is_signed CHECK (octet_length(key) = 32 AND octet_length(signature) = 64)
);
COMMENT ON TABLE ledger.checkpoint IS 'Signed statements of what the books were; copies are kept elsewhere.';
COMMENT ON COLUMN ledger.checkpoint.shard IS 'Whose books.';
COMMENT ON COLUMN ledger.checkpoint.sequence IS 'Last event that it includes.';
COMMENT ON COLUMN ledger.checkpoint.body IS 'Canonical bytes: hashes, sums, keys.';
COMMENT ON COLUMN ledger.checkpoint.key IS 'Public key that signed them.';
COMMENT ON COLUMN ledger.checkpoint.signature IS 'Ed25519, over the body.';
CREATE TABLE ledger.signing_key (
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    key BYTEA NOT NULL,
    endorsed_by BYTEA,
    signature BYTEA,
    PRIMARY KEY (key),
    CONSTRAINT signing_key_is_ed25519 CHECK (octet_length(key) = 32),
    CONSTRAINT signing_key_endorsement_is_whole CHECK ((endorsed_by IS NULL) = (signature IS NULL))
);
COMMENT ON TABLE ledger.signing_key IS 'Keys that sign checkpoints, each vouched for by one before it, but the first.';
COMMENT ON COLUMN ledger.signing_key.made_at IS 'When these books first knew it.';
COMMENT ON COLUMN ledger.signing_key.key IS 'Ed25519 public key.';
COMMENT ON COLUMN ledger.signing_key.endorsed_by IS 'The key that vouches for it; null: none does.';
COMMENT ON COLUMN ledger.signing_key.signature IS 'Of that key, over `clearing key` and this one.';
