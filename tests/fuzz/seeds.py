"""What fuzzing begins with: the worked examples, a message of every kind, venue files, nasty bytes.

`python -m tests.fuzz.seeds FOLDER` writes them, a folder a claim, a file a seed.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from tests.fuzz.claims import EXAMPLES
from tests.unit.codec.messages import MESSAGES, text

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**63, 10**400, "", "0", "-0", "-1", "1e5", "0.0000000000000000001"),
    *("9" * 36, "9" * 60, "9" * 61, "\u0000", "\u202e", "\ufeff", "\u0661", "@liquidation"),
    *("@house", "@unrouted/0", "a" * 64, "a" * 65, "anna", "ben", "USD", "USDT", "BTC-PERP", "LIN"),
    *("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    *([], {}, [[]], [None] * 3, {"": ""}),
)
"""Values put in the place of others: at bounds, over bounds, of other types."""

ODD_BYTES: tuple[bytes, ...] = (
    *(b"", b" ", b"null", b"[]", b"{}", b'"x"', b"0", b"NaN", b"\x00", b"\xff", b"{", b"}"),
    *(b"[" * 5_000, b'{"a":' * 5_000, b"9" * 5_000, b"1e" + b"9" * 50, b'{"kind":"\\ud800"}'),
    b"\xef\xbb\xbf" + text(MESSAGES["deposit"]),
    text(MESSAGES["deposit"]).decode().encode("utf-16"),
    text(MESSAGES["deposit"]).replace(b'"USD"', b'"USD","asset":"EUR"'),
    text(MESSAGES["deposit"]).replace(b'"USD"', b'"\\u0000"'),
    text(MESSAGES["deposit"]).replace(b'"1.5"', b"1.5e9999"),
    text(MESSAGES["account"], tags=["a"] * 101),
    text(MESSAGES["adjustment"], lines=[{}] * 1001),
)

_TRADES = (
    "time_ms,coin,is_spot,tid,px,sz,buyer,seller,liquidated_user,buyer_start_position,"
    "buyer_closed_pnl,buyer_fee,buyer_fee_token,seller_start_position,seller_closed_pnl,"
    "seller_fee,seller_fee_token\n"
    "1761584399797,BTC,0,1,114000.0,0.5,0xa,0xb,,1.0,0.0,0.1,USDC,-2.0,10.5,-0.01,USDC\n"
    "1761584399798,BTC,0,2,114001.5,0.25,0xb,0xa,0xa,-1.5,3.25,0.1,USDC,1.5,0.0,0.2,HYPE\n"
)
_HISTORY = (
    "seq,account,coin,is_spot,time_utc_minute,px,sz,side,start_position,closed_pnl,fee\n"
    "1,0xa,ETH,0,2024-12-02T17:20Z,3600.1,2,B,0.0,0.0,0.5\n"
    "2,0xa,ETH,0,2024-12-02T17:21Z,3601.1,1,A,2.0,1.0,0.5\n"
    "3,0xa,ETH,0,2024-12-02T17:25Z,3601.1,1,A,5.0,1.0,0.5\n"
)
_FILL = {
    "coin": "SOL",
    "px": "150.25",
    "sz": "3.1",
    "side": "B",
    "time": 1733160000000,
    "startPosition": "-3.1",
    "closedPnl": "2.0",
    "tid": 7,
    "fee": "0.1",
    "feeToken": "USDC",
}
_BLOCK = {"events": [["0xa", _FILL], ["0xb", {**_FILL, "side": "A", "startPosition": "0.0"}]]}
_TAPE = "trade_ms,symbol,trade_id,price,qty\n"
FILES: dict[str, tuple[str, ...]] = {
    "hyperliquid": (_TRADES, _HISTORY, json.dumps(_FILL) + "\n", json.dumps(_BLOCK) + "\n"),
    "binance": (
        _TAPE + "1700000000000,BTCUSDT,10,37000.1,0.5\n1700000000001,BTCUSDT,12,37000.2,0.1\n",
        _TAPE + "1700000000000,ETHUSD_PERP,10,2000.15,5\n",
    ),
    "bitmex": (
        "timestamp,symbol,size,price,trade_id\n2019-05-03T12:00:09.576Z,XBTUSD,18,5700,e9836e7b\n",
    ),
}
"""A small file of every format that an importer reads."""


def seeds() -> dict[str, list[bytes]]:
    """The seeds of every claim (`tests.fuzz.claims.claims`)."""
    examples = [
        line for path in sorted(EXAMPLES.glob("*.jsonl")) for line in path.read_bytes().split(b"\n")
    ]
    messages = [*examples, *map(text, MESSAGES.values()), *ODD_BYTES]
    files = {source: [file.encode() for file in kept] for source, kept in FILES.items()}
    return {"message": messages, "event": messages, **files}


def write(folder: Path) -> int:
    """Write the seeds under their hashes; returns how many."""
    count = 0
    for name, contents in seeds().items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for content in contents:
            (folder / name / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
            count += 1
    return count


if __name__ == "__main__":
    print(write(Path(sys.argv[1])), "seeds")  # noqa: T201 - a program
