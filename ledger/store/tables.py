"""The tables of the schema `ledger`, as SQLAlchemy Core metadata.

How it works:

* `event`, `posting` and `record` are partitioned by list of shard, then by range of sequence.
  Those partitions are made while the ledger runs (`sql/partitions.sql`), never by a migration.
* Columns of equal width stand together, so that no row carries padding.
* Identifiers compare as UTF-8 bytes (collation "C"), as they do in the core.
* No foreign keys on `posting`: one on its account costs 79% of the rows a second. The writer holds
  the registry, and `clearing verify` looks for postings without an account.

What is not metadata (roles, functions, triggers, grants, views) is SQL beside it;
`ledger.store.schema` puts both together in one order, for migrations and for tests.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)

metadata = MetaData(schema="ledger")

_Name = String(collation="C")
_Amount = Numeric(38, 0)
_Moment = DateTime(timezone=True)

shard = Table(
    "shard",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False, comment="From 1."),
    Column("name", _Name, nullable=False, unique=True, comment="The pool, or @unrouted/N."),
    Column("partition", Integer, comment="Partition number its first Kafka message came from."),
    Column("epoch", BigInteger, nullable=False, comment="Of the writer that owns it: the fence."),
    Column("next_sequence", BigInteger, nullable=False, comment="Of the next event."),
    Column("next_account", Integer, nullable=False, comment="Of the next account opened."),
    Column("pool_time", _Moment, comment="Largest occurred_at applied."),
    Column("duplicates", BigInteger, nullable=False, comment="Messages counted and skipped."),
    Column("leaves_end", BigInteger, nullable=False, comment="First sequence without a partition."),
    Column("chain", LargeBinary, nullable=False, comment="Hash of all events so far."),
    Column("frontier", LargeBinary, nullable=False, comment="Of the Merkle tree over them."),
    CheckConstraint("next_sequence > 0 AND next_account > 0 AND epoch >= 0", name="shard_heads"),
    comment="The head of each shard, its writer's epoch, and how far it is partitioned.",
    postgresql_with={"fillfactor": 50},
)

source = Table(
    "source",
    metadata,
    Column("source", Integer, Identity(always=True), primary_key=True, comment="Its number."),
    Column("cluster", _Name, nullable=False, comment="Cluster id, or `file`."),
    Column("topic_id", _Name, nullable=False, comment="Identity of the topic, or name of a file."),
    Column("topic", _Name, nullable=False, comment="Name of the topic or of the file."),
    UniqueConstraint("cluster", "topic_id", "topic", name="source_identity"),
    comment="Topics by identity: a topic made again under the same name is another source.",
)

source_offset = Table(
    "source_offset",
    metadata,
    Column("shard", Integer, nullable=False, comment="Whose progress this is."),
    Column("source", Integer, nullable=False, comment="Of the registry of sources."),
    Column("partition", Integer, nullable=False, comment="Partition number."),
    Column("next_offset", BigInteger, nullable=False, comment="Next one this shard expects."),
    PrimaryKeyConstraint("shard", "source", "partition"),
    comment="What each shard has taken of each partition; written with the events themselves.",
    postgresql_with={"fillfactor": 50},
)

account = Table(
    "account",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("account", Integer, nullable=False, comment="Number in the pool, from 1."),
    Column("owner", _Name, nullable=False, comment="A participant, @house or @liquidation."),
    Column("kind", _Name, nullable=False, comment="Line of the chart of accounts."),
    Column("instrument", _Name, comment="Of isolated, position and variation."),
    Column("asset", _Name, comment="What it holds; null for contracts of the instrument."),
    PrimaryKeyConstraint("shard", "account"),
    UniqueConstraint(
        "shard",
        "owner",
        "kind",
        "instrument",
        "asset",
        name="account_identity",
        postgresql_nulls_not_distinct=True,
    ),
    comment="The registry of accounts, each written at its first use.",
)

commodity = Table(
    "commodity",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("commodity", Integer, nullable=False, comment="Number in the pool."),
    Column("asset", _Name, comment="The asset; null for contracts."),
    Column("instrument", _Name, comment="The instrument of contracts; null for an asset."),
    Column("scale", SmallInteger, nullable=False, comment="Decimals of the smallest unit."),
    PrimaryKeyConstraint("shard", "commodity"),
    UniqueConstraint(
        "shard",
        "asset",
        "instrument",
        name="commodity_identity",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("(asset IS NULL) <> (instrument IS NULL)", name="commodity_is_one_thing"),
    comment="What postings are counted in: assets, and contracts of instruments.",
)

event = Table(
    "event",
    metadata,
    Column("shard", Integer, nullable=False, comment="Where it was decided."),
    Column("source", Integer, nullable=False, comment="Where it was delivered from."),
    Column("sequence", BigInteger, nullable=False, comment="Its number in the shard, gapless."),
    Column("offset", BigInteger, nullable=False, comment="Kafka offset, or line of the file."),
    Column("timestamp_ms", BigInteger, nullable=False, comment="Of the Kafka record, as it came."),
    Column("occurred_at", _Moment, comment="As the event says; null if undecoded."),
    Column("pool_time", _Moment, comment="Largest occurred_at applied up to here."),
    Column("redrive_sequence", BigInteger, comment="Refused event that this one re-submits."),
    Column("redrive_shard", _Name, comment="Name of the shard of that refused event."),
    Column("partition", Integer, nullable=False, comment="Partition number."),
    Column("rules", SmallInteger, nullable=False, comment="Version of the rules that decided."),
    Column("kind", _Name, comment="Of the event; null if undecoded."),
    Column("event_id", _Name, comment="Its identity; taken only by accepted events."),
    Column("rejection", _Name, comment="Code of the refusal; null when accepted."),
    Column("detail", String(), comment="The refusal in words."),
    Column("message_key", LargeBinary, comment="The Kafka key, as it came."),
    Column("content_hash", LargeBinary, nullable=False, comment="SHA-256 of the content."),
    Column("leaf", LargeBinary, nullable=False, comment="Hash of this event and its outcome."),
    Column("chain", LargeBinary, nullable=False, comment="Hash of all events up to this one."),
    Column("raw", LargeBinary, nullable=False, comment="The message, as it came."),
    PrimaryKeyConstraint("shard", "sequence"),
    CheckConstraint(
        "octet_length(content_hash) = 32 AND octet_length(leaf) = 32 AND octet_length(chain) = 32",
        name="event_hashes_are_sha256",
    ),
    CheckConstraint(
        "rejection IS NOT NULL OR (kind IS NOT NULL AND event_id IS NOT NULL"
        " AND occurred_at IS NOT NULL AND pool_time IS NOT NULL)",
        name="event_accepted_is_decoded",
    ),
    CheckConstraint(
        "(redrive_shard IS NULL) = (redrive_sequence IS NULL)", name="event_redrive_is_whole"
    ),
    comment="Every message ever delivered, as it came, and whether it was accepted.",
    postgresql_partition_by="LIST (shard)",
)

Index(
    "event_reference",
    event.c.shard,
    event.c.kind,
    text("ledger.reference_subject(kind, raw)"),
    event.c.sequence,
    postgresql_where=text(
        "rejection IS NULL AND kind IN"
        " ('account', 'asset', 'instrument', 'pool', 'position_mode', 'risk_tiers')"
    ),
)
Index(
    "event_refused",
    event.c.shard,
    event.c.sequence,
    postgresql_where=text("rejection IS NOT NULL"),
)
Index(
    "event_redriven",
    event.c.redrive_shard,
    event.c.redrive_sequence,
    postgresql_where=text("redrive_shard IS NOT NULL"),
)

posting = Table(
    "posting",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("account", Integer, nullable=False, comment="Of the registry of accounts."),
    Column("sequence", BigInteger, nullable=False, comment="The event that led to it."),
    Column("account_sequence", BigInteger, nullable=False, comment="Counts the account's own."),
    Column("line", Integer, nullable=False, comment="Place in the event's entry, from 1."),
    Column("commodity", Integer, nullable=False, comment="Of the registry of commodities."),
    Column("purpose", SmallInteger, nullable=False, comment="Why: ledger.core.outcome.Purpose."),
    Column("amount", _Amount, nullable=False, comment="Signed, smallest units, never zero."),
    Column("balance", _Amount, nullable=False, comment="Of the account after this posting."),
    PrimaryKeyConstraint("shard", "sequence", "line"),
    CheckConstraint("amount <> 0", name="posting_moves_something"),
    comment="Double entry: each event's lines sum to zero per commodity.",
    postgresql_partition_by="LIST (shard)",
)

record = Table(
    "record",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("line", Integer, nullable=False, comment="Place among the event's records, from 1."),
    Column("sequence", BigInteger, nullable=False, comment="The event that led to it."),
    Column("kind", _Name, nullable=False, comment="mark, trade_bust, ..."),
    Column("subject", _Name, nullable=False, comment="What it is about."),
    Column("body", LargeBinary, nullable=False, comment="Its figures, canonical JSON, UTF-8."),
    PrimaryKeyConstraint("shard", "sequence", "line"),
    comment="What the ledger decided beside the postings.",
    postgresql_partition_by="LIST (shard)",
)

Index("record_subject", record.c.shard, record.c.kind, record.c.subject, record.c.sequence)

event_identity = Table(
    "event_identity",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("sequence", BigInteger, nullable=False, comment="The event that took the id."),
    Column("event_id", _Name, nullable=False, comment="Unique among accepted events."),
    Column("content_hash", LargeBinary, nullable=False, comment="SHA-256 of its content."),
    PrimaryKeyConstraint("shard", "event_id"),
    comment="Which event ids are taken, by what content.",
    postgresql_partition_by="HASH (shard, event_id)",
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("rules", SmallInteger, nullable=False, comment="Version of the rules in force."),
    Column("sequence", BigInteger, nullable=False, comment="Last event that it includes."),
    Column("body", LargeBinary, nullable=False, comment="Canonical bytes of the state, zlib."),
    PrimaryKeyConstraint("shard", "sequence"),
    comment="Kept states, to start from; derived, so the oldest are dropped.",
)

carried_leaf = Table(
    "carried_leaf",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("first", BigInteger, nullable=False, comment="First event of the partition."),
    Column("last", BigInteger, nullable=False, comment="Its last event."),
    Column("pool_time", _Moment, comment="Largest occurred_at applied up to there."),
    Column("balances", LargeBinary, nullable=False, comment="Hash of the balances carried."),
    Column("facts", LargeBinary, nullable=False, comment="Hash of the terms and prices carried."),
    PrimaryKeyConstraint("shard", "first"),
    CheckConstraint(
        "first BETWEEN 1 AND last AND octet_length(balances) = 32 AND octet_length(facts) = 32",
        name="carried_leaf_is_whole",
    ),
    comment="Partitions that retention detached, or is about to, with hashes of what stays.",
)

carried_balance = Table(
    "carried_balance",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("account", Integer, nullable=False, comment="Of the registry of accounts."),
    Column("account_sequence", BigInteger, nullable=False, comment="Of its last posting there."),
    Column("sequence", BigInteger, nullable=False, comment="The event that led to that posting."),
    Column("commodity", Integer, nullable=False, comment="Of the registry of commodities."),
    Column("balance", _Amount, nullable=False, comment="Of the account after that posting."),
    PrimaryKeyConstraint("shard", "account", "account_sequence"),
    comment="The last balance of each account in a partition that was detached.",
)

carried_fact = Table(
    "carried_fact",
    metadata,
    Column("shard", Integer, nullable=False, comment="The pool's shard."),
    Column("sequence", BigInteger, nullable=False, comment="The event that told it."),
    Column("occurred_at", _Moment, nullable=False, comment="When, as that event says."),
    Column("kind", _Name, nullable=False, comment="Of a reference event, mark or asset_price."),
    Column("subject", _Name, nullable=False, comment="What it is about."),
    Column("content", LargeBinary, nullable=False, comment="The message, or the record's body."),
    PrimaryKeyConstraint("shard", "kind", "subject", "sequence"),
    comment="The last terms and prices of each subject in a partition that was detached.",
)

Index("carried_fact_sequence", carried_fact.c.shard, carried_fact.c.sequence)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("shard", Integer, nullable=False, comment="Whose books."),
    Column("sequence", BigInteger, nullable=False, comment="Last event that it includes."),
    Column("body", LargeBinary, nullable=False, comment="Canonical bytes: hashes, sums, keys."),
    Column("key", LargeBinary, nullable=False, comment="Public key that signed them."),
    Column("signature", LargeBinary, nullable=False, comment="Ed25519, over the body."),
    PrimaryKeyConstraint("shard", "sequence"),
    CheckConstraint(
        "octet_length(key) = 32 AND octet_length(signature) = 64", name="checkpoint_is_signed"
    ),
    comment="Signed statements of what the books were; copies are kept elsewhere.",
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("made_at", _Moment, nullable=False, comment="When these books first knew it."),
    Column("key", LargeBinary, primary_key=True, comment="Ed25519 public key."),
    Column("endorsed_by", LargeBinary, comment="The key that vouches for it; null: none does."),
    Column("signature", LargeBinary, comment="Of that key, over `clearing key` and this one."),
    CheckConstraint("octet_length(key) = 32", name="signing_key_is_ed25519"),
    CheckConstraint(
        "(endorsed_by IS NULL) = (signature IS NULL)", name="signing_key_endorsement_is_whole"
    ),
    comment="Keys that sign checkpoints, each vouched for by one before it, but the first.",
)
