"""The simulated exchange: same seed, same bytes; every message meets the fate it was made for."""

import json
from collections import Counter

from ledger.demo.exchange import Exchange
from ledger.demo.wire import WireMessage
from ledger.ports import Message, Source
from ledger.store.memory import MemoryLog
from ledger.writer import Writer

ROLES = ("reference", "transfers", "trades", "funding", "prices")
EVENTS = 12_000


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert list(Exchange(7, 60).day(EVENTS)) == list(Exchange(7, 60).day(EVENTS))


def test_another_seed_gives_another_day() -> None:
    assert list(Exchange(7, 60).day(EVENTS)) != list(Exchange(8, 60).day(EVENTS))


def test_messages_are_in_order_of_time() -> None:
    times = [message.timestamp_ms for message in Exchange(7, 60).day(EVENTS)]
    assert times == sorted(times)


def test_every_message_meets_its_expected_fate_on_two_days() -> None:
    exchange = Exchange(7, 60)
    writer = Writer(MemoryLog(), roles={f"demo.{role}": role for role in ROLES})
    offsets: Counter[str] = Counter()
    for _ in range(2):
        messages = [_delivered(message, offsets) for message in exchange.day(EVENTS)]
        applied = duplicates = 0
        refused: Counter[str] = Counter()
        for start in range(0, len(messages), 1000):
            taken = writer.take(messages[start : start + 1000])
            applied += taken.applied
            duplicates += taken.duplicates
            refused.update(each.code for each in taken.refused)
        tally = exchange.tally
        assert (applied, duplicates) == (tally.applied.total(), tally.duplicates)
        assert refused == tally.rejected
        assert tally.sent == len(messages)
        assert len(refused) >= 10, "a day has mistakes of many kinds"


def test_only_perpetuals_pay_funding_three_times_a_day() -> None:
    funding = [
        json.loads(message.value)["instrument"]
        for message in Exchange(7, 60).day(EVENTS)
        if message.role == "funding"
    ]
    assert Counter(funding) == {"BTC-PERP": 3, "ETH-PERP": 3, "BTCUSD-PERP": 3}


def test_money_sent_before_its_account_is_opened_comes_in_when_it_is_sent_again() -> None:
    offsets: Counter[str] = Counter()
    writer = Writer(MemoryLog(), roles={f"demo.{role}": role for role in ROLES})
    day = [_delivered(message, offsets) for message in Exchange(7, 60).day(EVENTS)]
    early = [each for each in writer.take(day).refused if each.code == "unknown_account"]
    again = [
        each.message._replace(offset=offsets["transfers"] + number)
        for number, each in enumerate(early)
    ]
    assert again
    assert writer.take(again).applied == len(again)


def _delivered(message: WireMessage, offsets: Counter[str]) -> Message:
    role = message.role
    offset = offsets[role]
    offsets[role] += 1
    source = Source("cluster", role, f"demo.{role}")
    return Message(source, 0, offset, message.timestamp_ms, message.key, message.value)
