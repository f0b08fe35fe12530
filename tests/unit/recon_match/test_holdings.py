"""Balances and positions of a source against ours."""

from decimal import Decimal

import pytest

from ledger.recon.holdings.compare import compare_holdings
from ledger.recon.lines import Holding
from ledger.recon.matching.comparison import Comparison
from tests.unit.recon_match.books import FakeBooks, at, source

OURS = {
    ("ada", "USDT"): Decimal(10),
    ("ada", "BTC-PERP"): Decimal(-2),
    ("ben", "USDT"): Decimal(7),
    ("@custody", "USDT"): Decimal(17),
}


CASH_ONLY = 'not_theirs = ["*-PERP"]\n'
"""A list of balances, which has no positions."""


def compared(*holdings: tuple[str, str, str], extra: str = "") -> Comparison:
    lines = [
        (f"line {n}", Holding(n, None, account, commodity, Decimal(amount)))
        for n, (account, commodity, amount) in enumerate(holdings, start=1)
    ]
    return compare_holdings(FakeBooks(balances=OURS), source("holdings", extra), lines)


def test_equal_holdings_match() -> None:
    found = compared(("ada", "USDT", "10.00"), ("ada", "BTC-PERP", "-2"), ("ben", "USDT", "7"))
    assert found.breaks == []
    assert found.matched == {"exact_reference": 3}


def test_another_amount_is_a_break_of_both_and_within_tolerance_is_none() -> None:
    (each,) = compared(("ada", "USDT", "9.5"), extra=CASH_ONLY).breaks
    assert (each.type, each.subject, each.difference) == ("amount", "ada/USDT", Decimal("0.5"))
    tolerant = CASH_ONLY + '[sources.venue.tolerance]\n"*" = "0.5"'
    within = compared(("ada", "USDT", "9.5"), extra=tolerant)
    assert within.compared().matched == {"tolerance": 1}
    assert within.compared().tolerated == {"USDT": Decimal("0.5")}


def test_what_only_one_side_has_is_missing_at_the_other() -> None:
    found = compared(("ada", "USDT", "10"), ("cho", "USDT", "3"), ("cho", "BTC-PERP", "0"))
    assert [(each.type, each.subject, each.difference) for each in found.breaks] == [
        ("missing_there", "ada/BTC-PERP", Decimal(-2)),
        ("missing_here", "cho/USDT", Decimal(-3)),
    ]


def test_a_source_that_covers_all_must_name_every_participant() -> None:
    found = compared(("ada", "USDT", "10"), extra=CASH_ONLY + 'covers = "all"')
    assert [(each.type, each.subject) for each in found.breaks] == [("missing_there", "ben/USDT")]


def test_a_commodity_that_a_snapshot_does_not_name_at_all_is_missing_there() -> None:
    (each,) = compared(("ada", "USDT", "10")).breaks
    assert (each.type, each.subject) == ("missing_there", "ada/BTC-PERP")
    (other,) = compared(("ada", "USDT", "10"), ("ben", "USDT", "7"), extra='covers = "all"').breaks
    assert (other.type, other.subject, other.ours) == ("missing_there", "ada/BTC-PERP", Decimal(-2))


def test_a_snapshot_of_everybody_that_has_only_what_is_not_ours_lacks_everything() -> None:
    rules = 'covers = "all"\nnot_ours = ["@*"]'
    found = compared(("ada", "@107", "1"), extra=rules)
    assert found.left_out == 1
    assert {each.subject for each in found.breaks} == {"ada/BTC-PERP", "ada/USDT", "ben/USDT"}


@pytest.mark.parametrize(
    ("apart", "lacks"),
    [(60, []), (61, ["ada/BTC-PERP at 2026-01-01 00:00:00+00:00", "ada/USDT"])],
)
def test_lines_within_the_window_are_one_snapshot(apart: int, lacks: list[str]) -> None:
    lines = [
        ("line 1", Holding(1, at(0), "ada", "USDT", Decimal(10))),
        ("line 2", Holding(2, at(apart), "ada", "BTC-PERP", Decimal(-2))),
    ]
    found = compare_holdings(FakeBooks(balances=OURS), source("holdings"), lines)
    assert sorted(each.subject for each in found.breaks) == lacks


def test_the_same_again_within_the_window_is_a_snapshot_of_its_own() -> None:
    lines = [
        (f"line {n}", Holding(n, at(second), "ada", commodity, amount))
        for n, (second, commodity, amount) in enumerate(
            [(0, "USDT", Decimal(10)), (0, "BTC-PERP", Decimal(-2)), (30, "USDT", Decimal(10))]
        )
    ]
    (each,) = compare_holdings(FakeBooks(balances=OURS), source("holdings"), lines).breaks
    assert (each.type, each.subject, each.at) == ("missing_there", "ada/BTC-PERP", at(30))


def test_several_accounts_of_theirs_that_are_one_of_ours_are_added_up() -> None:
    names = '[sources.venue.accounts]\nhot = "@custody"\ncold = "@custody"'
    assert compared(("hot", "USDT", "5"), ("cold", "USDT", "12"), extra=names).breaks == []


def test_an_account_that_stands_twice_is_a_duplicate() -> None:
    (each,) = compared(("ben", "USDT", "7"), ("ben", "USDT", "7")).breaks
    assert (each.type, each.theirs) == ("duplicate", Decimal(7))


def test_several_lines_of_one_account_are_added_up() -> None:
    names = CASH_ONLY
    found = compared(("ada", "USDT", "4"), ("ada", "USDT", "6"), extra=names)
    assert found.breaks == []
    short = compared(("ada", "BTC-PERP", "3"), ("ada", "BTC-PERP", "-5"), ("ada", "USDT", "10"))
    assert short.breaks == []
    (each,) = compared(("ada", "USDT", "4"), ("ada", "USDT", "5"), extra=names).breaks
    assert (each.type, each.ours, each.theirs) == ("amount", Decimal(10), Decimal(9))
    assert each.their_references == ("line 1", "line 2")


def test_of_several_moments_the_last_has_the_break_that_lasts() -> None:
    def snapshots(*amounts: str) -> list[tuple[str, str]]:
        lines = [
            ("line 1", Holding(1, at(3600 * hour), "ben", "USDT", Decimal(amount)))
            for hour, amount in enumerate(amounts)
        ]
        found = compare_holdings(FakeBooks(balances=OURS), source("holdings"), lines)
        return [(each.subject, str(each.theirs)) for each in found.breaks]

    assert snapshots("9") == [("ben/USDT", "9")]
    first = "ben/USDT at 2026-01-01 00:00:00+00:00"
    assert snapshots("9", "8") == [(first, "9"), ("ben/USDT", "8")]
    assert snapshots("8", "9") == [(first, "8"), ("ben/USDT", "9")]


def test_a_break_of_before_the_last_snapshot_names_its_moment_where_that_one_agrees() -> None:
    def subjects(*told: tuple[int, str, str, str], extra: str = CASH_ONLY) -> list[str]:
        lines = [
            (f"line {n}", Holding(n, at(3600 * hour), account, commodity, Decimal(amount)))
            for n, (hour, account, commodity, amount) in enumerate(told)
        ]
        found = compare_holdings(FakeBooks(balances=OURS), source("holdings", extra), lines)
        return [each.subject for each in found.breaks]

    wrong, first = (0, "ben", "USDT", "9"), "ben/USDT at 2026-01-01 00:00:00+00:00"
    assert subjects(wrong, (1, "ben", "USDT", "7")) == [first]
    assert subjects(wrong, (1, "ada", "USDT", "10")) == ["ben/USDT"], "of another account"
    strange = (0, "ben", "EUR", "3")
    assert subjects(strange, (0, "ben", "USDT", "7"), (1, "ben", "USDT", "7")) == [
        "ben/EUR at 2026-01-01 00:00:00+00:00"
    ], "the last one does not name it, so it is nothing"
    everybody = CASH_ONLY + 'covers = "all"'
    assert subjects(
        (0, "cho", "USDT", "3"),
        (0, "ada", "USDT", "10"),
        (0, "ben", "USDT", "7"),
        (1, "ada", "USDT", "10"),
        (1, "ben", "USDT", "7"),
        extra=everybody,
    ) == ["cho/USDT at 2026-01-01 00:00:00+00:00"]


def test_a_holding_that_comes_to_nothing_on_one_side_is_a_break_of_another_type() -> None:
    lines = [("line 1", Holding(1, None, "ben", "USDT", Decimal(6)))]
    found = [
        compare_holdings(FakeBooks(balances=balances), source("holdings"), lines).breaks[0]
        for balances in (OURS, {})
    ]
    assert [each.type for each in found] == ["amount", "missing_here"]
    assert found[0].subject == found[1].subject
    assert found[0].key != found[1].key
