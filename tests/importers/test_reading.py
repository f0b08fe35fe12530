"""Files that do not read as they should, numbers and times as they must be read."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError, ImportFailed
from ledger.importers import import_events
from ledger.importers.reading import doubled, instant, plain, rounded
from ledger.importers.wire import identifier

TAPE_HEADER = "timestamp,symbol,size,price,trade_id"
TAPE_ROW = "2019-05-03T12:00:09.576Z,XBTUSD,18,5700,e9836e7b"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3135809.3999999999", "3135809.4"),
        ("-3302536.1000000001", "-3302536.1"),
        ("1.00E-05", "0.00001"),
        ("61800.30", "61800.3"),
        ("-0.0", "0"),
        ("1200", "1200"),
    ],
)
def test_numbers_are_read_as_they_were_meant(text: str, meant: str) -> None:
    assert plain(doubled(Decimal(text))) == meant


def test_a_long_number_of_a_tape_keeps_all_its_digits(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv"
    path.write_text(f"{TAPE_HEADER}\n{TAPE_ROW.replace('18', '12345678901234567891')}\n")
    events = list(import_events("bitmex", path))
    assert events[-1]["quantity"] == "12345678901234567891"


def test_rounding_to_a_scale_is_half_even() -> None:
    assert [plain(rounded(Decimal(text), 1)) for text in ("0.25", "0.35", "-0.25")] == [
        "0.2",
        "0.4",
        "-0.2",
    ]


def test_times_go_to_the_microsecond() -> None:
    assert instant(1761584399797563) == "2025-10-27T16:59:59.797563Z"
    assert instant(-1) == "1969-12-31T23:59:59.999999Z"


def test_characters_outside_the_wires_alphabet_become_their_code() -> None:
    assert identifier("PURR/USDC") == "PURR_2fUSDC"
    assert identifier("k:B.o-n_K9") == "k:B.o-n_K9"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "line 1: no column timestamp, symbol, size, price, trade_id; found a, b"),
        ("", "line 1: no column timestamp, .* found nothing"),
        (f"{TAPE_HEADER}\n{TAPE_ROW}\n1,2\n", "line 3: 2 fields, expected 5 as in the header"),
        (f"{TAPE_HEADER}\n{TAPE_ROW.replace('5700', 'abc')}\n", "line 2: field price is 'abc'"),
        (f"{TAPE_HEADER}\n{TAPE_ROW.replace('5700', 'NaN')}\n", "line 2: field price is 'NaN'"),
        (
            f"{TAPE_HEADER}\n{TAPE_ROW.replace('5700', '0')}\n",
            "price is 0, expected more than zero",
        ),
        (f"{TAPE_HEADER}\n{TAPE_ROW.replace('5700', '')}\n", "field price is missing or empty"),
        (f"{TAPE_HEADER}\n{TAPE_ROW.replace('XBT', 'ETH')}\n", "'ETHUSD', expected one of XBTUSD"),
        (f"{TAPE_HEADER}\n{TAPE_ROW.replace('576Z', '576')}\n", "expected UTC"),
        (f"{TAPE_HEADER}\n{TAPE_ROW.replace('2019', 'year')}\n", "expected an ISO 8601 time"),
    ],
)
def test_a_fault_names_line_and_what_was_found(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "tape.csv"
    path.write_text(content)
    with pytest.raises(ImportFailed, match=message) as fault:
        list(import_events("bitmex", path))
    assert str(path) in str(fault.value)


def test_gzip_is_known_by_its_bytes_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(f"{TAPE_HEADER}\n{TAPE_ROW}\n".encode())
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    whole.write_bytes(packed)
    cut.write_bytes(packed[:-12])
    assert import_events("bitmex", whole).report.rows == 0, "nothing is read before it is asked for"
    assert len(list(import_events("bitmex", whole))) == 103
    with pytest.raises(ImportFailed, match=r"cut\.csv: cannot be read"):
        list(import_events("bitmex", cut))


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(TAPE_HEADER.encode() + b"\n\xe9\n")
    with pytest.raises(ImportFailed, match="is not UTF-8 text"):
        list(import_events("bitmex", path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello\n", r"line 1: begins with 'hello'; expected a CSV header with buyer and seller"),
        ('{"a": 1}\n', r"begins with .*; expected a CSV header"),
        ("{broken\n", "line 1: is not JSON"),
        ('{"startPosition": "0"}\n', "line 1: field closedPnl is missing"),
        ('{"events": 3}\n', "line 1: no list of events"),
        ('{"events": [3]}\n', r"line 1: an event of the block is not \[account, fill\]"),
        ('{"events": []}\n[]\n', "line 2: is not a JSON object"),
        ('{"events": []}\n{"events"\n', "line 2: is not JSON"),
    ],
)
def test_hyperliquid_files_of_no_known_shape_are_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "fills"
    path.write_text(content)
    with pytest.raises(ImportFailed, match=message):
        list(import_events("hyperliquid", path))


def test_an_unknown_source_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there are binance, bitmex, hyperliquid"):
        import_events("nyse", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=r"nowhere\.csv: no such file"):
        import_events("bitmex", tmp_path / "nowhere.csv")


def test_an_empty_tape_gives_no_events_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv"
    path.write_text(TAPE_HEADER + "\n")
    run = import_events("bitmex", path)
    assert list(run) == []
    assert run.report.warnings == ["the file has no trades: no events"]
