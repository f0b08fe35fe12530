"""Our own wire events as a source of trades: ids, busts, other kinds, and what is refused."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ImportFailed
from ledger.recon.formats import SourceMapping, read_trades
from ledger.recon.lines import Trade
from tests.unit.desk import BEGINNING, said


def trades(folder: Path, *lines: bytes, **columns: str) -> list[Trade]:
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return list(read_trades("events", path, SourceMapping(columns=columns)))


def test_trades_have_their_id_or_else_that_of_their_event(tmp_path: Path) -> None:
    first, second = trades(tmp_path, said("trade", "e1", trade_id="7"), said("trade", "e2"))
    assert (first.line, first.trade_id, second.trade_id) == (1, "7", "e2")
    assert first[3:10] == ("LIN", Decimal(100), Decimal(10), "anna", "ben", Decimal(0), Decimal(0))
    assert first.at is not None
    assert first.at.isoformat() == "2026-01-01T00:00:00+00:00"
    (named,) = trades(tmp_path, said("trade", "e1", trade_id="7"), trade_id="event_id")
    assert named.trade_id == "e1"


def test_events_of_other_kinds_say_nothing_of_trades(tmp_path: Path) -> None:
    assert trades(tmp_path, *BEGINNING, said("deposit", "d1")) == []


def test_a_trade_that_is_busted_below_is_not_there(tmp_path: Path) -> None:
    bust = said("trade_bust", "b1", trade_event_id="e1")
    (left,) = trades(tmp_path, said("trade", "e1"), said("trade", "e2"), bust)
    assert left.trade_id == "e2"


def test_a_bust_of_a_trade_of_another_file_is_told_as_such(tmp_path: Path) -> None:
    bust = said("trade_bust", "b1", trade_event_id="e1")
    other, found = trades(tmp_path, bust, bust, said("trade", "e2"))
    assert (other.trade_id, other.change) == ("e2", "")
    assert (found.line, found.trade_id, found.change) == (1, "e1", "bust")
    assert found.at == other.at


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            [b'{"kind": "trade_bust", "event_id": "b"}'],
            "line 1: busts no trade, expected a trade_e",
        ),
        (
            [b'{"kind": "trade_bust", "event_id": "b", "trade_event_id": "e"}'],
            "line 1: column occurred_at is missing",
        ),
        ([b'{"event_id": "e1"}'], "line 1: has no kind"),
        ([b'{"kind": "trade"}'], "line 1: has no event_id"),
        ([b"7"], "line 1: is not a JSON object"),
        ([said("trade", "e1", price="much")], "line 1: column price"),
        ([json.dumps({"kind": "trade", "event_id": "e"}).encode()], "line 1: column instrument"),
    ],
)
def test_what_does_not_read_is_refused_with_its_line(
    tmp_path: Path, lines: list[bytes], words: str
) -> None:
    with pytest.raises(ImportFailed, match=words):
        trades(tmp_path, *lines)
