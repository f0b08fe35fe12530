"""Damaged files: whatever stands there, a reader reads on or says which line does not read."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import ImportFailed
from ledger.recon.formats import FORMATS, Line, read

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "reconciliation"
VEGA = (
    '{"id":"1","type":"BUS_EVENT_TYPE_ASSET","asset":{"id":"u","details":{"decimals":"5"}}}\n'
    '{"id":"2","type":"BUS_EVENT_TYPE_LEDGER_MOVEMENTS","ledger_movements":{"ledger_movements":'
    '[{"entries":[{"from_account":{"asset_id":"u","type":"ACCOUNT_TYPE_EXTERNAL"},"to_account":'
    '{"asset_id":"u","type":"ACCOUNT_TYPE_GENERAL","owner":"a"},"amount":"5","type":"T","timestamp"'
    ':"1674004173781135390","from_account_balance":"0","to_account_balance":"5"}]}]}}\n'
)
TRADE = '{"trade_id":1,"at":"2026-03-01T00:00:00Z","instrument":"B","price":"1","quantity":"2"}\n'
WHOLE: dict[str, bytes] = {
    "trades-csv": (EXAMPLES / "trades.csv").read_bytes(),
    "trades-jsonl": TRADE.encode(),
    "holdings-csv": (EXAMPLES / "holdings.csv").read_bytes(),
    "statements-csv": b"number,at,account,commodity,amount,balance\n1,2026-03-01,a,USD,5,6\n",
    "camt053": (EXAMPLES / "bank.camt053.xml").read_bytes(),
    "mt940": (EXAMPLES / "bank.mt940").read_bytes(),
    "fix": (EXAMPLES / "trades.fix").read_bytes(),
    "vega": VEGA.encode(),
}
SNIPPETS = [
    b"",
    b"\x00",
    b"-",
    b",",
    b".",
    b"9" * 70,
    b'"',
    b"<",
    b"\n",
    b"\xff",
    b"NaN",
    b"{",
    b"\xd9\xa3",
]


def outcome(format_name: str, path: Path) -> tuple[list[Line], str | None]:
    """What was read, and the refusal at which the reading ended."""
    lines: list[Line] = []
    try:
        lines.extend(read(format_name, path))
    except ImportFailed as refusal:
        return lines, str(refusal)
    return lines, None


@pytest.mark.parametrize("format_name", WHOLE)
def test_the_undamaged_file_reads(format_name: str, tmp_path: Path) -> None:
    path = tmp_path / "whole"
    path.write_bytes(WHOLE[format_name])
    assert list(read(format_name, path))


@pytest.mark.parametrize("format_name", WHOLE)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(draw=st.data())
def test_a_damaged_file_is_read_or_refused_with_its_name(
    format_name: str, tmp_path: Path, draw: st.DataObject
) -> None:
    damaged = WHOLE[format_name]
    for _ in range(draw.draw(st.integers(1, 3))):
        begin = draw.draw(st.integers(0, len(damaged)))
        end = min(len(damaged), begin + draw.draw(st.integers(0, 12)))
        damaged = damaged[:begin] + draw.draw(st.sampled_from(SNIPPETS)) + damaged[end:]
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    _, refusal = outcome(format_name, path)
    assert refusal is None or str(path) in refusal


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08", b"\xff\xfe\x00", b"[]\n", b"PAR1PAR1"])
def test_what_is_no_file_of_the_format_is_refused_or_empty(
    format_name: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    lines, refusal = outcome(format_name, path)
    assert lines == []
    assert refusal is None or str(path) in refusal
