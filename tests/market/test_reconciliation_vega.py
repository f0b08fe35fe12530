"""The ledger movements of a Vega core as a foreign double-entry statement, against books of ours.

Our books take each of Vega's transfers by hand, as a deposit, a withdrawal or a transfer between
two accounts; its statements are then read from the file by the product. Vega tells the balances of
its accounts after each transfer, so that openings and closings are its own. It also tells transfers
of nothing, which no books take.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ledger.importers import WireEvent
from ledger.recon.breaks import Break
from ledger.recon.formats import read_statements
from ledger.recon.lines import Statement
from ledger.recon.rules import Rules, Translation, parse_rules
from ledger.recon.run import reconcile, reconcile_lines
from ledger.store.embedded import Embedded
from tests.importers.venue import venue_file
from tests.market.reconciled import books_of

FILE = "vega-core-events/smoketest.jsonl.gz"
TRANSFERS, MOVEMENTS, STATEMENTS = 322, 644, 118
MOVED = 626
"""Movements of something; nine transfers are of nothing."""
RULES = """
version = 1
[sources.vega]
kind = "statements"
format = "vega"
pool = "vega"
window_s = 1
paired = true
"""


def account_of(told: dict[str, Any]) -> str:
    """What the reader calls an account."""
    parts = [told["type"].removeprefix("ACCOUNT_TYPE_"), told.get("owner"), told.get("market_id")]
    return "/".join(part for part in parts if part)


class Vega:
    """The file, and our names of its accounts."""

    def __init__(self) -> None:
        with gzip.open(venue_file(FILE), "rt") as text:
            events = [json.loads(line) for line in text]
        self.decimals: dict[str, int] = {}
        self.transfers: list[tuple[str, dict[str, Any]]] = []
        self.names = {"EXTERNAL": "@outside"}
        for event in events:
            if asset := event.get("asset"):
                self.decimals[asset["id"]] = int(asset["details"]["decimals"])
            groups = event.get("ledger_movements", {}).get("ledger_movements", [])
            for place, group in enumerate(groups, start=1):
                for number, entry in enumerate(group.get("entries", []), start=1):
                    self.transfers.append((f"{event['id']}:{place}:{number}", entry))
        for _, entry in self.transfers:
            for side in ("from_account", "to_account"):
                name = account_of(entry[side])
                self.names.setdefault(name, f"v{len(self.names)}.{name.partition('/')[0]}")

    def rules(self) -> Rules:
        read = parse_rules(RULES)
        source = replace(read.sources["vega"], accounts=Translation(self.names))
        return replace(read, sources={"vega": source})

    def events(self) -> Iterator[WireEvent]:
        """Our books: the pool, its assets, its accounts, and each transfer of something."""
        for number, fields in enumerate(self._facts()):
            common = {"event_id": f"open-{number}", "occurred_at": "2023-01-18T00:00:00Z"}
            yield {"pool": "vega", **common, **fields}

    def _facts(self) -> Iterator[WireEvent]:
        yield {
            "kind": "pool",
            "settlement_asset": "USD",
            "scale": 2,
            "liquidation": "off",
            "penalty_rate": "0",
            "partial_buffer": "0",
            "insurance_floor": "0",
            "adl_policy": "bitmex",
            "loss_policy": "open",
        }
        for asset in sorted({entry["from_account"]["asset_id"] for _, entry in self.transfers}):
            yield {"kind": "asset", "asset": asset, "scale": self.decimals[asset], "haircut": "0"}
        for name in sorted(set(self.names.values()) - {"@outside"}):
            yield {"kind": "account", "account": name}
        for reference, entry in self.transfers:
            if entry["amount"] != "0":
                yield self._transfer(reference, entry)

    def _transfer(self, reference: str, entry: dict[str, Any]) -> WireEvent:
        asset = entry["from_account"]["asset_id"]
        amount = Decimal(entry["amount"]).scaleb(-self.decimals[asset])
        before, after = (
            self.names[account_of(entry[f"{side}_account"])] for side in ("from", "to")
        )
        seconds, nanoseconds = divmod(int(entry["timestamp"]), 10**9)
        second = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
        common = {
            "event_id": reference,
            "occurred_at": f"{second}.{nanoseconds // 1000:06}Z",
            "asset": asset,
            "amount": f"{amount:f}",
        }
        if before == "@outside":
            return {"kind": "deposit", "account": after, **common}
        if after == "@outside":
            return {"kind": "withdrawal", "account": before, **common}
        sides = {"from_account": before, "to_account": after}
        return {"kind": "internal_transfer", **sides, **common}


@pytest.fixture(scope="module")
def vega() -> Vega:
    return Vega()


@pytest.fixture(scope="module")
def books(postgres: Embedded, vega: Vega) -> Iterator[str]:
    with books_of(postgres, "vega", vega.events()) as url:
        yield url


@pytest.fixture(scope="module")
def statements(vega: Vega) -> list[Statement]:
    source = vega.rules().sources["vega"]
    return list(read_statements("vega", venue_file(FILE), source.mapping))


def of(statements: list[Statement]) -> list[tuple[str, Statement]]:
    return [("", each) for each in statements]


def about(found: Break) -> tuple[str, str, Decimal]:
    return found.type, found.account, found.difference


def test_every_movement_matches_by_reference_and_every_balance_is_ours(
    books: str, vega: Vega, statements: list[Statement]
) -> None:
    assert (len(vega.transfers), len(statements)) == (TRANSFERS, STATEMENTS)
    result = reconcile(books, vega.rules(), {"vega": [venue_file(FILE)]}, "vega")
    assert result.breaks == ()
    (compared,) = result.compared
    assert (compared.ours, compared.theirs, compared.left_out) == (MOVED, MOVED, MOVEMENTS - MOVED)
    assert compared.matched == {"exact_reference": MOVED}


def changed(statements: list[Statement], at: int, movements: list[Any]) -> list[Statement]:
    return [*statements[:at], statements[at]._replace(movements=movements), *statements[at + 1 :]]


def test_a_leg_left_out_is_missing_unpaired_and_breaks_the_sum(
    books: str, vega: Vega, statements: list[Statement]
) -> None:
    at = next(n for n, each in enumerate(statements) if each.account.startswith("MARGIN"))
    gone, *kept = statements[at].movements
    result = reconcile_lines(
        books, vega.rules(), {"vega": of(changed(statements, at, kept))}, "vega"
    )
    account = vega.names[statements[at].account]
    assert Counter(map(about, result.breaks)) == Counter(
        {
            ("missing_there", account, gone.amount): 1,
            ("unpaired", "", gone.amount): 1,
            ("amount", account, -gone.amount): 1,
        }
    )


def test_an_amount_that_was_altered_is_told_with_both_amounts(
    books: str, vega: Vega, statements: list[Statement]
) -> None:
    at = next(n for n, each in enumerate(statements) if each.account.startswith("GENERAL"))
    first, *rest = statements[at].movements
    altered = changed(statements, at, [first._replace(amount=first.amount + 1), *rest])
    result = reconcile_lines(books, vega.rules(), {"vega": of(altered)}, "vega")
    found = [each for each in result.breaks if each.subject == first.reference.replace("/", ":")]
    assert [(each.type, each.ours, each.theirs) for each in found] == [
        ("amount", first.amount, first.amount + 1)
    ]
    assert {each.type for each in result.breaks} == {"amount", "unpaired"}


def test_a_statement_that_opens_otherwise_is_an_opening_break(
    books: str, vega: Vega, statements: list[Statement]
) -> None:
    at = next(
        n
        for n, each in enumerate(statements)
        if each.opening is not None and len(each.movements) > 1
    )
    whole = statements[at]
    assert whole.opening is not None
    first, *rest = whole.movements
    middle = whole.opening + first.amount
    halves = [
        whole._replace(movements=[first], closing=middle, ends=first.at, number="1"),
        whole._replace(movements=rest, opening=middle, begins=rest[0].at, number="2"),
    ]
    split = [*statements[:at], *halves, *statements[at + 1 :]]
    assert reconcile_lines(books, vega.rules(), {"vega": of(split)}, "vega").breaks == ()
    assert whole.closing is not None
    moved = halves[1]._replace(opening=middle + 7, closing=whole.closing + 7)
    wrong = [*statements[:at], halves[0], moved, *statements[at + 1 :]]
    result = reconcile_lines(books, vega.rules(), {"vega": of(wrong)}, "vega")
    account = vega.names[whole.account]
    assert [about(each) for each in result.breaks] == [("opening", account, Decimal(-7))], (
        "it explains that the closing is off by as much"
    )
