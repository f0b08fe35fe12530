"""Events and outcomes for the published vectors of canonical bytes: each way that a field may be.

Bytes are hexadecimal; amounts are decimal texts, for they are wider than what many readers of JSON
keep. The figures follow no rules of a clearing house; they only fill the fields.
"""

from hashlib import sha256
from typing import Any

NOTHING: dict[str, Any] = {"commodities": [], "accounts": [], "postings": [], "records": []}


def event(sequence: int, raw: bytes, **fields: object) -> dict[str, Any]:
    """An accepted event of the pool `main`; `fields` say where it differs."""
    moment = 1_767_225_600_000_000 + sequence * 1_000_000
    return {
        "shard": "main",
        "sequence": sequence,
        "cluster": "kafka-1",
        "topic_id": "tZ3k",
        "topic": "clearing.transfers",
        "partition": 0,
        "offset": sequence + 40,
        "timestamp_ms": moment // 1000,
        "occurred_at": moment,
        "pool_time": moment,
        "rules": 1,
        "kind": "deposit",
        "event_id": f"e-{sequence}",
        "rejection": None,
        "detail": None,
        "redrive_of": None,
        "key": b"main".hex(),
        "content_hash": sha256(b"content of " + raw).hexdigest(),
        "raw": raw.hex(),
        **fields,
    }


def commodity(number: int, asset: str | None, instrument: str | None, scale: int) -> dict[str, Any]:
    return {"number": number, "asset": asset, "instrument": instrument, "scale": scale}


def account(
    number: int, owner: str, kind: str, instrument: str | None, asset: str | None
) -> dict[str, Any]:
    return {
        "number": number,
        "owner": owner,
        "kind": kind,
        "instrument": instrument,
        "asset": asset,
    }


def posting(
    its_account: int, account_sequence: int, its_commodity: int, purpose: int, *moved: int
) -> dict[str, Any]:
    amount, balance = moved
    return {
        "account": its_account,
        "account_sequence": account_sequence,
        "commodity": its_commodity,
        "purpose": purpose,
        "amount": str(amount),
        "balance": str(balance),
    }


def record(kind: str, subject: str, body: str) -> dict[str, Any]:
    return {"kind": kind, "subject": subject, "body": body.encode().hex()}


_LARGEST = 10**36 - 1
_DEPOSIT = b'{"kind":"deposit","event_id":"e-1","account":"anna","asset":"USD","amount":"1.50"}'
_TRADE = b'{"kind":"trade","event_id":"e-2","instrument":"LIN","price":"100","quantity":"3"}'
_WITHDRAWAL = b'{"kind":"withdrawal","event_id":"e-3","account":"anna","amount":"9"}'

EXAMPLES: list[dict[str, Any]] = [
    {
        "name": "the first deposit: a commodity and two accounts opened, one amount below zero",
        "event": event(1, _DEPOSIT),
        "outcome": {
            "commodities": [commodity(1, "USD", None, 2)],
            "accounts": [
                account(1, "@house", "custody", None, "USD"),
                account(2, "anna", "wallet", None, "USD"),
            ],
            "postings": [posting(1, 1, 1, 1, -150, -150), posting(2, 1, 1, 1, 150, 150)],
            "records": [],
        },
    },
    {
        "name": "a trade with records: contracts have no asset, words beyond ASCII",
        "event": event(2, _TRADE, kind="trade", topic="clearing.trades", offset=0, partition=7),
        "outcome": {
            "commodities": [commodity(2, None, "LIN", 0)],
            "accounts": [
                account(3, "anna", "position", "LIN", None),
                account(4, "anna", "variation", "LIN", "USD"),
                account(5, "ben", "position", "LIN", None),
                account(6, "ben", "variation", "LIN", "USD"),
            ],
            "postings": [
                posting(3, 1, 2, 3, 3, 3),
                posting(4, 1, 1, 3, -30000, -30000),
                posting(5, 1, 2, 3, -3, -3),
                posting(6, 1, 1, 3, 30000, 30000),
            ],
            "records": [
                record("mark", "LIN", '{"mark_price":"100.00","source":"trade"}'),
                record("note", "LIN", '{"words":"über 100 €","none":null}'),
            ],
        },
    },
    {
        "name": "a refused withdrawal: a code and words, and an empty outcome",
        "event": event(
            3,
            _WITHDRAWAL,
            kind="withdrawal",
            rejection="insufficient_balance",
            detail="anna has 1.50 USD, 9.00 USD were asked for",
            pool_time=1_767_225_602_000_000,
        ),
        "outcome": NOTHING,
    },
    {
        "name": "the same message sent again from the ledger's own store: it names the refused one",
        "event": event(
            4,
            _WITHDRAWAL,
            kind="withdrawal",
            event_id="e-3",
            occurred_at=1_767_225_603_000_000,
            pool_time=1_767_225_603_000_000,
            rules=2,
            redrive_of={"shard": "main", "sequence": 3},
        ),
        "outcome": {
            **NOTHING,
            "postings": [posting(2, 2, 1, 1, -900, 0), posting(1, 2, 1, 1, 900, -1050)],
        },
    },
    {
        "name": "a price: records alone",
        "event": event(5, b'{"kind":"price","event_id":"e-5"}', kind="price", rules=2),
        "outcome": {
            **NOTHING,
            "records": [
                record("mark", "LIN", '{"mark_price":"90.00","source":"price"}'),
                record("margin_call", "C-1", '{"account":"anna","equity":"-0.01"}'),
            ],
        },
    },
    {
        "name": "the largest balances, a long count, an empty key, empty bytes, before 1970",
        "event": event(
            2**53 + 1,
            b"",
            key="",
            occurred_at=-1,
            pool_time=-1,
            timestamp_ms=-1,
            offset=2**62,
            partition=2**31 - 1,
            rules=65535,
        ),
        "outcome": {
            **NOTHING,
            "postings": [
                posting(2**31, 2**40, 1, 65535, _LARGEST, _LARGEST),
                posting(2, 3, 1, 1, -_LARGEST, -_LARGEST),
                posting(1, 3, 1, 1, -1, 0),
                posting(6, 2, 1, 1, -(2**64), 2**64),
            ],
        },
    },
    {
        "name": "a message that could not be read: nothing is known of it, bytes of any kind",
        "event": event(
            1,
            b"\xff\x00\xfe",
            shard="@unrouted/3",
            partition=3,
            occurred_at=None,
            pool_time=None,
            kind=None,
            event_id=None,
            key=None,
            rejection="invalid_utf8",
            detail="byte 0 is no beginning of a character: \\x00",
        ),
        "outcome": NOTHING,
    },
    {
        "name": "a second one in the same shard, from a file",
        "event": event(
            2,
            b"[]",
            shard="@unrouted/3",
            cluster="file",
            topic_id="événements.jsonl",
            topic="événements.jsonl",
            partition=0,
            occurred_at=None,
            pool_time=None,
            kind=None,
            event_id=None,
            key=None,
            rejection="malformed_json",
            detail="a JSON array, expected an object",
        ),
        "outcome": NOTHING,
    },
]
