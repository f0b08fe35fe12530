"""The topics, and files of wire events on their way to them."""

import gzip
import json
from pathlib import Path

import pytest
from kafka.partitioner.default import murmur2

from consumers.produce import addressed
from consumers.topics import TOPICS, role_of, roles
from ledger.codec.wire import ROLE_OF_KIND
from ledger.errors import ImportFailed


def test_every_kind_of_the_wire_format_has_its_topic() -> None:
    assert {kind: role_of(kind) for kind in ROLE_OF_KIND} == dict(ROLE_OF_KIND)
    assert sum(len(topic.kinds) for topic in TOPICS) == len(ROLE_OF_KIND)


def test_the_order_of_equal_timestamps_is_reference_transfers_prices_funding_trades() -> None:
    assert list(roles("x")) == ["x.reference", "x.transfers", "x.prices", "x.funding", "x.trades"]
    assert [topic.rank for topic in TOPICS] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("key", "expected"),
    # From the tests of Kafka's Java client: UtilsTest.testMurmur2.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_keys_are_hashed_as_the_java_client_does(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected % 2**32


def test_a_line_goes_to_the_topic_of_its_kind_with_pool_and_time(tmp_path: Path) -> None:
    event = {"kind": "price", "pool": "coin", "occurred_at": "2024-08-08T00:00:00.123999Z"}
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(event).encode() + b"\n\n"))
    (line,) = addressed(path)
    # 2024-08-08T00:00:00Z is 1723075200 s after the epoch.
    assert line[:3] == ("prices", b"coin", 1_723_075_200_123)
    assert line.value == json.dumps(event).encode()


def test_a_line_without_a_pool_goes_to_main(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"kind": "trade", "occurred_at": "1970-01-01T00:00:01Z"}\n')
    assert [(line.key, line.timestamp_ms) for line in addressed(path)] == [(b"main", 1000)]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"kind": "trade"}', '{"kind": "x", "occurred_at": 1}']
)
def test_a_line_that_does_not_say_where_it_belongs_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"kind": "trade", "occurred_at": "1970-01-01T00:00:01Z"}\n' + line + "\n")
    with pytest.raises(ImportFailed, match=r"events\.jsonl, line 2"):
        list(addressed(path))
