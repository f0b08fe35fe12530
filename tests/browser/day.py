"""Books for the console to show: a day of the demo, and an engine's file that differs from it.

Also run by `docs/figures/console.py`, so that the pictures show what the tests tested.
"""

import csv
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import psycopg

from ledger.recon.casework.keeping import keep
from ledger.recon.rules import parse_rules
from ledger.recon.run import reconcile

POOL = "usdt"
EVENTS = 10_000
PARTICIPANTS = 60
TRADES = 400
CLEARING = (sys.executable, "-c", "from ledger.cli import main; main()")

RULES = """
version = 1

[sources.engine]
kind = "trades"
format = "trades-csv"
pool = "usdt"
ids = "instrument"
"""
_TRADES = """
    SELECT trade_id, occurred_at, instrument, price, quantity, buyer, seller, buyer_fee, seller_fee
      FROM reporting.trades
     WHERE pool = %s AND trade_id IS NOT NULL AND liquidation_id IS NULL AND busted_by IS NULL
     ORDER BY sequence LIMIT %s"""
_COLUMNS = (
    *("trade_id", "at", "instrument", "price", "quantity"),
    *("buyer", "seller", "buyer_fee", "seller_fee"),
)


def play(home: Path, events: int = EVENTS, participants: int = PARTICIPANTS) -> Path:
    """Play the first day of the demo; the directory of its PostgreSQL."""
    command = [*CLEARING, "demo", "--quiet", "--json"]
    sizes = ["--events", str(events), "--participants", str(participants)]
    subprocess.run(
        [*command, *sizes],
        env=os.environ | {"CLEARING_HOME": str(home)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return home / "demo" / "postgres"


def engine_file(url: str, path: Path) -> None:
    """The first trades as the engine says them, but for five: each fault of another kind."""
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        found = connection.execute(_TRADES, (POOL, TRADES)).fetchall()
    rows = [[row[0], row[1].isoformat().replace("+00:00", "Z"), *row[2:]] for row in found]
    rows[20][4] += Decimal(3)  # a quantity that differs
    rows[40][3] += Decimal("0.5")  # a price that differs
    rows[60][0] = "lost-at-the-engine"  # one that only they have, and one that only we have
    rows.append(list(rows[80]))  # told twice
    del rows[100]  # missing there
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(
            [f"{value:f}" if isinstance(value, Decimal) else value for value in row] for row in rows
        )


def reconciled(url: str, folder: Path) -> int:
    """Hold the engine's file against the books and keep what differs; how many breaks there are."""
    path = folder / "engine.csv"
    engine_file(url, path)
    rules = parse_rules(RULES)
    result = reconcile(url, rules, {"engine": [path]}, POOL)
    keep(url, result, rules, "nightly")
    return len(result.breaks)
