"""Every code that the rules can give is given, in order of precedence, and leaves no trace."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ledger.codec.states import encode_state
from ledger.core.events import Event
from ledger.core.invariants import broken
from ledger.core.machine import decide
from ledger.core.outcome import Rejection
from ledger.core.rejections import Code
from ledger.core.state import State
from tests.unit.core.building import (
    HANDS,
    LINEAR,
    POOL,
    T0,
    T1,
    T3,
    TIERS,
    TRADE,
    busy_books,
    event,
    line,
    margined_books,
)

MONEY: dict[str, Any] = {"account": "anna", "asset": "USD", "amount": "1"}
REQUEST: dict[str, Any] = {"request_id": "w1", "account": "anna", "asset": "USD", "amount": "10"}
RISK: dict[str, Any] = {"instrument": "LIN", "tiers": TIERS}
FINE_TIERS = [{**TIERS[0], "maintenance_rate": "0.0000000000001"}]
CLOSED_TIERS = [{**TIERS[0], "notional_cap": "5"}]
HUGE = "1" + "0" * 40


class Case(NamedTuple):
    """An event and the code it is refused with; with `beaten`, a later reason applies as well."""

    code: Code
    event: Event
    original: Event | None = None
    beaten: Code | None = None
    books: Callable[[], State] = busy_books


def trade(**changes: object) -> Event:
    return event("trade", **{**TRADE, **changes})


def money(kind: str = "withdrawal", **changes: object) -> Event:
    return event(kind, **{**MONEY, **changes})


def settled(**changes: object) -> Event:
    return event("withdrawal_settled", **{**REQUEST, **changes})


def request(**changes: object) -> Event:
    return event("withdrawal_request", **{**REQUEST, **changes})


def bust(trade_event_id: str) -> Event:
    return event("trade_bust", trade_event_id=trade_event_id, reason="error")


def instrument(**changes: object) -> Event:
    return event("instrument", **{"instrument": "LIN", **LINEAR, **changes})


def adjustment(*lines: dict[str, str | None], **changes: object) -> Event:
    return event("adjustment", lines=list(lines), **{**HANDS, **changes})


def into_isolated(instrument: str, *, account: str = "anna", amount: str = "1") -> Event:
    return event("isolated_transfer", account=account, instrument=instrument, amount=amount)


def mode(chosen: str, *, instrument: str, leverage: str | None = None) -> Event:
    fields: dict[str, Any] = {"account": "anna", "instrument": instrument, "leverage": leverage}
    return event("position_mode", mode=chosen, **fields)


PAID = line("anna", "wallet", "-1")
GOT = line("ben", "wallet", "1")

SINGLE = [
    Case(Code.NOT_ISOLATED, into_isolated("LIN"), books=margined_books),
    Case(Code.NO_POSITION, into_isolated("FLAT"), books=margined_books),
    Case(Code.POSITION_OPEN, mode("cross", instrument="ISO"), books=margined_books),
    Case(Code.BUST_TOO_LATE, bust("t3"), T3, books=margined_books),
    Case(
        Code.NO_ASSET_PRICE,
        event("opening_balance", account="anna", asset="ETH", amount="-1"),
    ),
    Case(
        Code.PRICE_OUT_OF_BAND,
        event("funding_rate", instrument="LIN", rate="0.1", mark_price="103.41"),
        books=margined_books,
    ),
    Case(Code.INSUFFICIENT_MARGIN, money(amount="136.01"), books=margined_books),
    Case(
        Code.ISOLATED_WITHOUT_POSITION,
        adjustment(PAID, line("anna", "isolated", "1", instrument="FLAT")),
        books=margined_books,
    ),
    Case(Code.UNKNOWN_ASSET, money(asset="XRP")),
    Case(Code.UNKNOWN_INSTRUMENT, trade(instrument="NIL")),
    Case(Code.INSTRUMENT_EXPIRED, trade(instrument="OLD")),
    Case(Code.UNKNOWN_ACCOUNT, trade(seller="zoe")),
    Case(Code.UNKNOWN_TRADE, bust("t9")),
    Case(Code.UNKNOWN_REQUEST, settled(request_id="w9")),
    Case(Code.SAME_ACCOUNT, trade(seller="anna")),
    Case(Code.SAME_PERSON, adjustment(PAID, GOT, checked_by="maria")),
    Case(Code.IMMUTABLE_FIELD, instrument(multiplier="2")),
    Case(Code.INVALID_LINE, adjustment(line("anna", "fees", "-1"), GOT)),
    Case(Code.TOO_MANY_DECIMALS, trade(price="0.001")),
    Case(Code.INVALID_TIERS, event("risk_tiers", instrument="LIN", tiers=CLOSED_TIERS)),
    Case(Code.ALREADY_BUSTED, bust("t2"), T1),
    Case(Code.REQUEST_EXISTS, request()),
    Case(Code.REQUEST_MISMATCH, settled(amount="9")),
    Case(Code.INSUFFICIENT_BALANCE, money(amount="90.01")),
    Case(Code.UNBALANCED, adjustment(PAID, line("ben", "wallet", "2"))),
    Case(Code.HOLD_MISMATCH, adjustment(PAID, line("anna", "hold", "1"))),
    Case(
        Code.VARIATION_WITHOUT_POSITION,
        adjustment(PAID, line("@liquidation", "variation", "1", instrument="LIN")),
    ),
    Case(
        Code.INSURANCE_NEGATIVE,
        adjustment(line("@house", "insurance", "-51"), line("anna", "wallet", "51")),
    ),
    Case(Code.DEFICIT_POSITIVE, adjustment(PAID, line("@house", "deficit", "1"))),
    Case(Code.OUT_OF_RANGE, money("deposit", amount=HUGE)),
]

WRONG_HOLD = line("anna", "hold", "1")
WRONG_FUND = (line("@house", "insurance", "-51"), line("anna", "wallet", "50"))

PAIRS = [
    Case(
        Code.UNKNOWN_INSTRUMENT,
        trade(instrument="NIL", seller="@liquidation", buyer="@liquidation"),
        beaten=Code.SAME_ACCOUNT,
    ),
    Case(
        Code.NOT_ISOLATED,
        into_isolated("FLAT", account="ben"),
        beaten=Code.NO_POSITION,
        books=margined_books,
    ),
    Case(
        Code.NO_POSITION,
        into_isolated("FLAT", amount="0.001"),
        beaten=Code.TOO_MANY_DECIMALS,
        books=margined_books,
    ),
    Case(
        Code.INSUFFICIENT_BALANCE,
        into_isolated("ISO", amount="-99"),
        beaten=Code.INSUFFICIENT_MARGIN,
        books=margined_books,
    ),
    Case(
        Code.INSUFFICIENT_MARGIN,
        mode("isolated", instrument="ISO", leverage="1"),
        books=margined_books,
    ),
    Case(Code.UNKNOWN_ASSET, money(asset="XRP", account="zoe"), beaten=Code.UNKNOWN_ACCOUNT),
    Case(
        Code.UNKNOWN_ASSET,
        adjustment(line("zoe", "wallet", "-1"), line("ben", "wallet", "1", asset="XRP")),
        beaten=Code.UNKNOWN_ACCOUNT,
    ),
    Case(
        Code.UNKNOWN_ASSET,
        settled(asset="XRP", request_id="w9"),
        beaten=Code.UNKNOWN_REQUEST,
    ),
    Case(
        Code.UNKNOWN_INSTRUMENT, trade(instrument="NIL", buyer="zoe"), beaten=Code.UNKNOWN_ACCOUNT
    ),
    Case(
        Code.UNKNOWN_INSTRUMENT,
        event("risk_tiers", instrument="NIL", tiers=CLOSED_TIERS),
        beaten=Code.INVALID_TIERS,
    ),
    Case(
        Code.INSTRUMENT_EXPIRED, trade(instrument="OLD", buyer="zoe"), beaten=Code.UNKNOWN_ACCOUNT
    ),
    Case(
        Code.INSTRUMENT_EXPIRED,
        instrument(instrument="OLD", multiplier="2"),
        beaten=Code.IMMUTABLE_FIELD,
    ),
    Case(
        Code.INSTRUMENT_EXPIRED,
        event("risk_tiers", instrument="OLD", tiers=CLOSED_TIERS),
        beaten=Code.INVALID_TIERS,
    ),
    Case(
        Code.INSTRUMENT_EXPIRED,
        adjustment(
            line("anna", "position", "1", None, "OLD"),
            line("ben", "position", "-1", None, "OLD"),
            checked_by="maria",
        ),
        beaten=Code.SAME_PERSON,
    ),
    Case(Code.INSTRUMENT_EXPIRED, bust("t0"), T0),
    Case(Code.UNKNOWN_ACCOUNT, trade(buyer="zoe", seller="zoe"), beaten=Code.SAME_ACCOUNT),
    Case(
        Code.UNKNOWN_ACCOUNT,
        adjustment(line("anna", "fees", "-1"), line("zoe", "wallet", "1"), checked_by="maria"),
        beaten=Code.SAME_PERSON,
    ),
    Case(
        Code.UNKNOWN_ACCOUNT,
        settled(account="zoe", request_id="w9"),
        beaten=Code.UNKNOWN_REQUEST,
    ),
    Case(
        Code.UNKNOWN_REQUEST,
        settled(request_id="w9", amount="0.001"),
        beaten=Code.TOO_MANY_DECIMALS,
    ),
    Case(Code.SAME_ACCOUNT, trade(seller="anna", price="0.001"), beaten=Code.TOO_MANY_DECIMALS),
    Case(
        Code.SAME_PERSON,
        adjustment(line("anna", "fees", "-1"), GOT, checked_by="maria"),
        beaten=Code.INVALID_LINE,
    ),
    Case(
        Code.SAME_PERSON,
        adjustment(line("anna", "wallet", "-0.001"), GOT, checked_by="maria"),
        beaten=Code.TOO_MANY_DECIMALS,
    ),
    Case(
        Code.IMMUTABLE_FIELD,
        instrument(multiplier="2", price_band="0.0000000000001"),
        beaten=Code.TOO_MANY_DECIMALS,
    ),
    Case(
        Code.IMMUTABLE_FIELD,
        event("pool", **{**POOL, "scale": 3, "insurance_floor": "0.0001"}),
        beaten=Code.TOO_MANY_DECIMALS,
    ),
    Case(
        Code.INVALID_LINE,
        adjustment(line("ben", "wallet", "0.001"), line("anna", "fees", "-1")),
        beaten=Code.TOO_MANY_DECIMALS,
    ),
    Case(
        Code.TOO_MANY_DECIMALS,
        event("risk_tiers", instrument="LIN", tiers=[*FINE_TIERS, *CLOSED_TIERS]),
        beaten=Code.INVALID_TIERS,
    ),
    Case(
        Code.TOO_MANY_DECIMALS,
        request(amount="10.001"),
        beaten=Code.REQUEST_EXISTS,
    ),
    Case(
        Code.TOO_MANY_DECIMALS,
        adjustment(line("anna", "wallet", "-0.001"), GOT),
        beaten=Code.UNBALANCED,
    ),
    Case(Code.REQUEST_EXISTS, request(amount="1000"), beaten=Code.INSUFFICIENT_BALANCE),
    Case(Code.UNBALANCED, adjustment(PAID, WRONG_HOLD, GOT), beaten=Code.HOLD_MISMATCH),
    Case(Code.HOLD_MISMATCH, adjustment(*WRONG_FUND, WRONG_HOLD), beaten=Code.INSURANCE_NEGATIVE),
    Case(
        Code.VARIATION_WITHOUT_POSITION,
        adjustment(*WRONG_FUND, line("@liquidation", "variation", "1", instrument="LIN")),
        beaten=Code.INSURANCE_NEGATIVE,
    ),
    Case(
        Code.INSURANCE_NEGATIVE,
        adjustment(line("@house", "deficit", "51"), line("@house", "insurance", "-51")),
        beaten=Code.DEFICIT_POSITIVE,
    ),
    Case(Code.OUT_OF_RANGE, money(amount=HUGE), beaten=Code.INSUFFICIENT_BALANCE),
    Case(
        Code.TOO_MANY_DECIMALS,
        trade(price=HUGE, quantity="0.1"),
        beaten=Code.OUT_OF_RANGE,
    ),
]


def name(case: Case) -> str:
    return f"{case.code} {case.event.kind}" + (f" beats {case.beaten}" if case.beaten else "")


@pytest.mark.parametrize("case", [*SINGLE, *PAIRS], ids=name)
def test_it_is_refused_with_this_code_and_leaves_no_trace(case: Case) -> None:
    state = case.books()
    before = encode_state(state)
    outcome = decide(state, case.event, case.original)
    assert isinstance(outcome, Rejection)
    assert outcome.code == case.code
    assert outcome.detail
    assert encode_state(state) == before
    assert broken(state) == []


@pytest.mark.parametrize("case", PAIRS, ids=name)
def test_what_beats_another_code_stands_before_it(case: Case) -> None:
    order = list(Code)
    assert case.beaten is None or order.index(case.code) < order.index(case.beaten)


def test_each_code_of_the_rules_has_a_case() -> None:
    codes = list(Code)
    of_rules = set(codes[codes.index(Code.QUARANTINED) + 1 :])
    assert {case.code for case in SINGLE} == of_rules


@pytest.mark.parametrize("kind", ["deposit", "trade", "adjustment"])
def test_a_pool_without_terms_takes_nothing_but_its_terms(kind: str) -> None:
    state = State("main")
    before = encode_state(state)
    happened = {"deposit": money("deposit"), "trade": trade(), "adjustment": adjustment(PAID, GOT)}
    outcome = decide(state, happened[kind])
    assert isinstance(outcome, Rejection)
    assert outcome.code == Code.UNKNOWN_POOL
    assert encode_state(state) == before


def test_a_bust_of_something_else_than_a_trade_is_refused() -> None:
    outcome = decide(busy_books(), bust("e1"), money("deposit"))
    assert isinstance(outcome, Rejection)
    assert outcome.code == Code.UNKNOWN_TRADE


def test_transient_codes_are_those_that_time_can_heal() -> None:
    lasting = {code for code in Code if not code.is_transient}
    assert Code.UNKNOWN_ACCOUNT not in lasting
    assert Code.INSUFFICIENT_BALANCE not in lasting
    assert Code.TOO_MANY_DECIMALS in lasting
    assert Code.MALFORMED_JSON in lasting
    assert Code.ALREADY_BUSTED in lasting
