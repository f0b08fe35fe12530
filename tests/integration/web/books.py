"""Books that tests of the web read: leveraged ones, with defaults of every kind."""

from decimal import Decimal

import psycopg

from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration import leveraged_books

SEED = 2
ROUNDS = 24
A_ROUND = 25


def write(url: str, seed: int = SEED, rounds: int = ROUNDS) -> int:
    """Leveraged books with liquidations in pool main; the sequence of the newest event."""
    log = PostgresLog.connect(url, "test")
    writer = Writer(log)
    made = leveraged_books.Books(seed)
    taken = len(made_first := made.beginning())
    writer.take(made_first)
    for _ in range(rounds):
        made.inventory = _inventory(url)
        messages = made.messages(A_ROUND)
        taken += len(messages)
        writer.take(messages)
    log.close()
    return taken


def _inventory(url: str) -> dict[str, Decimal]:
    with psycopg.connect(url) as connection:
        return dict(
            connection.execute(
                "SELECT instrument, quantity FROM reporting.positions"
                " WHERE account = '@liquidation'"
            ).fetchall()
        )
