"""What proof costs in the write path: canonical bytes, four hashes and the tree, a trade.

The trade is one of nine postings with fees, as its rows are stored. Everything is made before the
clock starts; what is timed is what `ledger.batch` does for each event beside deciding it, and, for
comparison, deciding it. Seconds of the processor.
"""

import gc
import json
import time
from collections.abc import Iterator, Mapping, Sequence

from ledger.audit.proofs.signing import Signer
from ledger.codec.canonical import (
    GENESIS,
    chain_hash,
    event_bytes,
    leaf_hash,
    outcome_bytes,
    posting_bytes,
)
from ledger.codec.checkpoints import FIRST, NO_STATE, Checkpoint, encode_checkpoint
from ledger.codec.decoding import Decoded, decode
from ledger.codec.merkle import grow, root
from ledger.core.events import Event
from ledger.core.machine import RULES_VERSION, decide
from ledger.core.outcome import Outcome
from ledger.core.state import State
from ledger.ports import Source, StoredEvent

TRADES = 20_000
ROUNDS = 5
SIGNATURES = 1_000
SOURCE = Source("kR7dP2mQTZ-bench", "J5nW0sVbQ1i6-bench", "clearing.trades")
START_US = 1_767_225_600_000_000
TERMS: Sequence[Mapping[str, object]] = (
    {
        "kind": "pool",
        "settlement_asset": "USDT",
        "scale": 6,
        "liquidation": "full",
        "penalty_rate": "0.005",
        "partial_buffer": "0",
        "insurance_floor": "0",
        "adl_policy": "binance",
        "loss_policy": "open",
    },
    {
        "kind": "instrument",
        "instrument": "BTC-PERP",
        "type": "linear",
        "multiplier": "1",
        "price_scale": 1,
        "quantity_scale": 3,
        "expiry": None,
        "tiers": [
            {
                "notional_cap": None,
                "initial_rate": "0.02",
                "maintenance_rate": "0.01",
                "maintenance_amount": "0",
            }
        ],
    },
    *({"kind": "account", "account": name, "margin_mode": "cross"} for name in ("alice", "bob")),
    *(
        {"kind": "deposit", "account": name, "asset": "USDT", "amount": "1000000000"}
        for name in ("alice", "bob")
    ),
)
TRADE = {
    "kind": "trade",
    "instrument": "BTC-PERP",
    "quantity": "0.5",
    "buyer_fee": "3.25",
    "seller_fee": "-1.5",
}


def measured(trades: int = TRADES) -> dict[str, float]:
    """Microseconds: `hash_us` a trade, `decide_us` a trade, `sign_us` a checkpoint."""
    decided_us, events, outcomes = _decided(trades)
    hashed_us = min(_hashed_us(events, outcomes) for _ in range(ROUNDS))
    return {
        "hash_us": round(hashed_us, 2),
        "decide_us": round(decided_us, 2),
        "postings": round(sum(len(one.postings) for one in outcomes) / trades, 2),
        "sign_us": round(_signed_us(), 1),
    }


def table(figures: Mapping[str, float]) -> Iterator[str]:
    """The figures as a line for people."""
    yield (
        f"proof of a trade of {figures['postings']:.0f} postings: {figures['hash_us']:.1f} us,"
        f" beside {figures['decide_us']:.1f} us to decide it; a signature"
        f" {figures['sign_us']:.1f} us a checkpoint"
    )


def _hashed_us(events: Sequence[StoredEvent], outcomes: Sequence[Outcome]) -> float:
    chain, frontier = GENESIS, list[bytes]()
    gc.collect()
    began = time.process_time()
    for size, (event, outcome) in enumerate(zip(events, outcomes, strict=True)):
        packed = posting_bytes(outcome.postings)
        led_to = outcome_bytes(outcome.commodities, outcome.opened, packed, ())
        leaf = leaf_hash(event_bytes("main", event), led_to)
        chain = chain_hash(chain, leaf)
        grow(frontier, size, leaf)
    return (time.process_time() - began) / len(events) * 1e6


def _decided(trades: int) -> tuple[float, list[StoredEvent], list[Outcome]]:
    state = State("main")
    for number, terms in enumerate(TERMS):
        outcome = decide(state, _event(number, terms)[0])
        assert isinstance(outcome, Outcome), outcome
    made = [_event(number, _trade(number)) for number in range(100, 100 + trades)]
    began = time.process_time()
    outcomes = [decide(state, event) for event, _ in made]
    spent = (time.process_time() - began) / trades * 1e6
    kept = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    assert len(kept) == trades, "a trade was refused"
    return spent, [stored for _, stored in made], kept


def _trade(number: int) -> dict[str, object]:
    """Bought and sold in turns, so that each second trade closes, and books realized profit."""
    sides = ("alice", "bob") if number % 2 else ("bob", "alice")
    return {**TRADE, "price": f"{60_000 + number % 97}", "buyer": sides[0], "seller": sides[1]}


def _event(number: int, content: Mapping[str, object]) -> tuple[Event, StoredEvent]:
    name = f"event-{number}"
    said = {"event_id": name, "pool": "main", "occurred_at": "2026-01-01T00:00:00Z", **content}
    raw = json.dumps(said).encode()
    decoded = decode(raw)
    assert isinstance(decoded, Decoded), decoded
    stored = StoredEvent(
        *(number + 1, decoded.event.kind, name, START_US, START_US, RULES_VERSION, SOURCE, 0),
        *(number, START_US // 1_000, b"main", raw, decoded.content_hash, None, None, None),
        *(b"", b""),
    )
    return decoded.event, stored


def _signed_us() -> float:
    signer = Signer(b"bench" + bytes(27))
    tree = root([GENESIS])
    began = time.process_time()
    for number in range(SIGNATURES):
        checkpoint = Checkpoint(
            *("main", number, GENESIS, tree, NO_STATE, START_US, 1, (), FIRST, signer.key)
        )
        signer.sign(encode_checkpoint(checkpoint))
    return (time.process_time() - began) / SIGNATURES * 1e6


if __name__ == "__main__":
    print(json.dumps(measured(), indent=1))
