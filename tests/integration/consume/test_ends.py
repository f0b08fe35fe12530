"""The ends of topics, as the control of the reconciliation asks for them."""

import time

from consumers.ends import end_offsets
from consumers.run import run
from ledger.store.log.postgres import PostgresLog
from ledger.store.recon.sums import Taken
from ledger.store.web.connections import Readers
from ledger.web.console.worked.lag import NOT_YET, KafkaLag
from tests.integration.consume.desk import Desk, opening, trade


def taken(desk: Desk) -> list[Taken]:
    return [Taken(*one.source, one.partition, one.next_offset) for one in desk.log.offsets()]


def test_topics_that_were_read_to_their_end_end_where_the_books_are(desk: Desk) -> None:
    desk.send(*opening(), *(trade(f"t{number}") for number in range(5)))
    desk.run()
    read = taken(desk)
    assert read
    ends = end_offsets(desk.settings)(read)
    assert ends == {(one.topic, one.partition): one.next_offset for one in read}


def test_what_was_sent_since_is_beyond_the_books(desk: Desk) -> None:
    desk.send(*opening(), trade("first"))
    desk.run()
    read = taken(desk)
    desk.send(*(trade(f"t{number}") for number in range(5)))
    ends = end_offsets(desk.settings)(read)
    beyond = {one.topic: ends[one.topic, one.partition] - one.next_offset for one in read}
    assert beyond.pop(f"{desk.settings.prefix}.trades") == 5
    assert set(beyond.values()) == {0}


def test_a_topic_that_is_another_one_or_gone_is_left_out(desk: Desk) -> None:
    desk.send(*opening())
    desk.run()
    one = taken(desk)[0]
    others = [
        one._replace(topic_id="recreated"),
        one._replace(cluster="elsewhere"),
        one._replace(topic="nowhere"),
        one._replace(partition=99),
    ]
    for other in others:
        assert end_offsets(desk.settings)([other]) == {}
    assert end_offsets(desk.settings)([]) == {}


def test_the_console_counts_what_the_topics_hold_beyond_the_books(
    desk: Desk, database_url: str
) -> None:
    readers = Readers(database_url, "clearing_auditor", size=1, wait_s=5, statement_s=10)
    desk.send(*opening(), trade("t1"))
    run(desk.settings, lambda: PostgresLog.connect(database_url, "test"))

    def messages() -> int | None:
        lag, until = KafkaLag(end_offsets(desk.settings), readers), time.monotonic() + 20
        while (found := lag.of("main")) == NOT_YET and time.monotonic() < until:
            time.sleep(0.05)
        return found.messages

    assert messages() == 0
    desk.send(*(trade(f"late-{number}") for number in range(5)))
    assert messages() == 5
    readers.close()
