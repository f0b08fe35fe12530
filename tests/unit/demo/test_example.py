"""The second example file books a default as docs/start.md tells it, from call to deleveraging."""

import json
from pathlib import Path

import pytest

from ledger.codec.records import encode_body
from ledger.demo.chronicle import Chronicle
from ledger.demo.records import Published
from ledger.ports import Message, Source
from ledger.store.log.memory import MemoryLog
from ledger.writer import Writer

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "default.jsonl"

Told = list[tuple[str, str, dict[str, object]]]


@pytest.fixture(scope="module")
def told() -> Told:
    """Kind, subject and body of all records."""
    log = MemoryLog()
    lines = EXAMPLE.read_bytes().splitlines()
    source = Source("file", EXAMPLE.name, EXAMPLE.name)
    taken = Writer(log).take(
        [Message(source, 0, number, number, b"stress", line) for number, line in enumerate(lines)]
    )
    assert taken.applied == len(lines)
    shard = next(each for each in log.shards() if each.name == "stress")
    return [
        (record.kind, record.subject, json.loads(encode_body(record.body)))
        for _, _, record in log.records(shard.shard, 1, shard.next_sequence)
    ]


def of(told: Told, kind: str, *fields: str) -> list[tuple[object, ...]]:
    return [
        (subject, *(body[field] for field in fields))
        for each, subject, body in told
        if each == kind
    ]


def test_ann_is_called_at_1790_and_liquidated_at_1780(told: Told) -> None:
    """Equity 450 against 447.50 of maintenance; then 400 against 445."""
    assert of(told, "margin_call", "account", "equity")[0] == ("C-1", "ann", "450.00")
    takeovers = of(told, "takeover", "account", "penalty", "takeover_value")
    assert takeovers[0] == ("L-1", "ann", "89.00", "8811.00")
    assert of(told, "liquidation_end", "equity")[0] == ("L-1", "311.00")


def test_the_fund_gains_8_40_and_later_pays_15_30(told: Told) -> None:
    movements = of(told, "fund", "cause", "amount", "insurance_after")
    assert [each[1:] for each in movements] == [
        ("insurance_deposit", "100.00", "100.00"),
        ("close_out", "8.40", "108.40"),
        ("close_out", "-15.30", "93.10"),
    ]


def test_bob_is_deleveraged_at_the_cost_of_the_inventory(told: Told) -> None:
    """Two contracts cost 3,524.40; at 1,700 they lose 124.40, the fund has 108.40."""
    parts = of(told, "deleveraged", "account", "quantity", "amount", "realized_pnl")
    assert parts == [("D-1", "bob", "2", "-3524.40", "475.60")]
    assert of(told, "deleveraging", "projected") == [("D-1", "-16.00")]


def test_the_chronicle_of_the_demo_counts_it_alike(told: Told) -> None:
    chronicle = Chronicle()
    for number, (kind, subject, body) in enumerate(told):
        chronicle.note(Published("usdt", number, 1, kind, subject, "e", body))
    counts = chronicle.pools["usdt"].counts
    assert (counts["liquidation"], counts["gain"], counts["draw"]) == (2, 1, 1)
    assert counts["deleveraged"] == 1
