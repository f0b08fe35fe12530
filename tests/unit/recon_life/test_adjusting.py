"""A correction is an adjustment that the ledger reads, its checker added by approving alone."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from ledger.codec.decoding import Decoded, decode
from ledger.core import events
from ledger.errors import ConfigurationError
from ledger.recon.casework.adjusting import (
    Broken,
    Line,
    drafted,
    line_of,
    message,
    require_name,
    suggested,
)

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


def broken(account: str = "anna", ours: str | None = "7", theirs: str | None = "12") -> Broken:
    here, there = (None if one is None else Decimal(one) for one in (ours, theirs))
    return Broken(
        *("0123456789abcdef", "amount", "main", "d1", account, "USD", here, there, ["d1"], AT)
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "amount"), [("7", "12", 5), (None, "12", 12), ("7", None, -7)]
)
def test_the_suggestion_makes_our_side_theirs_against_suspense(
    ours: str | None, theirs: str | None, amount: int
) -> None:
    assert suggested(broken("anna", ours, theirs)) == (
        Line("anna", "wallet", None, "USD", Decimal(amount)),
        Line("@house", "suspense", None, "USD", Decimal(-amount)),
    )


def test_what_custody_holds_is_a_debit_so_its_line_is_turned_round() -> None:
    lines = suggested(broken("@custody", "7", "12"), "@house fees")
    assert [str(line) for line in lines] == ["@house custody USD -5", "@house fees USD +5"]


@pytest.mark.parametrize(
    ("account", "ours", "theirs", "why"),
    [
        ("", "7", "12", "lies on no account"),
        ("anna", "7", "7.0", "nothing to adjust"),
        ("@house", "7", "12", "lies on @house: write the lines"),
    ],
)
def test_where_nothing_can_be_suggested_the_lines_are_asked_for(
    account: str, ours: str, theirs: str, why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why):
        suggested(broken(account, ours, theirs))


@pytest.mark.parametrize(
    ("kind", "subject", "references", "is_suggested"),
    [
        ("missing_here", "B-3 of 2026-01-05", [], True),
        ("missing_there", "d1", ["d1"], True),
        ("wrong_account", "d1", ["d1"], True),
        ("amount", "anna/USD", [], True),
        ("amount", "statement 7 of 2026-01-05, anna", [], False),
        ("amount", "closing anna/USD", [], False),
        ("missing_there", "statements 5 before 6, anna", [], False),
        ("duplicate", "B-3 of 2026-01-05", [], False),
        ("duplicate", "d1", ["d1"], False),
        ("opening", "statement 7 of 2026-01-05, anna", [], False),
        ("unpaired", "t1", [], False),
    ],
)
def test_only_what_our_books_lack_or_have_otherwise_is_made_theirs(
    kind: str,
    subject: str,
    references: list[str],
    is_suggested: bool,  # noqa: FBT001 - a fact of the row
) -> None:
    found = broken()._replace(type=kind, subject=subject, our_references=references)
    if is_suggested:
        assert suggested(found)[0].amount == 5
        return
    with pytest.raises(ConfigurationError, match=f"{kind} of .* does not say that our books"):
        suggested(found)


def test_amounts_of_many_digits_keep_them_all() -> None:
    long = "-12345678901234.123456789012345678"
    first, second = suggested(broken("anna", None, long))
    assert (f"{first.amount:f}", f"{second.amount:f}") == (long, long[1:])
    wrong = second._replace(amount=Decimal(f"{long[1:-1]}9"))
    _, draft = drafted(broken(), [first, second], 3, "maria", "by hand", AT)
    assert [line["amount"] for line in json.loads(draft)["lines"]] == [long, long[1:]]
    with pytest.raises(ConfigurationError, match=r"sum to 0\.000000000000000001, expected 0"):
        drafted(broken(), [first, wrong], 3, "maria", "by hand", AT)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("anna wallet USD -5.25", Line("anna", "wallet", None, "USD", Decimal("-5.25"))),
        ("anna position LIN +3", Line("anna", "position", "LIN", None, Decimal(3))),
        ("anna variation LIN/USD 500", Line("anna", "variation", "LIN", "USD", Decimal(500))),
    ],
)
def test_a_line_is_read_as_it_is_written(text: str, line: Line) -> None:
    assert line_of(text) == line
    assert line_of(str(line)) == line


@pytest.mark.parametrize(
    "text", ["", "anna wallet USD", "anna wallet USD five", "anna wallet LIN/USD 5", "a b c d e"]
)
def test_a_line_of_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--line"):
        line_of(text)


def test_a_correction_approved_is_an_event_that_the_ledger_reads() -> None:
    lines = suggested(broken())
    event_id, draft = drafted(broken(), lines, 3, "maria", "the bank was right", AT)
    assert event_id == "adj-0123456789abcdef-3"
    assert "checked_by" not in json.loads(draft)
    wire = message(draft, "noor")
    assert wire == message(draft, "noor")
    assert "\n" not in wire
    decoded = decode(wire.encode())
    assert isinstance(decoded, Decoded)
    event = decoded.event
    assert (event.event_id, event.pool) == (event_id, "main")
    assert isinstance(event.fact, events.Adjustment)
    assert (event.fact.made_by, event.fact.checked_by) == ("maria", "noor")
    assert [line.owner for line in event.fact.lines] == ["anna", "@house"]


def test_the_moment_of_a_correction_is_written_in_utc() -> None:
    east = AT.astimezone(timezone(timedelta(hours=9)))
    _, draft = drafted(broken(), suggested(broken()), 1, "maria", "so", east)
    assert json.loads(draft)["occurred_at"] == "2026-01-05T12:00:00Z"


def test_lines_that_do_not_balance_are_refused_before_anybody_is_asked_to_check_them() -> None:
    lines = [line_of("anna wallet USD 5"), line_of("@house fees USD -4.99")]
    with pytest.raises(ConfigurationError, match=r"in USD sum to 0\.01, expected 0"):
        drafted(broken(), lines, 1, "maria", "so", AT)


def test_what_the_ledger_could_not_read_is_refused_at_once() -> None:
    lines = [line_of("anna gold USD 5"), line_of("@house fees USD -5")]
    with pytest.raises(ConfigurationError, match=r"could not read that: .*kind"):
        drafted(broken(), lines, 1, "maria", "so", AT)


def test_a_name_that_no_event_could_carry_is_refused() -> None:
    assert require_name("maria") == "maria"
    for name in ("", "maria lopez", "x" * 65):
        with pytest.raises(ConfigurationError, match="--by"):
            require_name(name)
