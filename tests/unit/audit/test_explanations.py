"""Explanations of records made by hand: they agree, and each kind of fault is found and named."""

from fractions import Fraction
from typing import Any

import pytest

from ledger.audit.explanation.arithmetic import decimal, half_even, implied_price
from ledger.audit.explanation.explain import EXPLAINERS
from ledger.audit.explanation.layout import lines
from ledger.audit.waterfall.policies import largest_remainder
from ledger.codec.records import BODIES
from tests.unit.audit.dossiers import DOSSIERS, Tree, explanation, liquidated_twice


@pytest.mark.parametrize("kind", DOSSIERS)
def test_figures_worked_by_hand_agree(kind: str) -> None:
    found = explanation(kind, DOSSIERS[kind]())
    assert [step for step in found.sheet.steps if not step.agrees] == []
    assert len(found.sheet.steps) > 2


def test_every_kind_of_record_is_explained() -> None:
    parts = {"takeover", "seizure", "made_whole", "liquidation_end", "deleveraged"}
    assert EXPLAINERS.keys() | parts == {body.kind for body in BODIES}


def disagreeing(kind: str, dossier: Tree) -> list[str]:
    """Places of the figures that do not agree."""
    return [step.place for step in explanation(kind, dossier).sheet.steps if not step.agrees]


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("records/2/body/share", "9.99", "records/2/body/share"),
        ("records/2/body/penalty", "4.54", "records/2/body/penalty"),
        ("records/2/body/takeover_price", "90.55", "records/2/body/takeover_price"),
        ("records/2/body/quantity", "9", "records/2/body/quantity"),
        ("records/1/body/rank", 2, "records/1/body/rank"),
        ("records/1/body/penalty_rate", "0.01", "records/1/body/penalty_rate"),
        ("records/3/body/equity", "5.46", "records/3/body/equity"),
        ("marks/LIN/mark_price", "91.01", "records/1/body/statement/positions/0/mark_price"),
        ("books/0/before", "99.00", "=records/1/body/statement/books"),
        ("books/3/postings/0/amount", "9", "=records/2/books"),
        ("books/4/postings/0/balance", "-900.00", "=records/2/inventory"),
        ("records/0/body/listed/0/equity", "20.00", "=records/0/body/listed/under"),
    ],
)
def test_a_liquidation_that_was_doctored_is_found(path: str, value: object, place: str) -> None:
    dossier = DOSSIERS["liquidation"]()
    put(dossier, path, value)
    assert place in disagreeing("liquidation", dossier)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("records/0/body/candidates/0/score", "0.35", "records/0/body/candidates/0/score"),
        ("records/0/body/candidates/0/equity", "90.00", "records/0/body/candidates/0/score"),
        ("records/0/body/candidates/1/taken", "5", "records/0/body/candidates/1/taken"),
        ("records/0/body/candidates/2/reason", None, "records/0/body/candidates/2/reason"),
        ("records/0/body/loss_absorbed", "55.46", "records/0/body/loss_absorbed"),
        ("records/1/body/amount", "-362.19", "records/1/body/amount"),
        ("records/2/body/realized_pnl", "56.74", "records/2/body/realized_pnl"),
        ("books/0/before", "11.00", "=records/0/body/inventory"),
    ],
)
def test_a_deleveraging_that_was_doctored_is_found(path: str, value: object, place: str) -> None:
    dossier = DOSSIERS["deleveraging"]()
    put(dossier, path, value)
    assert place in disagreeing("deleveraging", dossier)


def test_funding_under_the_first_rules_was_rounded_half_even() -> None:
    dossier = DOSSIERS["funding_rate"]()
    dossier["rules"] = 1  # 0.08501 is nearest to 0.09, for both
    assert disagreeing("funding_rate", dossier) == ["payments/1/payment", "rounding"]
    put(dossier, "payments/1/payment", "0.09")
    put(dossier, "rounding", "0.00")
    assert disagreeing("funding_rate", dossier) == []


def test_candidates_out_of_order_are_found() -> None:
    dossier = DOSSIERS["deleveraging"]()
    candidates = dossier["records"][0]["body"]["candidates"]
    candidates[0], candidates[1] = candidates[1], candidates[0]
    assert "=records/0/body/order" in disagreeing("deleveraging", dossier)


def test_a_takeover_that_is_missing_is_found() -> None:
    dossier = DOSSIERS["liquidation"]()
    del dossier["records"][2]
    assert "=takeovers" in disagreeing("liquidation", dossier)


def test_an_account_liquidated_again_in_the_event_is_taken_whole() -> None:
    assert disagreeing("liquidation", liquidated_twice()) == []
    other = liquidated_twice()
    other["records"][0]["body"]["margin_instrument"] = "LIN"
    assert "records/2/body/mode" in disagreeing("liquidation", other)
    again = liquidated_twice()
    again["records"][2]["body"]["mode"] = "partial"
    assert disagreeing("liquidation", again) == ["records/2/body/mode"]


@pytest.mark.parametrize("place", ["unrealized_pnl", "borne", "share", "gains", "deficit"])
def test_a_shared_loss_that_was_doctored_is_found(place: str) -> None:
    dossier = DOSSIERS["socialized_loss"]()
    put(dossier, f"records/0/body/{place}", "24.00")
    assert disagreeing("socialized_loss", dossier)


def test_the_text_says_why_and_that_all_agrees() -> None:
    text = list(lines(explanation("liquidation", DOSSIERS["liquidation"]())))
    assert text[1] == ("Caused by event 7: price p7, occurred 2026-01-31T12:00:00Z, rules 2.")
    assert text[3].startswith(
        "anna was liquidated: its equity of 10.00 USD was under its maintenance margin of 18.20"
    )
    assert text[-1].startswith("All ")
    assert any("min(10, up(0.005 * 910))" in line and "4.55 USD" in line for line in text)


def test_the_text_names_what_does_not_agree() -> None:
    dossier = DOSSIERS["liquidation"]()
    put(dossier, "records/2/body/penalty", "4.54")
    text = list(lines(explanation("liquidation", dossier)))
    assert any("DISAGREES: the record says 4.54" in line for line in text)
    assert "the first: penalty (records/2/body/penalty)" in text[-1]


def put(dossier: Tree, path: str, value: object) -> None:
    *way, last = path.split("/")
    part: Any = dossier
    for name in way:
        part = part[int(name)] if isinstance(part, list) else part[name]
    part[int(last) if isinstance(part, list) else last] = value


def test_decimals_are_written_whole() -> None:
    assert decimal(Fraction(-5, 2)) == "-2.5"
    assert decimal(Fraction(3), 2) == "3.00"
    assert decimal(Fraction(-1, 10**18)) == "-0.000000000000000001"


def test_a_tie_goes_to_the_even_digit() -> None:
    assert half_even(Fraction(90545, 1000), 2) == Fraction(9054, 100)
    assert half_even(Fraction(-90535, 1000), 2) == Fraction(-9054, 100)


def test_the_price_of_a_value_for_an_inverse_contract() -> None:
    # 3 contracts of 100 USD at 60,000 are worth -0.005 BTC.
    value = Fraction(-5, 1000)
    assert implied_price("inverse", Fraction(100), Fraction(3), value, 1) == 60000
    assert implied_price("inverse", Fraction(100), Fraction(3), -value, 1) is None


def test_largest_remainders_get_what_rounding_down_left() -> None:
    # 7 of weights 1, 1, 1: 2.33 each; the one left over goes to the first.
    shares = [Fraction(7, 3)] * 3
    assert largest_remainder(shares, Fraction(7), Fraction(1)) == [3, 2, 2]
