"""The page that `clearing demo` prints: what became of the day, and what the books say of it."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from consumers.demo import Cleared
from ledger import settings
from ledger.cli.options import columns, say
from ledger.demo.chronicle import Chronicle, PoolChronicle
from ledger.store.reports.summary import Summary


class Day(NamedTuple):
    """A day that was played.

    Attributes:
        day: Its number, from 1.
        cleared: What was sent and booked.
        chronicle: Of all records so far, of all days.
        empty_books: How many times the liquidation desk met an empty book.
        surprises: Where the ledger did otherwise than the exchange expected.
    """

    day: int
    cleared: Cleared
    chronicle: Chronicle
    empty_books: int
    surprises: Sequence[str]

    @property
    def rate(self) -> float:
        """Messages a second, from the first sent to its records read."""
        return self.cleared.sent / self.cleared.seconds if self.cleared.seconds else 0.0


def is_good(day: Day, found: Summary) -> bool:
    """Whether all went as expected, and nothing was made or lost."""
    pools = day.chronicle.pools.items()
    funds = all(_is_conserved(name, pool, found) for name, pool in pools)
    return not day.surprises and found.balances and funds


def as_json_page(day: Day, found: Summary) -> dict[str, object]:
    """The page for programs."""
    return {
        "day": day.day,
        **day.cleared._asdict(),
        "messages_per_second": round(day.rate, 1),
        "balances": found.balances,
        "surprises": day.surprises,
        "pools": day.chronicle.as_json(),
        "empty_books": day.empty_books,
        "trial_balance": found.trial_balance,
    }


def tell(day: Day, found: Summary, database_url: str | None) -> None:
    """Print the page."""
    cleared = day.cleared
    say(f"Day {day.day} of the simulated exchange is in the books.\n")
    say(
        f"{cleared.sent:,} messages: {cleared.applied:,} applied, {cleared.duplicates} duplicates,"
        f" {cleared.rejected} refused; {cleared.seconds:.1f} s from the exchange to the books and"
        f" back, {day.rate:,.0f} messages/s"
    )
    _section("Liquidations, the fund, deleveraging: all days", day.chronicle.rows())
    say(f"  The liquidation desk met an empty book {day.empty_books} times.")
    _section("Trial balance: every commodity, debit and credit", found.trial_balance)
    _conserved(day, found)
    _section("Fees and rebates", found.fees)
    _section("Funding", found.funding)
    _section("Open interest", found.open_interest)
    _section("Largest gains and losses, pool usdt", found.realized)
    _section("Insurance fund", found.insurance)
    _section("Refused, kept with their bytes and reason", found.rejections)
    say("")
    if day.surprises:
        say("NOT AS THE EXCHANGE EXPECTED:")
        for surprise in day.surprises:
            say(f"  {surprise}")
    else:
        say("Applied, duplicate and refused messages are exactly those that the exchange expected.")
    _next_steps(day, found, database_url)


def _conserved(day: Day, found: Summary) -> None:
    say("The books balance." if found.balances else "THE BOOKS DO NOT BALANCE.")
    for name, pool in day.chronicle.pools.items():
        good = _is_conserved(name, pool, found)
        told = "that is what its movements sum to" if good else "THAT IS NOT WHAT MOVED IT"
        fund, deficit = pool.natural(pool.fund), pool.natural(-pool.deficit)
        say(f"The fund of {name} holds {fund:,f}, and a deficit of {deficit:,f} is open: {told}.")


def _is_conserved(name: str, pool: PoolChronicle, found: Summary) -> bool:
    """The fund is what its records sum to, and what the books hold."""
    held = sum(row["balance"] for row in found.insurance if row["pool"] == name)
    return bool(pool.is_conserved and held == pool.natural(pool.fund))


def _section(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    say(f"\n{title}" + ("" if rows else ": none"))
    for line in columns(rows):
        say(f"  {line}")


def _next_steps(day: Day, found: Summary, database_url: str | None) -> None:
    url = database_url or f'"postgresql://postgres@/postgres?host={settings.home()}/demo/postgres"'
    typed = program()
    home = "" if database_url else f"CLEARING_HOME={settings.home()}/demo "
    account = found.realized[0]["account"] if found.realized else "@house"
    also = f" --database-url {database_url}" if database_url else ""
    say("\nWhat to try next")
    for name, pool in day.chronicle.pools.items():
        for kind, words in _EXAMPLES.items():
            if kind in pool.examples:
                command = f"{home}{typed} explain {pool.examples[kind]} --pool {name}{also}"
                say(f"  {command}   {words}")
    say(f"  {home}{typed} statement {account} --pool usdt{also}")
    say(f"  {home}{typed} redrive --code unknown_account --dry-run{also}")
    say(f"  {home}{typed} serve{also}   the same in a browser, at http://127.0.0.1:8080/")
    say(f"  {typed} demo   the next day     {typed} demo --fresh   start over")
    say(f"  the books: {url} (schema reporting)")


_NAME = "clearing"
_EXAMPLES = {
    "liquidation": "the first liquidation",
    "deleveraging": "the largest deleveraging",
    "draw": "the deepest draw on the fund",
}


def program() -> str:
    """What to type for this program: its path, where its name alone would not be found."""
    called = Path(sys.argv[0])
    return str(called) if called.name == _NAME and shutil.which(_NAME) is None else _NAME
