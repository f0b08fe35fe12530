"""From topics to books: what a user sees for each kind of input."""

import json
import threading

import pytest

from consumers.run import run
from consumers.topics import DEAD_LETTERS
from ledger.ports import Message, Source
from ledger.store.log.memory import MemoryLog
from ledger.writer import Writer
from tests.integration.consume.desk import START_MS, Desk, event, opening, trade

ONE = 1_000_000  # one USDT in smallest units


def test_events_of_all_topics_end_in_the_books(desk: Desk) -> None:
    price = {"instrument": "BTC-PERP", "mark_price": "110"}
    funding = {"instrument": "BTC-PERP", "rate": "0.01", "mark_price": "110"}
    desk.send(*opening(), trade("t1"))
    desk.send(event("p1", "price", **price), at_ms=START_MS + 1)
    desk.send(event("f1", "funding_rate", **funding), at_ms=START_MS + 2)
    progress = desk.run()
    assert (progress.applied, progress.duplicates, progress.rejected) == (9, 0, 0)
    # Alice is long 1 at 100; funding is 1 x 110 x 0.01 = 1.1, the long pays.
    assert desk.balance("alice", "position") == 1_000
    assert desk.balance("alice", "variation") == -100 * ONE
    assert desk.balance("alice", "wallet") == 1000 * ONE - 1_100_000
    assert desk.balance("bob", "wallet") == 1000 * ONE + 1_100_000


def test_a_second_run_reads_on_where_the_books_stopped(desk: Desk) -> None:
    desk.send(*opening(), trade("t1"))
    assert desk.run().applied == 7
    assert desk.run().applied == 0
    desk.send(trade("t2"))
    assert desk.run().applied == 1
    assert desk.balance("alice", "position") == 2_000


def test_the_same_event_again_is_counted_and_skipped(desk: Desk) -> None:
    desk.send(*opening(), trade("t1"), trade("t1"))
    progress = desk.run()
    assert (progress.applied, progress.duplicates, progress.rejected) == (7, 1, 0)
    assert desk.balance("alice", "position") == 1_000


def test_the_same_id_with_other_content_is_refused(desk: Desk) -> None:
    desk.send(*opening(), trade("t1"), trade("t1", quantity="2"))
    progress = desk.run()
    assert (progress.applied, progress.rejected) == (7, 1)
    assert desk.refusals() == ["event_id_conflict"]
    assert desk.balance("alice", "position") == 1_000


def test_a_refused_message_may_come_again_once_its_instrument_exists(desk: Desk) -> None:
    first = trade("t1", instrument="ETH-PERP")
    desk.send(*opening(), first)
    desk.run()
    assert desk.refusals() == ["unknown_instrument"]
    listed = next(each for each in opening() if each["kind"] == "instrument")
    desk.send(listed | {"event_id": "eth", "instrument": "ETH-PERP"})
    desk.send(first, at_ms=START_MS + 1)
    assert desk.run().applied == 2
    assert desk.balance("alice", "position") == 1_000


def test_messages_are_applied_by_time_across_topics(desk: Desk) -> None:
    price = {"instrument": "BTC-PERP", "mark_price": "110"}
    desk.send(*opening())
    desk.send(trade("t2"), at_ms=START_MS + 20)
    desk.send(trade("t4"), at_ms=START_MS + 40)
    desk.send(event("p3", "price", **price), at_ms=START_MS + 30)
    desk.send(event("p5", "price", **price), at_ms=START_MS + 10)  # late: behind p3 it stays
    desk.run()
    order = [row.event_id for row in desk.rows()][-4:]
    assert order == ["t2", "p3", "p5", "t4"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "-1"}, "invalid_field"),
        ({"price": 100.5}, "invalid_field"),
        ({"price": "NaN"}, "invalid_field"),
        ({"price": float("nan")}, "invalid_field"),
        ({"colour": "red"}, "unknown_field"),
        ({"instrument": "DOGE-PERP"}, "unknown_instrument"),
        ({"buyer": "carol"}, "unknown_account"),
        ({"price": "1.001"}, "too_many_decimals"),
        ({"kind": "tradde"}, "unknown_kind"),
        ({"version": 2}, "unsupported_version"),
    ],
)
def test_a_wrong_trade_is_kept_with_its_reason_and_changes_no_balance(
    desk: Desk, change: dict[str, object], code: str
) -> None:
    desk.send(*opening(), trade("t1"), trade("wrong") | change, trade("t2"))
    progress = desk.run()
    assert (progress.applied, progress.rejected) == (8, 1)
    refused = desk.refusals() + desk.refusals("@unrouted/0")
    assert refused == [code]
    assert desk.balance("alice", "position") == 2_000
    (letter,) = desk.letters()
    assert json.loads(letter.value)["event_id"] == "wrong"
    assert (letter.headers["code"], letter.headers["offset"]) == (code, "1")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"\xff\xfe", "invalid_utf8"),
        (b"{", "malformed_json"),
        (b"[]", "malformed_json"),
        (b"", "malformed_json"),
    ],
)
def test_bytes_that_are_no_event_are_kept_beside_the_pools(
    desk: Desk, value: bytes, code: str
) -> None:
    desk.send(*opening())
    desk.put("trades", value)
    desk.send(trade("t1"))
    assert desk.run().applied == 7
    assert desk.refusals("@unrouted/0") == [code]
    (letter,) = desk.letters()
    assert (letter.key, letter.value, letter.headers["sequence"]) == (b"@unrouted/0", value, "1")


def test_a_message_without_a_key_is_refused(desk: Desk) -> None:
    desk.send(*opening())
    desk.put("trades", json.dumps(trade("t1")).encode(), key=None)
    assert desk.run().rejected == 1
    assert desk.refusals("@unrouted/0") == ["missing_key"]


def test_a_message_over_one_mebibyte_is_refused_and_the_next_one_applied(desk: Desk) -> None:
    desk.send(*opening())
    desk.send(trade("t1") | {"padding": "x" * (1024 * 1024)}, trade("t2"))
    progress = desk.run()
    assert (progress.applied, progress.rejected) == (7, 1)
    assert desk.refusals() + desk.refusals("@unrouted/0") == ["message_too_large"]


def test_a_kind_on_another_topic_than_its_own_is_refused(desk: Desk) -> None:
    desk.send(*opening())
    desk.put("funding", json.dumps(trade("t1")).encode())
    desk.run()
    assert desk.refusals() == ["wrong_topic"]


def test_a_pool_is_not_taken_from_another_partition_than_its_own(wide_desk: Desk) -> None:
    desk = wide_desk
    desk.send(*opening(), partition=0)
    assert desk.run().applied == 6
    desk.send(trade("t1"), partition=1)
    assert desk.run().rejected == 1
    assert desk.refusals("@unrouted/1") == ["wrong_partition"]
    assert desk.balance("alice", "wallet") == 1000 * ONE


def test_two_pools_run_in_one_process_and_share_nothing(wide_desk: Desk) -> None:
    desk = wide_desk
    desk.send(*opening("main"), trade("t1", pool="main"))
    desk.send(*opening("coin"), trade("t1", pool="coin", quantity="3"))
    assert desk.run().applied == 14
    assert desk.balance("alice", "position", "main") == 1_000
    assert desk.balance("alice", "position", "coin") == 3_000


def test_each_partition_may_have_a_process_of_its_own(wide_desk: Desk) -> None:
    desk = wide_desk
    desk.send(*opening("main"), partition=0)
    desk.send(*opening("coin"), partition=1)
    assert desk.run(partitions=(0,)).applied == 6
    assert desk.rows("coin") == []
    assert desk.run(partitions=(1,)).applied == 6
    assert desk.run().applied == 0


def test_a_run_that_is_told_to_stop_leaves_nothing_half_done(desk: Desk) -> None:
    stop = threading.Event()
    desk.send(*opening(), *(trade(f"t{number}") for number in range(40)))
    settings = desk.settings._replace(drain=False, batch_events_max=10)
    run(settings, desk.log.reopen, stop=stop, on_batch=lambda _: stop.set())
    assert len(desk.rows()) == 20, "the next batch was on its way when the first was told of"
    assert desk.run().applied == 26
    assert desk.balance("alice", "position") == 40_000


def test_dead_letters_that_a_crash_held_back_are_sent_at_the_next_start(desk: Desk) -> None:
    desk.send(*opening(), trade("wrong", quantity="-1"))
    desk.run(dead_letters=False)
    assert desk.letters() == []
    desk.run()
    desk.run()
    assert [letter.headers["code"] for letter in desk.letters()] == ["invalid_field"]


def test_a_message_that_is_no_dead_letter_stops_nobody(desk: Desk) -> None:
    desk.send(*opening(), trade("wrong", quantity="-1"))
    desk.run(dead_letters=False)
    desk.put(DEAD_LETTERS, b"put here by hand")
    desk.run()
    assert [letter.headers.get("code") for letter in desk.letters()] == [None, "invalid_field"]


def test_letters_of_a_pool_that_began_with_a_file_are_caught_up(desk: Desk) -> None:
    writer = Writer(desk.log.reopen())
    source = Source("file", "opening.jsonl", "opening.jsonl")
    lines = [json.dumps(each).encode() for each in opening()]
    writer.take([Message(source, 0, at, 0, None, line) for at, line in enumerate(lines)])
    writer.close()
    desk.send(trade("wrong", quantity="-1"))
    desk.run(dead_letters=False)
    assert desk.refusals() == ["invalid_field"]
    desk.run()
    assert [letter.headers["code"] for letter in desk.letters()] == ["invalid_field"]


def test_new_books_read_a_topic_from_its_beginning(desk: Desk) -> None:
    desk.send(*opening())
    desk.run()
    desk.log = MemoryLog()
    assert desk.run().applied == 6


def test_a_batch_of_many_is_drained_and_read_on_from_its_end(desk: Desk) -> None:
    for each in [*opening(), *(trade(f"t{number}") for number in range(200))]:
        desk.send_soon(each)
    desk.wait_sent()
    assert desk.run().applied == 206
    assert desk.run().applied == 0


def test_a_topic_far_longer_than_the_buffer_is_applied_to_its_end(desk: Desk) -> None:
    desk.send(*opening())
    for number in range(25_000):
        desk.send_soon(trade(f"t{number}"))
    desk.wait_sent()
    progress = desk.run(buffer_messages_max=500)
    assert progress.applied == 25_006
    assert desk.balance("alice", "position") == 25_000 * 1_000
