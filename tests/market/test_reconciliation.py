"""The Hyperliquid node's own file against books made of it: no break; and every fault is found."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from ledger.importers import import_events
from ledger.recon.breaks import Break
from ledger.recon.formats import read_trades
from ledger.recon.lines import Holding, Trade
from ledger.recon.result import Result
from ledger.recon.rules import Rules, parse_rules
from ledger.recon.run import reconcile, reconcile_lines
from ledger.store.embedded import Embedded
from tests.importers.venue import NODE_BLOCKS, NODE_TRADES, node_expectations, venue_file
from tests.market.reconciled import books_of

RULES = """
version = 1
[sources.fills]
kind = "trades"
format = "hyperliquid"
pool = "usdc"
covers = "all"
[sources.positions]
kind = "holdings"
format = "holdings-csv"
pool = "usdc"
covers = "all"
not_theirs = ["USDC"]
[sources.positions.commodities]
"*" = "{}-PERP"
"""
PERPETUALS = 2_082
POSITIONS = 1_380
"""(account, coin) pairs of the file; those that end flat are none."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Found = tuple[str, str, str, str, Decimal | None, Decimal | None]


@pytest.fixture(scope="module")
def books(postgres: Embedded) -> Iterator[str]:
    events = import_events("hyperliquid", venue_file(NODE_TRADES))
    with books_of(postgres, "node_fills", events) as url:
        yield url


@pytest.fixture(scope="module")
def rules() -> Rules:
    return parse_rules(RULES)


@pytest.fixture(scope="module")
def fills() -> list[Trade]:
    return list(read_trades("hyperliquid", venue_file(NODE_TRADES)))


def held(books: str, rules: Rules, trades: list[Trade]) -> Result:
    lines = [(f"line {trade.line}", trade) for trade in trades]
    return reconcile_lines(books, rules, {"fills": lines}, "usdc")


def told(found: Break) -> Found:
    return (found.type, found.subject, found.account, found.commodity, found.ours, found.theirs)


def about(found: Found) -> tuple[str, ...]:
    """All of it but the amounts."""
    return found[:4]


@pytest.mark.parametrize("name", [NODE_TRADES, NODE_BLOCKS], ids=["table", "blocks"])
def test_the_venues_own_file_leaves_no_break(books: str, rules: Rules, name: str) -> None:
    result = reconcile(books, rules, {"fills": [venue_file(name)]}, "usdc")
    assert result.breaks == ()
    assert result.proposals == ()
    (compared,) = result.compared
    assert (compared.ours, compared.theirs) == (PERPETUALS, PERPETUALS)
    assert compared.matched == {"exact_reference": PERPETUALS}
    assert result.inputs[0].lines == PERPETUALS
    assert all(control.holds for control in result.controls)


def test_the_hash_is_the_same_in_any_order_and_another_at_another_sequence(
    books: str, rules: Rules, fills: list[Trade]
) -> None:
    first = held(books, rules, fills)
    assert held(books, rules, fills[::-1]).result_hash == first.result_hash
    lines = [(f"line {trade.line}", trade) for trade in fills]
    before = reconcile_lines(books, rules, {"fills": lines}, "usdc", first.sequence - 1)
    assert before.result_hash != first.result_hash
    assert [each.type for each in before.breaks] == ["missing_here"], "the last trade is not there"


def test_the_venues_positions_are_ours(books: str, rules: Rules) -> None:
    expected = node_expectations().positions
    lines = [
        (f"line {n}", Holding(n, None, account, instrument.removesuffix("-PERP"), size))
        for n, ((account, instrument), size) in enumerate(sorted(expected.items()), start=1)
    ]
    result = reconcile_lines(books, rules, {"positions": lines}, "usdc")
    assert result.breaks == ()
    assert result.compared[0].matched == {"exact_reference": len(expected)}
    assert len(expected) <= POSITIONS
    place, wrong = lines[5]
    lines[5] = (place, wrong._replace(amount=wrong.amount + 3))
    (found,) = reconcile_lines(books, rules, {"positions": lines[1:]}, "usdc").breaks[:1]
    assert (found.type, found.difference) == ("amount", Decimal(-3))


def _changed(trade: Trade, **figures: object) -> Trade:
    return trade._replace(**figures)  # type: ignore[arg-type] # the fields of a trade


FAULTS: dict[str, tuple[Callable[[Trade], list[Trade]], Callable[[Trade], list[Found]]]] = {
    "left out": (
        lambda _: [],
        lambda t: [("missing_there", t.trade_id, "", t.instrument, t.quantity, None)],
    ),
    "made up": (
        lambda t: [
            t,
            _changed(t, line=9_000, trade_id="1", buyer="x", seller="y", price=t.price * 2),
        ],
        lambda t: [("missing_here", "1", "", t.instrument, None, t.quantity)],
    ),
    "told twice": (
        lambda t: [t, _changed(t, line=9_000)],
        lambda t: [("duplicate", t.trade_id, "", t.instrument, None, t.quantity)],
    ),
    "another quantity": (
        lambda t: [_changed(t, quantity=t.quantity + 1)],
        lambda t: [("amount", t.trade_id, "", t.instrument, t.quantity, t.quantity + 1)],
    ),
    "another price": (
        lambda t: [_changed(t, price=t.price * 2)],
        lambda t: [("amount", f"{t.trade_id} price", "", t.instrument, t.price, t.price * 2)],
    ),
    "another fee": (
        lambda t: [_changed(t, buyer_fee=(t.buyer_fee or 0) + Decimal("0.000001"))],
        lambda t: [
            (
                *("amount", f"{t.trade_id} buyer_fee", str(t.buyer), "USDC"),
                *(-(t.buyer_fee or Decimal(0)), -(t.buyer_fee or 0) - Decimal("0.000001")),
            )
        ],
    ),
    "another account": (
        lambda t: [_changed(t, seller="0x0")],
        lambda t: [
            (
                *("wrong_account", f"{t.trade_id} seller", "0x0", t.instrument),
                *(Decimal(0), -t.quantity),
            ),
            (
                *("wrong_account", f"{t.trade_id} seller", str(t.seller), t.instrument),
                *(-t.quantity, Decimal(0)),
            ),
        ],
    ),
    "another time": (
        lambda t: [_changed(t, at=(t.at or _EPOCH) + timedelta(seconds=61))],
        lambda t: [("timing", f"{t.trade_id} time", "", t.instrument, t.quantity, t.quantity)],
    ),
    "one side only": (
        lambda t: [_changed(t, buyer=None, buyer_fee=None)],
        lambda t: [
            ("unpaired", f"{t.trade_id} buyer", str(t.buyer), t.instrument, t.quantity, None)
        ],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", [0, 777, 2_081])
def test_an_injected_fault_is_found_typed_and_of_the_right_amount(
    books: str, rules: Rules, fills: list[Trade], fault: str, at: int
) -> None:
    inject, expected = FAULTS[fault]
    result = held(books, rules, [*fills[:at], *inject(fills[at]), *fills[at + 1 :]])
    assert [told(each) for each in result.breaks] == expected(fills[at])
    assert result.compared[0].matched["exact_reference"] >= PERPETUALS - 1


def test_all_faults_at_once_are_found_each_by_itself(
    books: str, rules: Rules, fills: list[Trade]
) -> None:
    trades = list(fills)
    expected: list[Found] = []
    for number, (inject, says) in enumerate(FAULTS.values()):
        target = fills[100 * number + 50]
        place = trades.index(target)
        trades[place : place + 1] = inject(target)
        expected += says(target)
    result = held(books, rules, trades)
    assert sorted(map(told, result.breaks), key=about) == sorted(expected, key=about)


def test_a_trade_under_another_id_is_proposed_with_reasons(
    books: str, rules: Rules, fills: list[Trade]
) -> None:
    renamed = [*fills[:9], fills[9]._replace(trade_id="77"), *fills[10:]]
    result = held(books, rules, renamed)
    assert sorted(each.type for each in result.breaks) == ["missing_here", "missing_there"]
    best = result.proposals[0]
    assert best.score == 100
    assert best.ours[0].reference == f"hl:{fills[9].trade_id}"
    lines = [(f"line {trade.line}", trade) for trade in renamed]
    agreed = reconcile_lines(books, rules, {"fills": lines}, "usdc", approved=[best.key])
    assert agreed.breaks == ()


def test_a_file_of_another_kind_is_refused(books: str, tmp_path: Path) -> None:
    wrong = RULES.replace('format = "hyperliquid"', 'format = "holdings-csv"')
    with pytest.raises(ConfigurationError, match="fills has trades, and the format holdings-csv"):
        reconcile(books, parse_rules(wrong), {"fills": [tmp_path / "x.csv"]}, "usdc")
