"""Trades of CSV, JSON lines and Parquet: what a mapping says is what comes out, exactly."""

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ledger.errors import ConfigurationError, ImportFailed
from ledger.recon.formats import SourceMapping, read, read_holdings, read_trades
from ledger.recon.lines import Trade

OURS = "trade_id,at,instrument,price,quantity,buyer,seller,buyer_fee,seller_fee\n"
ROW = "7,2026-03-01T09:30:00.123456Z,BTC-PERP,65000.5,0.30,anna,ben,1.95,-0.39\n"
TRADE = Trade(
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


def written(folder: Path, text: str, name: str = "trades.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def trades(path: Path, format_name: str = "trades-csv", **keys: Any) -> list[Trade]:  # noqa: ANN401 - of a mapping
    return list(read_trades(format_name, path, SourceMapping(**keys)))


def refusal(path: Path, format_name: str = "trades-csv", **keys: Any) -> str:  # noqa: ANN401 - as above
    with pytest.raises(ImportFailed) as caught:
        trades(path, format_name, **keys)
    return str(caught.value)


def test_a_file_with_our_names_needs_no_mapping(tmp_path: Path) -> None:
    assert trades(written(tmp_path, OURS + ROW)) == [TRADE]


def test_a_file_without_ids_is_read_where_the_mapping_says_that_it_has_none(
    tmp_path: Path,
) -> None:
    without = (OURS + ROW).replace("trade_id,", "").replace("7,2026", "2026")
    assert "no column trade_id" in refusal(written(tmp_path, without))
    blank = TRADE._replace(trade_id="")
    assert trades(written(tmp_path, without), constants={"trade_id": ""}) == [blank]
    plain = {"instrument": "B", "price": "1", "quantity": "2"}
    row = written(tmp_path, json.dumps(plain) + "\n", "trades.jsonl")
    assert "trade_id" in refusal(row, "trades-jsonl")
    (found,) = trades(row, "trades-jsonl", constants={"trade_id": ""})
    assert found.trade_id == ""
    assert "price" in refusal(row, "trades-jsonl", constants={"trade_id": "", "price": ""})


def test_a_packed_file_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv.gz"
    path.write_bytes(gzip.compress((OURS + ROW).encode()))
    assert trades(path) == [TRADE]


def test_a_mapping_names_columns_marks_zone_and_translations(tmp_path: Path) -> None:
    text = (
        "Venue export\n"
        "Nr;Zeit;Symbol;Kurs;Menge;Kaeufer;Verkaeufer;Gebuehr K\n"
        "7;01.07.2026 11:30:00;XBT;65.000,50;0,30;K-1;K-2;-1,95\n"
    )
    columns = {
        "trade_id": "Nr",
        "at": "Zeit",
        "instrument": "Symbol",
        "price": "Kurs",
        "quantity": "Menge",
        "buyer": "Kaeufer",
        "seller": "Verkaeufer",
        "buyer_fee": "Gebuehr K",
    }
    read_as = trades(
        written(tmp_path, text),
        columns=columns,
        delimiter=";",
        skip_lines=1,
        decimal_mark=",",
        thousands_mark=".",
        time="%d.%m.%Y %H:%M:%S",
        zone="Europe/Zurich",
        fees="paid_negative",
        accounts={"K-1": "anna", "K-2": "ben"},
        commodities={"XBT": "BTC-PERP"},
    )
    assert read_as == [
        TRADE._replace(
            line=3,
            at=datetime(2026, 7, 1, 9, 30, tzinfo=UTC),
            seller_fee=None,
        )
    ]


def test_a_row_of_one_side_leaves_the_other_open(tmp_path: Path) -> None:
    text = (
        "trade_id,instrument,price,quantity,account,side,fee\n"
        "7,BTC-PERP,65000.5,0.30,ben,sell,-0.39\n"
    )
    (trade,) = trades(written(tmp_path, text))
    assert (trade.buyer, trade.seller) == (None, "ben")
    assert (trade.buyer_fee, trade.seller_fee) == (None, Decimal("-0.39"))


def test_json_lines_say_the_same_with_numbers_left_exact(tmp_path: Path) -> None:
    row = '{"fill": {"id": 7, "px": 65000.5}, "t": 1772357400123456, "sz": "0.30", "i": "BTC-PERP"}'
    columns = {
        "trade_id": "fill.id",
        "price": "fill.px",
        "at": "t",
        "quantity": "sz",
        "instrument": "i",
    }
    path = written(tmp_path, f"\n{row}\n", "trades.jsonl")
    assert trades(path, "trades-jsonl", columns=columns, time="epoch_us") == [
        TRADE._replace(buyer=None, seller=None, buyer_fee=None, seller_fee=None)
    ]


def test_parquet_says_the_same_with_decimals_and_times(tmp_path: Path) -> None:
    path = tmp_path / "trades.parquet"
    table = pa.table(
        {
            "trade_id": pa.array([7], pa.int64()),
            "at": pa.array([TRADE.at], pa.timestamp("ns", tz="UTC")),
            "instrument": pa.array(["BTC-PERP"]).dictionary_encode(),
            "price": pa.array([TRADE.price], pa.decimal128(38, 8)),
            "quantity": pa.array(["0.30"]),
            "buyer": ["anna"],
            "seller": ["ben"],
            "buyer_fee": pa.array([TRADE.buyer_fee], pa.decimal128(20, 2)),
            "seller_fee": pa.array([TRADE.seller_fee], pa.decimal128(20, 2)),
        }
    )
    parquet.write_table(table, path)
    assert trades(path, "trades-parquet") == [TRADE._replace(line=1)]


def test_a_parquet_column_of_doubles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trades.parquet"
    row = {"trade_id": ["7"], "instrument": ["B"], "price": [65000.5], "quantity": ["1"]}
    parquet.write_table(pa.table(row), path)
    assert "column price has the type double" in refusal(path, "trades-parquet")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("7,2026-03-01,B,1e,2,,,,\n", "column price is '1e', expected a decimal number"),
        ("7,2026-03-01,B,nan,2,,,,\n", "column price is 'nan'"),
        ("7,2026-03-01,B,1,0,,,,\n", "column quantity is '0', expected a number above zero"),
        ("7,yesterday,B,1,2,,,,\n", "column at is 'yesterday', expected an ISO 8601 time"),
        (",2026-03-01,B,1,2,,,,\n", "column trade_id is missing or empty"),
        ("7,2026-03-01,B,1,2,,,\n", "8 fields, expected 9 as in the header"),
    ],
)
def test_a_row_that_does_not_read_is_named_with_its_line(
    row: str, says: str, tmp_path: Path
) -> None:
    message = refusal(written(tmp_path, OURS + ROW + "\n" + row))
    assert "trades.csv, line 4: " in message
    assert says in message


def test_a_missing_column_is_named_with_those_found(tmp_path: Path) -> None:
    path = written(tmp_path, OURS + ROW)
    assert "line 1: no column Kurs (price); found trade_id, at" in refusal(
        path, columns={"price": "Kurs"}
    )


def test_a_number_as_text_in_json_that_is_a_truth_value_is_refused(tmp_path: Path) -> None:
    row = {"trade_id": 7, "instrument": "B", "price": True, "quantity": "1"}
    path = written(tmp_path, json.dumps(row), "trades.jsonl")
    assert "column price is True" in refusal(path, "trades-jsonl")


def test_a_row_with_account_and_no_side_is_refused(tmp_path: Path) -> None:
    text = "trade_id,instrument,price,quantity,account\n7,B,1,2,ben\n"
    assert "line 2: account ben and side None" in refusal(written(tmp_path, text))


def test_an_unknown_format_or_one_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, OURS)
    with pytest.raises(ConfigurationError, match="no format 'trades-xls'; there are trades-csv"):
        read("trades-xls", path)
    with pytest.raises(ConfigurationError, match="has trades, expected one of holdings"):
        read_holdings("trades-csv", path)
    with pytest.raises(ImportFailed, match="no such file"):
        read("trades-csv", tmp_path / "nowhere")
