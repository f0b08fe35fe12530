"""The rounds of a day: send, book, read records, answer; and days that are in the books already.

The exchange keeps nothing between two runs: it plays the days that these books have seen once more,
with the records that they left, and so stands where it stood. A slot is in the books when records
of its last events (one in each pool) are; of a day that was broken off, what comes after them is
sent, and what of that is in the books as well is expected to be a duplicate.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from ledger.demo.exchange import Exchange
from ledger.demo.listings import POOLS
from ledger.demo.records import Published
from ledger.demo.tally import Tally
from ledger.demo.wire import WireMessage


class Ledger(Protocol):
    """What the rounds need of the other side."""

    def clear(self, messages: Sequence[WireMessage]) -> Sequence[Published]:
        """Send a slot, and book it; returns its records, pool by pool, in order of sequence."""

    def known(self, pool: str, event_ids: Sequence[str]) -> set[str]:
        """Those of the ids that events in the books have taken."""


class Kept:
    """Records of slots that are in the books.

    Args:
        records: All of them, pool by pool, in order of sequence.
    """

    def __init__(self, records: Sequence[Published]) -> None:
        self._pools = {terms.pool: deque[Published]() for terms in POOLS}
        self._sequences: dict[tuple[str, str], int] = {}
        for record in records:
            if record.pool in self._pools:
                self._pools[record.pool].append(record)
                self._sequences[record.pool, record.event_id] = record.sequence

    def take(self, messages: Sequence[WireMessage]) -> list[Published] | None:
        """The records of a slot; None: not all of it is in the books."""
        lasts: dict[str, int] = {}
        for pool, event_id in _markers(messages).items():
            sequence = self._sequences.get((pool, event_id))
            if sequence is None:
                return None
            lasts[pool] = sequence
        taken = []
        for pool, last in sorted(lasts.items()):
            waiting = self._pools[pool]
            while waiting and waiting[0].sequence <= last:
                taken.append(waiting.popleft())
        return taken

    def rest(self) -> list[Published]:
        """The records of a slot that was broken off, and of what never had a last event."""
        return [record for waiting in self._pools.values() for record in waiting]


def remember(exchange: Exchange, days: Sequence[int], kept: Kept) -> None:
    """Play days that are in the books to their ends."""
    for events in days:
        exchange.begin_day(events)
        answers: Sequence[WireMessage] = ()
        while slot := exchange.slot():
            records = kept.take([*answers, *slot])
            assert records is not None, "a day that was played to its end is in the books"
            answers = exchange.answer(records)
    exchange.take_tally()


def play(
    exchange: Exchange,
    events: int,
    kept: Kept,
    ledger: Ledger,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Tally:
    """Play a day, from where the books stop; returns what should have become of what was sent.

    Args:
        exchange: Stands at the end of the day before.
        events: About so many messages.
        kept: What the books have of this day.
        ledger: The other side.
        on_progress: Called with the number of messages so far.
    """
    expected = Tally()
    count = 0
    is_live = False
    exchange.begin_day(events)
    answers: Sequence[WireMessage] = ()
    while slot := exchange.slot():
        messages = [*answers, *slot]
        tally = exchange.take_tally()
        records: Sequence[Published] | None = None if is_live else kept.take(messages)
        if records is None:
            if not is_live:
                tally.expect_again(_there(messages, ledger))
            records = _joined([] if is_live else kept.rest(), ledger.clear(messages))
            is_live = True
            expected.add(tally)
        answers = exchange.answer(records)
        count += len(messages)
        on_progress(count)
    return expected


def _joined(earlier: Sequence[Published], later: Sequence[Published]) -> Sequence[Published]:
    """Records of one slot, booked in two runs, pool by pool."""
    if not earlier:
        return later
    return sorted([*earlier, *later], key=lambda each: (each.pool, each.sequence, each.line))


def _markers(messages: Sequence[WireMessage]) -> dict[str, str]:
    """By pool, the id of the last event."""
    lasts = {message.key.decode(): message.value for message in messages[-len(POOLS) :]}
    return {pool: json.loads(value)["event_id"] for pool, value in lasts.items()}


def _there(messages: Sequence[WireMessage], ledger: Ledger) -> Counter[str]:
    """How many of a slot's good messages are in the books already, by kind.

    A mistake may send a message of an earlier slot again: that one is a duplicate in any case.
    """
    began = json.loads(messages[0].value)["occurred_at"]
    ids: dict[str, dict[str, str]] = {}
    for message in messages:
        try:
            told = json.loads(message.value)
            if told["pool"] == message.key.decode() and told["occurred_at"] >= began:
                ids.setdefault(told["pool"], {}).setdefault(told["event_id"], told["kind"])
        except (ValueError, KeyError):
            continue  # one of the mistakes
    there: Counter[str] = Counter()
    for pool, kinds in ids.items():
        for event_id in ledger.known(pool, list(kinds)):
            there[kinds[event_id]] += 1
    return there
