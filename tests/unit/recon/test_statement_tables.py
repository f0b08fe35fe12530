"""Statements and holdings of tables: examples, ways to tell a balance, and what is refused."""

import json
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ledger.errors import ConfigurationError, ImportFailed
from ledger.recon.formats import (
    FORMATS,
    SourceMapping,
    read_holdings,
    read_statements,
    read_trades,
)
from ledger.recon.lines import Holding, Statement
from ledger.recon.movements.arithmetic import check

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "reconciliation"
REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "reconciliation-formats.md"


def example_mapping() -> SourceMapping:
    table = tomllib.loads((EXAMPLES / "custodian.toml").read_text(encoding="utf-8"))
    return SourceMapping.of(table, "custodian.toml", "custodian")


def of_text(folder: Path, text: str, **keys: Any) -> list[Statement]:  # noqa: ANN401 - of a mapping
    path = folder / "statement.csv"
    path.write_text(text, encoding="utf-8")
    return list(read_statements("statements-csv", path, SourceMapping(**keys)))


def refusal(folder: Path, text: str, **keys: Any) -> str:  # noqa: ANN401 - as above
    with pytest.raises(ImportFailed) as caught:
        of_text(folder, text, **keys)
    return str(caught.value)


def test_the_example_of_a_custodian_is_one_statement_whose_sums_hold() -> None:
    (found,) = read_statements("statements-csv", EXAMPLES / "custodian.csv", example_mapping())
    assert (found.source, found.number, found.account) == ("custodian", "41", "@custody")
    assert (found.opening, found.closing) == (Decimal("1000.00"), Decimal("1244.25"))
    assert [(each.line, each.reference, each.ours, each.amount) for each in found.movements] == [
        (3, "BK-7001", "deposit-anna-1", Decimal("500.00")),
        (4, "BK-7002", "withdrawal-ben-1", Decimal("-200.00")),
        (5, "BK-7003", "withdrawal-cleo-1", Decimal("-55.75")),
    ]
    assert found.begins == datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
    assert found.ends == datetime(2026, 3, 2, 22, 59, 59, 999999, tzinfo=UTC)
    assert check([found], "main", lambda *_: "high").breaks == []


def test_a_running_balance_tells_opening_and_closing(tmp_path: Path) -> None:
    text = "account,commodity,amount,balance\na,USD,5,105\na,USD,-2.50,102.50\n"
    (found,) = of_text(tmp_path, text)
    assert (found.opening, found.closing) == (Decimal(100), Decimal("102.50"))


def test_a_running_balance_from_the_newest_on_is_read_backwards(tmp_path: Path) -> None:
    text = "account,commodity,amount,balance\na,USD,-2.50,102.50\na,USD,5,105\n"
    (found,) = of_text(tmp_path, text, order="newest_first")
    assert (found.opening, found.closing) == (Decimal(100), Decimal("102.50"))


def test_a_side_and_the_banks_own_sign_are_turned_to_the_holders(tmp_path: Path) -> None:
    sides = "account,commodity,amount,side\na,USD,5,C\na,USD,2,D\n"
    (found,) = of_text(tmp_path, sides)
    assert [each.amount for each in found.movements] == [Decimal(5), Decimal(-2)]
    signed = "account,commodity,amount,opening,closing\na,USD,-5,-100,-105\n"
    (found,) = of_text(tmp_path, signed, sign="reversed")
    assert (found.opening, found.movements[0].amount, found.closing) == (
        Decimal(100),
        Decimal(5),
        Decimal(105),
    )


def test_rows_are_grouped_by_number_account_and_commodity(tmp_path: Path) -> None:
    text = (
        "number,account,commodity,amount\n1,a,USD,5\n2,a,USD,6\n1,b,USD,7\n1,a,EUR,8\n1,a,USD,9\n"
    )
    found = of_text(tmp_path, text)
    assert [(each.number, each.account, each.commodity) for each in found] == [
        ("1", "a", "USD"),
        ("2", "a", "USD"),
        ("1", "b", "USD"),
        ("1", "a", "EUR"),
    ]
    assert [each.amount for each in found[0].movements] == [Decimal(5), Decimal(9)]


def test_an_account_without_movement_is_a_statement_of_its_balances(tmp_path: Path) -> None:
    text = "kind,account,commodity,amount\nopening,a,USD,5\nclosing,a,USD,5\n"
    (found,) = of_text(tmp_path, text)
    assert (found.opening, found.closing, list(found.movements)) == (Decimal(5), Decimal(5), [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("credit,debit\n5,2\n", "line 2: amount None, credit 5 and debit 2; expected an amount"),
        ("credit,debit\n-5,\n", "credit -5 and debit None; expected"),
        ("credit,debit\n,\n", "credit None and debit None; expected"),
        ("amount,side\n-5,C\n", "line 2: amount -5 beside a side, expected no sign"),
        ("amount,side\n5,X\n", "column side is 'X', expected one of buy"),
        ("amount,kind\n5,fee\n", "column kind is 'fee', expected one of movement"),
        ("amount,opening\n5,1\n5,2\n", "line 3: opening 2, expected 1 as above"),
    ],
)
def test_what_may_mean_two_things_is_refused(text: str, says: str, tmp_path: Path) -> None:
    header, *rows = text.splitlines()
    whole = "\n".join(["account,commodity," + header, *("a,USD," + row for row in rows), ""])
    assert says in refusal(tmp_path, whole)


def test_the_example_of_holdings_reads_the_same_from_three_kinds_of_file(tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    expected = [
        Holding(2, at, "anna", "BTC-PERP", Decimal("0.20"), Decimal("65000.25")),
        Holding(3, at, "ben", "BTC-PERP", Decimal("-0.30"), Decimal("65000.5")),
        Holding(4, at, "anna", "USD", Decimal("498.05")),
    ]
    assert list(read_holdings("holdings-csv", EXAMPLES / "holdings.csv")) == expected
    rows = [
        {
            name: None if value is None else str(value)
            for name, value in each._asdict().items()
            if name != "line"
        }
        for each in expected
    ]
    lines = tmp_path / "holdings.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    numbered = [each._replace(line=each.line - 1) for each in expected]
    assert list(read_holdings("holdings-jsonl", lines)) == numbered
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "holdings.parquet")
    assert list(read_holdings("holdings-parquet", tmp_path / "holdings.parquet")) == numbered


def test_a_short_position_may_be_told_by_its_side(tmp_path: Path) -> None:
    path = tmp_path / "holdings.csv"
    path.write_text("account,commodity,amount,side\nben,BTC-PERP,0.30,short\n", encoding="utf-8")
    assert [each.amount for each in read_holdings("holdings-csv", path)] == [Decimal("-0.30")]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"colums": {}}, "rules: no key 'colums' of a mapping; expected some of source, columns"),
        ({"columns": {"prise": "x"}}, "columns: no field prise; expected some of account"),
        ({"columns": {"at": "x"}, "constants": {"at": "y"}}, "at: a column and a constant"),
        ({"decimal_mark": ";"}, "decimal_mark: ';', expected one of"),
        ({"decimal_mark": ",", "thousands_mark": ","}, "which is the decimal mark as well"),
        ({"time": "epoch"}, "time: 'epoch', expected iso"),
        ({"zone": "Mars/Olympus"}, "zone: no time zone 'Mars/Olympus'"),
        ({"encoding": "utf-99"}, "encoding: no text encoding 'utf-99'"),
        ({"plus": ["x"], "minus": ["x"]}, "plus and minus: both have x"),
        ({"plus": "x"}, "plus: 'x', expected a list of texts"),
        ({"kinds": {"Fee": "fee"}}, "kinds.Fee: 'fee', expected one of"),
        ({"skip_lines": "1"}, "skip_lines: '1', expected a whole number"),
        ({"accounts": []}, "accounts: [], expected a table"),
        ({"delimiter": ";;"}, "one character"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(table: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SourceMapping.of(table, "rules")
    assert says in str(caught.value)


def test_the_reference_names_every_format_and_every_key_of_a_mapping() -> None:
    page = REFERENCE.read_text(encoding="utf-8")
    keys = [name for name in SourceMapping.__dataclass_fields__ if name != "source"]
    assert not [name for name in [*FORMATS, *keys] if f"`{name}`" not in page]


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud800"])
def test_characters_that_no_database_keeps_are_shown_as_replaced(odd: str, tmp_path: Path) -> None:
    row = (
        f'{{"account":"a{odd}","commodity":"EUR","amount":"5","reference":"r{odd}","text":"{odd}"}}'
    )
    path = tmp_path / "rows.jsonl"
    path.write_text(row + "\n", encoding="utf-8")
    (found,) = read_statements("statements-jsonl", path)
    (movement,) = found.movements
    assert (found.account, movement.reference, movement.text) == ("a\ufffd", "r\ufffd", "\ufffd")
    row = f'{{"trade_id":"1{odd}","instrument":"B","price":"1","quantity":"1","buyer":"b{odd}"}}'
    path.write_text(row + "\n", encoding="utf-8")
    (trade,) = read_trades("trades-jsonl", path)
    assert (trade.trade_id, trade.buyer, trade.seller) == ("1\ufffd", "b\ufffd", None)
    row = f'{{"account":"a{odd}","commodity":"B","amount":"1"}}'
    path.write_text(row + "\n", encoding="utf-8")
    assert [each.account for each in read_holdings("holdings-jsonl", path)] == ["a\ufffd"]
