"""A checkpoint's bytes and words: there and back, and words that lie are refused."""

import json

import pytest

from ledger.codec.checkpoints import (
    FIRST,
    AssetSum,
    Checkpoint,
    MalformedCheckpoint,
    checkpoint_line,
    decode_checkpoint,
    encode_checkpoint,
    read_line,
)

CHECKPOINT = Checkpoint(
    "main",
    7,
    b"c" * 32,
    b"r" * 32,
    b"h" * 32,
    1_767_225_600_000_000,
    2,
    (AssetSum("BTC", 5, -5), AssetSum("USDT", 123_456, -(10**30))),
    FIRST,
    b"k" * 32,
)
SCALES = {"BTC": 8, "USDT": 2}
BODY = encode_checkpoint(CHECKPOINT)
LINE = checkpoint_line(BODY, b"s" * 64, SCALES)


def test_the_bytes_are_the_ones_of_the_specification() -> None:
    expected = (
        "01" + "00000004" + b"main".hex() + "0000000000000007"
        + "63" * 32 + "72" * 32 + "68" * 32
        + "01" + f"{1_767_225_600_000_000:016x}" + "0002"
        + "00000002"
        + "00000003" + b"BTC".hex() + f"{5:032x}" + f"{2**128 - 5:032x}"
        + "00000004" + b"USDT".hex() + f"{123456:032x}" + f"{2**128 - 10**30:032x}"
        + "00" * 32 + "6b" * 32
    )  # fmt: skip
    assert BODY.hex() == expected


@pytest.mark.parametrize(
    "checkpoint", [CHECKPOINT, CHECKPOINT._replace(pool_time=None, sums=(), pool="@unrouted/3")]
)
def test_bytes_decode_to_what_they_came_from(checkpoint: Checkpoint) -> None:
    assert decode_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


@pytest.mark.parametrize("body", [b"", b"\x02" + BODY[1:], BODY[:-1], BODY + b"\0", b"\xff" * 300])
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedCheckpoint):
        decode_checkpoint(body)


def test_a_line_shows_natural_units_and_reads_back() -> None:
    told = json.loads(LINE)
    assert told["pool_time"] == "2026-01-01T00:00:00.000000Z"
    assert told["sums"][0] == {
        "asset": "BTC",
        "participants": "0.00000005",
        "custody": "-0.00000005",
    }
    assert told["sums"][1]["participants"] == "1234.56"
    assert read_line(LINE) == (BODY, b"s" * 64)


@pytest.mark.parametrize("name", [name for name in json.loads(LINE) if name != "signature"])
def test_words_that_differ_from_the_bytes_are_refused(name: str) -> None:
    told = json.loads(LINE)
    for other in ("0", None, 8):
        with pytest.raises(MalformedCheckpoint):
            read_line(json.dumps({**told, name: other}))


def test_a_sum_that_lies_is_refused() -> None:
    told = json.loads(LINE)
    told["sums"][1]["participants"] = "1234.57"
    with pytest.raises(MalformedCheckpoint, match="sums"):
        read_line(json.dumps(told))


@pytest.mark.parametrize("line", ["", "[]", "7", "{}", '{"body":"zz"}'])
def test_what_is_no_checkpoint_is_refused(line: str) -> None:
    with pytest.raises(MalformedCheckpoint):
        read_line(line)
