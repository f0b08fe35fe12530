"""Books whose commits are slow, behind a broker that is ahead of them."""

import threading
from collections.abc import Sequence

from consumers.run import run
from ledger.ports import ShardBatch
from ledger.store.log.memory import MemoryLog
from tests.integration.consume.desk import START_MS, Desk, event, opening, trade


class SlowLog(MemoryLog):
    """A log whose commits take their time; it notes how far the books were behind."""

    def __init__(self, books: MemoryLog, seconds: float) -> None:
        super().__init__()
        self._books = books._books
        self._seconds = seconds

    def append(self, batch: Sequence[ShardBatch]) -> None:
        threading.Event().wait(self._seconds)
        super().append(batch)


def test_slow_commits_time_nothing_out_and_buffer_no_more_than_they_may(desk: Desk) -> None:
    desk.send(*opening())
    for number in range(300):
        desk.send_soon(trade(f"t{number}"))
    desk.wait_sent()
    changed = desk.settings._replace(
        batch_events_max=20, buffer_messages_max=50, request_timeout_ms=3_000
    )
    done = run(changed, lambda: SlowLog(desk.log, 0.2))
    assert (done.applied, done.rejected, done.failures) == (306, 0, 0)
    assert len(desk.rows()) == 306


def test_a_topic_far_ahead_in_time_is_dropped_and_read_again_in_order(desk: Desk) -> None:
    desk.send(*opening())
    for number in range(250):
        desk.send_soon(trade(f"t{number}"))
    desk.wait_sent()
    for number in range(250):
        price = event(f"p{number}", "price", instrument="BTC-PERP", mark_price="101")
        desk.send(price, at_ms=START_MS + 3_600_000)
    done = desk.run(batch_events_max=20, buffer_messages_max=20)
    assert (done.applied, done.duplicates, done.rejected) == (506, 0, 0)
    told = [row.event_id for row in desk.rows()]
    trades, prices = [f"t{n}" for n in range(250)], [f"p{n}" for n in range(250)]
    assert told[-500:] == trades + prices
