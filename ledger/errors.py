"""Faults around the core, as one tree.

    LedgerError
    ├── ConfigurationError      a setting or an argument is missing or wrong
    │   └── TopicMissing        the broker has no topic of this name
    ├── StoreError              the database refused or did not answer
    │   ├── StoreUnavailable    retriable: connection lost, server restarting, lock timeout
    │   │   └── LivesHeld       others add to the lives of breaks, and nothing was done
    │   ├── FenceLost           another writer took the shard over
    │   ├── ShardBusy           a live writer holds the shard
    │   └── SchemaMismatch      the database is not migrated to this version
    ├── BrokerError             Kafka refused or did not answer
    │   ├── BrokerUnavailable   retriable
    │   └── SourceChanged       a topic was recreated, truncated or belongs to another cluster
    ├── PoolHalted              a pool stands still at an event that broke an invariant
    ├── ImportFailed            a foreign file does not read as its format says
    └── ActRefused              the life of a break does not let somebody do this now

A *rejection* is not here: bad input is a value (`ledger.core.rejections`). A broken invariant is an
`AssertionError`, and stays on in production: the writer halts that pool, and others go on.
"""

from typing import ClassVar


class LedgerError(Exception):
    """Base of all faults. `retriable` tells whether the same call may work later."""

    retriable: ClassVar[bool] = False


class ConfigurationError(LedgerError):
    """A setting or an argument is missing or wrong; the message says which, and what to do."""


class TopicMissing(ConfigurationError):
    """The broker has no topic of this name; the message says how to make it."""


class StoreError(LedgerError):
    """The database refused or did not answer."""


class StoreUnavailable(StoreError):
    """The database cannot be reached now."""

    retriable = True


class LivesHeld(StoreUnavailable):
    """A run or a person adds to the lives of breaks; the message says that nothing was done."""


class FenceLost(StoreError):
    """Another writer took the shard over; this one wrote nothing and must stop."""


class ShardBusy(StoreError):
    """A live writer holds the shard, and no take-over was asked for."""


class SchemaMismatch(StoreError):
    """The database is not migrated to this version; the message names both revisions."""


class BrokerError(LedgerError):
    """Kafka refused or did not answer."""


class BrokerUnavailable(BrokerError):
    """The broker cannot be reached now."""

    retriable = True


class SourceChanged(BrokerError):
    """A topic was recreated, truncated or belongs to another cluster than the stored offsets."""


class PoolHalted(LedgerError):
    """A pool stands still (`ledger.halts`); the message names pool, place, event and assertion."""


class ImportFailed(LedgerError):
    """A foreign file does not read as its format says; the message names file and line."""


class ActRefused(LedgerError):
    """A break's life does not allow it, or not to this person; the message says what would be."""
