"""FIX trade capture reports: the example, what cancels and replaces, and what is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ImportFailed
from ledger.recon.formats import SourceMapping, read_trades
from ledger.recon.lines import Trade

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "reconciliation" / "trades.fix"

Fields = Sequence[tuple[int, str]]
SIDES: Fields = [
    *[(552, "2"), (54, "1"), (1, "anna"), (12, "1.95")],
    *[(54, "2"), (453, "2"), (448, "desk"), (452, "11"), (448, "ben"), (452, "38")],
]


def wire(fields: Fields, separator: str = "\x01") -> str:
    """A message with its length and checksum, as the wire has them."""
    body = "".join(f"{tag}={value}\x01" for tag, value in fields)
    text = f"8=FIX.4.4\x019={len(body.encode())}\x01{body}"
    return f"{text}10={sum(text.encode()) % 256:03d}\x01".replace("\x01", separator)


def report(number: int, *more: tuple[int, str], sides: Fields = SIDES) -> str:
    own = [(35, "AE"), (571, f"R-{number}"), *more]
    if not any(tag == 1003 for tag, _ in more):
        own.append((1003, f"T-{number}"))
    return wire([*own, (55, "BTC-PERP"), (32, "2"), (31, "10.5"), *sides])


def trades(folder: Path, *messages: str, mapping: SourceMapping | None = None) -> list[Trade]:
    path = folder / "trades.fix"
    path.write_text("\n".join(messages) + "\n", encoding="utf-8")
    return list(read_trades("fix", path, mapping))


def refusal(folder: Path, *messages: str) -> str:
    with pytest.raises(ImportFailed) as caught:
        trades(folder, *messages)
    return str(caught.value)


def test_the_example_has_one_trade_that_was_not_cancelled() -> None:
    assert list(read_trades("fix", EXAMPLE)) == [
        Trade(
            2,
            "7",
            datetime(2026, 3, 1, 9, 30, 0, 123456, UTC),
            "BTC-PERP",
            Decimal("65000.5"),
            Decimal("0.30"),
            "anna",
            "ben",
            Decimal("1.95"),
            Decimal("-0.39"),
        )
    ]


@pytest.mark.parametrize("separator", ["\x01", "|", "^A", ";"])
def test_messages_of_the_wire_and_of_logs_say_the_same(separator: str, tmp_path: Path) -> None:
    fields = [(35, "AE"), (571, "R-1"), (55, "B"), (32, "2"), (31, "10.5"), *SIDES]
    (trade,) = trades(tmp_path, "09:30 IN " + wire(fields, separator))
    assert (trade.trade_id, trade.buyer, trade.seller) == ("R-1", "anna", "ben")
    assert (trade.buyer_fee, trade.seller_fee) == (Decimal("1.95"), None)


def test_messages_on_one_line_are_all_read(tmp_path: Path) -> None:
    found = trades(tmp_path, report(1) + report(2) + wire([(35, "0")]), report(3))
    assert [(each.line, each.trade_id) for each in found] == [(1, "T-1"), (1, "T-2"), (2, "T-3")]


def test_a_replacement_stands_in_the_place_of_the_first(tmp_path: Path) -> None:
    first = report(1)
    second = report(2, (1003, "T-1"), (487, "2"))
    third = report(3, (1003, "T-1"), (487, "2"), sides=[(552, "1"), (54, "2"), (1, "cleo")])
    (trade,) = trades(tmp_path, first, second, third)
    assert (trade.line, trade.trade_id, trade.buyer, trade.seller) == (3, "T-1", None, "cleo")


@pytest.mark.parametrize("cancel", [(487, "1"), (856, "6"), (856, "7"), (150, "H")])
def test_a_cancel_takes_out_what_it_refers_to(cancel: tuple[int, str], tmp_path: Path) -> None:
    found = trades(tmp_path, report(1), report(2), report(3, cancel, (572, "R-1")))
    assert [each.trade_id for each in found] == ["T-2"]


def test_a_trade_reported_again_after_its_cancel_stands(tmp_path: Path) -> None:
    again = report(3, (1003, "T-1"))
    found = trades(tmp_path, report(1), report(2, (1003, "T-1"), (487, "1")), again)
    assert [(each.line, each.trade_id) for each in found] == [(3, "T-1")]


def test_a_cancel_of_what_another_file_told_is_told_as_such(tmp_path: Path) -> None:
    (cancel,) = trades(tmp_path, report(1, (487, "1"), (60, "20260302-09:00:00")))
    assert (cancel.trade_id, cancel.instrument, cancel.change) == ("T-1", "BTC-PERP", "cancel")
    assert cancel.at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    by_report = wire([(35, "AE"), (571, "R-9"), (487, "1"), (572, "R-1")])
    assert [each.trade_id for each in trades(tmp_path, by_report)] == ["R-1"]
    (replacing,) = trades(tmp_path, report(1, (487, "2")))
    assert (replacing.trade_id, replacing.change) == ("T-1", "replace")
    assert (replacing.quantity, replacing.buyer) == (Decimal(2), "anna")


def test_a_trade_reported_again_after_a_cancel_of_another_files_replaces_it(tmp_path: Path) -> None:
    found = trades(tmp_path, report(1, (487, "1")), report(2, (1003, "T-1")))
    assert [(each.line, each.trade_id, each.change) for each in found] == [(2, "T-1", "replace")]


def test_a_mapping_translates_accounts_and_instruments(tmp_path: Path) -> None:
    mapping = SourceMapping(
        accounts={"anna": "A-1"}, commodities={"BTC-PERP": "XBT"}, fees="paid_negative"
    )
    (trade,) = trades(tmp_path, report(1), mapping=mapping)
    assert (trade.buyer, trade.instrument, trade.buyer_fee) == ("A-1", "XBT", Decimal("-1.95"))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (report(1).replace("10.5", "10.6"), "CheckSum (10) is"),
        (report(1).replace("10.5", "10.55"), "BodyLength (9) is"),
        (report(1)[:40], "is no whole FIX message"),
        ("hello", "'hello\\n', expected a FIX message"),
        (wire([(35, "8"), (17, "1")]), "MsgType (35) is 8, expected AE"),
        (
            wire([(35, "AE"), (571, "1"), (487, "1"), (55, "B"), (31, "1"), (32, "1"), (54, "1")]),
            "cancels or replaces a trade that is not above in the file, expected its TradeID",
        ),
        (report(1, (487, "7")), "field 487 is 7, expected 0 or a cancel"),
        (report(1, (939, "1")), "TrdRptStatus (939) is 1, expected 0"),
        (report(1, sides=[]), "NoSides (552) is None, found 0 sides"),
        (report(1, sides=[(552, "2"), (54, "1")]), "NoSides (552) is 2, found 1 sides"),
        (report(1, sides=[(54, "1"), (54, "1")]), "sides (54) are 1 and 1, expected 1 and 2"),
        (report(1, sides=[(54, "1"), (12, "1"), (13, "1")]), "CommType (13) is 1, expected 3"),
        (report(1, sides=[(54, "1"), (12, "x")]), "fee (12, 137) is 'x', expected a decimal"),
        (wire([(35, "AE"), (571, "1"), (55, "B"), (31, "1"), (54, "1")]), "field 32 is missing"),
        (report(1, (60, "09:30")), "field 60 is '09:30', expected a time such as 20260301"),
    ],
)
def test_what_is_not_whole_or_no_trade_is_refused(message: str, says: str, tmp_path: Path) -> None:
    found = refusal(tmp_path, report(9), message)
    assert "trades.fix, line 2: " in found
    assert says in found
