"""Small books with checkpoints on the way, for tests that verify and tamper.

Files and topics, defaults, refusals of every layer, a bust, a redrive, two versions of rules, a
second pool, several partitions, a rotated key.
"""

from ledger.audit.proofs.sealing import Sealer, endorsed
from ledger.audit.proofs.signing import Signer
from ledger.core.machine import RULES_VERSION
from ledger.store.log.postgres import PostgresLog
from ledger.store.log.refusals import refusals
from ledger.writer import Writer
from tests.integration.leveraged_books import Books
from tests.integration.test_margin_views import inventory
from tests.integration.varied_books import (
    BUST,
    DEPOSIT,
    LATE,
    ROLES,
    SEED,
    TRADE,
    TRADES,
    Topics,
    refused_messages,
    said,
)

LEAF_EVENTS = 60
SNAPSHOT_EVENTS = 40
OLD, NEW = Signer(bytes([17]) * 32), Signer(bytes([18]) * 32)
"""The key that began, and the one that it vouches for."""


def write(url: str) -> None:
    """Write the history."""
    log = PostgresLog.connect(url, "test", leaf_events=LEAF_EVENTS)
    books, topics = Books(SEED), Topics()

    def writer(signer: Signer, rules: int) -> Writer:
        return Writer(
            log, roles=ROLES, rules=rules, seal=Sealer(signer), snapshot_events=SNAPSHOT_EVENTS
        )

    first = writer(OLD, 1)
    first.take(books.beginning())
    first.take([topics.message(said("traded", TRADE), source=TRADES)])
    first.take([topics.message(said("undone", BUST, trade_event_id="traded"), source=TRADES)])
    for _ in range(3):
        books.inventory = inventory(first.state("main"))
        first.take(books.messages(30))
    first.keep_states()
    log.add_signing_key(endorsed(OLD, NEW))
    second = writer(NEW, RULES_VERSION)
    second.take(refused_messages(topics))
    second.take([topics.message(said("late-pool", LATE, pool="late"), b"late", partition=1)])
    second.take([topics.message(said("x-1", DEPOSIT, pool="late"), b"late", partition=1)])
    second.redrive(list(refusals(log, None, [], [])))
    for _ in range(2):
        books.inventory = inventory(second.state("main"))
        second.take(books.messages(30))
    second.take([topics.message(said("end-1", DEPOSIT))])
    second.close()
