"""The tables of the schema `back_office`, as SQLAlchemy Core metadata.

Rules of this file:

* Every table is append-only, as the books are: what changes is said by a further row.
* Nothing here is a part of the books. Whoever writes here (`clearing_back_office`) writes nothing
  in `ledger`, and what is found here corrects the books by an `adjustment` alone.
* Amounts are exact, in natural units, as both sides wrote them.

How a break is kept: `break` says what it is about, once; `sighting` what a run found of it, where
that differs from the run before; `break_event` its life, each row with the state that it led to;
`correction` what was proposed to mend it. `ledger/recon/casework/life.py` holds the rules.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

back_office = MetaData(schema="back_office")

_Name = String(collation="C")
_Moment = DateTime(timezone=True)
_NOW = text("clock_timestamp()")
_LOGIN = text("SESSION_USER")


def _login() -> Column[str]:
    """Whom the server knows a writer by, whatever name he gives: nobody can write it himself."""
    said = "Login that wrote it."
    return Column("login", _Name, nullable=False, server_default=_LOGIN, comment=said)


run = Table(
    "run",
    back_office,
    Column("run", BigInteger, Identity(always=True), primary_key=True, comment="Its number."),
    Column("pool", _Name, nullable=False, comment="Whose books."),
    Column("sequence", BigInteger, nullable=False, comment="Last event of them that it took."),
    Column("matched", BigInteger, nullable=False, comment="Of ours, how many agreed."),
    Column("breaks", BigInteger, nullable=False, comment="How many differences it found."),
    Column("made_at", _Moment, nullable=False, server_default=_NOW, comment="When."),
    Column("rules_version", _Name, nullable=False, comment="As the rules file says."),
    Column("made_by", _Name, nullable=False, comment="Who ran it."),
    Column("rules_hash", LargeBinary, nullable=False, comment="SHA-256 of the rules file."),
    Column("result_hash", LargeBinary, nullable=False, comment="The same for the same inputs."),
    Column(
        "agreed",
        ARRAY(_Name),
        nullable=False,
        comment="Keys of the matches that it was told people agreed to: an input as the files are.",
    ),
    _login(),
    CheckConstraint(
        "octet_length(rules_hash) = 32 AND octet_length(result_hash) = 32",
        name="run_hashes_are_sha256",
    ),
    comment="Reconciliations: what was held against what, and what it came to.",
)
Index("run_pool", run.c.pool, run.c.run)

run_input = Table(
    "run_input",
    back_office,
    Column("run", BigInteger, ForeignKey(run.c.run), nullable=False, comment="Whose."),
    Column("source", _Name, nullable=False, comment="As the rules file names it."),
    Column("name", _Name, nullable=False, comment="Of the file, or of the topic."),
    Column("lines", BigInteger, nullable=False, comment="How many it has."),
    Column("covers_from", _Moment, comment="Earliest moment that it tells of; null: of none."),
    Column("covers_until", _Moment, comment="Latest moment that it tells of; null: of none."),
    Column("content_hash", LargeBinary, nullable=False, comment="SHA-256 of its bytes."),
    PrimaryKeyConstraint("run", "source", "name"),
    CheckConstraint("octet_length(content_hash) = 32", name="run_input_hash_is_sha256"),
    comment="What a run was given of each outside source.",
)

break_ = Table(
    "break",
    back_office,
    Column("run", BigInteger, ForeignKey(run.c.run), nullable=False, comment="First found it."),
    Column("break_key", _Name, primary_key=True, comment="The same in every run."),
    Column("type", _Name, nullable=False, comment="missing_here, amount, timing, ..."),
    Column("source", _Name, nullable=False, comment="The outside source; internal: a control."),
    Column("pool", _Name, nullable=False, comment="Whose books."),
    Column("subject", _Name, nullable=False, comment="What it is about."),
    Column("account", _Name, nullable=False, comment="Where it lies; empty: nowhere."),
    Column("commodity", _Name, nullable=False, comment="Of its amounts; empty: of none."),
    CheckConstraint("break_key ~ '^[0-9a-f]{16}$'", name="break_key_is_16_hex_digits"),
    comment="What each break is about: the part of it that never changes.",
)
Index("break_pool", break_.c.pool, break_.c.source)

candidate = Table(
    "candidate",
    back_office,
    Column("run", BigInteger, ForeignKey(run.c.run), nullable=False, comment="Found it."),
    Column("score", Integer, nullable=False, comment="0 to 100: how much speaks for it."),
    Column("match_key", _Name, nullable=False, comment="The same in every run."),
    Column("source", _Name, nullable=False, comment="The outside source."),
    Column("our_references", ARRAY(_Name), nullable=False, comment="Event ids of ours."),
    Column("their_references", ARRAY(_Name), nullable=False, comment="Theirs."),
    Column("content", String(), nullable=False, comment="Both sides and what speaks for it, JSON."),
    PrimaryKeyConstraint("run", "match_key"),
    comment="Things of both sides that may be the same; nothing is done until people agree.",
)

control = Table(
    "control",
    back_office,
    Column("run", BigInteger, ForeignKey(run.c.run), nullable=False, comment="Looked at it."),
    Column("checked", BigInteger, nullable=False, comment="How many figures it looked at."),
    Column("name", _Name, nullable=False, comment="Of the control."),
    Column("holds", Boolean, nullable=False, comment="Whether it does."),
    Column("says", String(), nullable=False, comment="In words."),
    PrimaryKeyConstraint("run", "name"),
    comment="Internal controls, as each run found them.",
)

sighting = Table(
    "sighting",
    back_office,
    Column("run", BigInteger, ForeignKey(run.c.run), nullable=False, comment="Found it so."),
    Column("happened_at", _Moment, comment="When, as one of both sides says."),
    Column(
        "break_key", _Name, ForeignKey(break_.c.break_key), nullable=False, comment="Which break."
    ),
    Column("severity", _Name, nullable=False, comment="low, medium, high or critical."),
    Column("ours", Numeric, comment="Natural units; null: missing on our side."),
    Column("theirs", Numeric, comment="Natural units; null: missing on their side."),
    Column("our_references", ARRAY(_Name), nullable=False, comment="Event ids."),
    Column("their_references", ARRAY(_Name), nullable=False, comment="References, or lines."),
    Column("says", String(), nullable=False, comment="In words."),
    PrimaryKeyConstraint("break_key", "run"),
    CheckConstraint(
        "severity IN ('low', 'medium', 'high', 'critical')", name="sighting_severity_is_known"
    ),
    comment="What a run found of a break, where that differs from the run before.",
)

break_event = Table(
    "break_event",
    back_office,
    Column("made_at", _Moment, nullable=False, server_default=_NOW, comment="When."),
    Column("run", BigInteger, ForeignKey(run.c.run), comment="By which run; null: by a person."),
    Column("number", Integer, nullable=False, comment="Place in the break's life, from 1."),
    Column(
        "break_key", _Name, ForeignKey(break_.c.break_key), nullable=False, comment="Whose life."
    ),
    Column("kind", _Name, nullable=False, comment="What happened."),
    Column("state", _Name, nullable=False, comment="That it led to."),
    Column("made_by", _Name, nullable=False, comment="Who did it, or had it run."),
    Column("assignee", _Name, comment="Who works on it from then on; null: nobody."),
    Column("words", String(), nullable=False, comment="What was said with it."),
    _login(),
    PrimaryKeyConstraint("break_key", "number"),
    CheckConstraint(
        "kind IN ('found', 'seen_again', 'gone', 'reopened', 'assigned', 'commented', 'explained',"
        " 'proposed', 'approved', 'refused', 'corrected', 'closed')",
        name="break_event_kind_is_known",
    ),
    CheckConstraint(
        "state IN ('open', 'explanation_waits', 'correction_waits', 'explained', 'approved',"
        " 'corrected', 'gone', 'closed')",
        name="break_event_state_is_known",
    ),
    CheckConstraint(
        "(run IS NOT NULL) = (kind IN ('found', 'seen_again', 'gone', 'reopened', 'corrected'))",
        name="break_event_is_of_a_run_or_a_person",
    ),
    comment="The life of each break, from found to closed.",
)

correction = Table(
    "correction",
    back_office,
    Column("number", Integer, nullable=False, comment="Of the event that proposed it."),
    Column("break_key", _Name, nullable=False, comment="Whose."),
    Column("event_id", _Name, unique=True, comment="Of the adjustment; null: it is a match."),
    Column("match_key", _Name, comment="Of the candidate; null: it is an adjustment."),
    Column("content", String(), nullable=False, comment="The adjustment, or the candidate, JSON."),
    PrimaryKeyConstraint("break_key", "number"),
    ForeignKeyConstraint(["break_key", "number"], [break_event.c.break_key, break_event.c.number]),
    CheckConstraint(
        "(event_id IS NULL) <> (match_key IS NULL)", name="correction_is_adjustment_or_match"
    ),
    comment="What was proposed to mend a break: an adjustment, or a match to be agreed to.",
)

token = Table(
    "token",
    back_office,
    Column("token", BigInteger, Identity(always=True), primary_key=True, comment="Its number."),
    Column("made_at", _Moment, nullable=False, server_default=_NOW, comment="When."),
    Column("expires_at", _Moment, nullable=False, comment="From then on it opens nothing."),
    Column("name", _Name, nullable=False, comment="What it is for."),
    Column("made_by", _Name, nullable=False, comment="Who made it."),
    Column("scopes", ARRAY(_Name), nullable=False, comment="What it opens."),
    Column("token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of it."),
    _login(),
    CheckConstraint("octet_length(token_hash) = 32", name="token_hash_is_sha256"),
    CheckConstraint("cardinality(scopes) > 0", name="token_opens_something"),
    comment="Tokens of the API; of a token itself only its hash is kept.",
)

token_revocation = Table(
    "token_revocation",
    back_office,
    Column(
        "token",
        BigInteger,
        ForeignKey(token.c.token),
        primary_key=True,
        autoincrement=False,
        comment="Opens nothing any more.",
    ),
    Column("made_at", _Moment, nullable=False, server_default=_NOW, comment="When."),
    Column("made_by", _Name, nullable=False, comment="Who took it back."),
    Column("reason", String(), nullable=False, comment="Why."),
    _login(),
    comment="Tokens that were taken back.",
)
