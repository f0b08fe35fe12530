"""The merge by time of the topics of one partition number."""

import time

from hypothesis import given
from hypothesis import strategies as st

from consumers.merge import Merge
from ledger.ports import Message, Source

RANKS = 5
REFERENCE, TRANSFERS, PRICES, FUNDING, TRADES = range(RANKS)


def message(rank: int, offset: int, timestamp_ms: int) -> Message:
    source = Source("cluster", f"id-{rank}", f"topic-{rank}")
    return Message(source, 0, offset, timestamp_ms, b"main", b"")


def lane(rank: int, *timestamps: int) -> list[Message]:
    return [message(rank, offset, time_ms) for offset, time_ms in enumerate(timestamps)]


def places(messages: list[Message]) -> list[tuple[str, int]]:
    return [(each.source.topic[-1], each.offset) for each in messages]


def reference_merge(lanes: list[list[Message]]) -> list[Message]:
    """The rule, told slowly: always the smallest (timestamp, rank) among the heads."""
    rest = [list(each) for each in lanes]
    merged = []
    while any(rest):
        rank = min(
            (number for number in range(len(rest)) if rest[number]),
            key=lambda number: (rest[number][0].timestamp_ms, number),
        )
        merged.append(rest[rank].pop(0))
    return merged


def test_the_earlier_timestamp_goes_first_whatever_the_topic() -> None:
    merge = Merge(RANKS, 500)
    merge.add(REFERENCE, lane(REFERENCE, 20))
    merge.add(TRADES, lane(TRADES, 10, 30))
    assert places(merge.take(10, 0)) == [("4", 0), ("0", 0), ("4", 1)]


def test_equal_timestamps_go_reference_transfers_prices_funding_trades() -> None:
    merge = Merge(RANKS, 500)
    for rank in (TRADES, PRICES, REFERENCE, FUNDING, TRANSFERS):
        merge.add(rank, lane(rank, 7))
    assert places(merge.take(10, 0)) == [(str(rank), 0) for rank in range(RANKS)]


def test_offsets_of_a_topic_never_change_places_when_its_timestamps_go_back() -> None:
    merge = Merge(RANKS, 500)
    merge.add(TRADES, lane(TRADES, 50, 10, 60))
    merge.add(PRICES, lane(PRICES, 20, 55))
    assert places(merge.take(10, 0)) == [("2", 0), ("4", 0), ("4", 1), ("2", 1), ("4", 2)]


def test_an_idle_topic_delays_nobody() -> None:
    merge = Merge(RANKS, 500)
    merge.add(TRADES, lane(TRADES, 10))
    merge.know(PRICES, behind=False)
    assert len(merge.take(10, 0)) == 1


def test_a_topic_that_is_known_to_have_more_is_waited_for() -> None:
    merge = Merge(RANKS, 500)
    merge.add(TRADES, lane(TRADES, 10))
    merge.know(PRICES, behind=True)
    assert merge.take(10, 1000) == []
    assert merge.wait_left_ms(1100) == 400
    merge.add(PRICES, lane(PRICES, 5))
    merge.know(PRICES, behind=False)
    assert places(merge.take(10, 1200)) == [("2", 0), ("4", 0)]


def test_the_wait_for_a_lagging_topic_ends_at_its_bound() -> None:
    merge = Merge(RANKS, 500)
    merge.add(TRADES, lane(TRADES, 10, 11))
    merge.know(PRICES, behind=True)
    assert merge.take(1, 1000) == []
    assert merge.take(1, 1499) == []
    assert len(merge.take(1, 1500)) == 1
    assert len(merge.take(1, 1501)) == 1, "the same stall is not waited for twice"


def test_a_new_stall_is_waited_for_again() -> None:
    merge = Merge(RANKS, 500)
    merge.add(TRADES, lane(TRADES, 10, 20, 30))
    merge.know(PRICES, behind=True)
    assert merge.take(1, 0) == []
    assert len(merge.take(1, 500)) == 1
    merge.add(PRICES, lane(PRICES, 15))
    assert places(merge.take(10, 600)) == [("2", 0)], "prices are missed again from here"
    assert merge.take(10, 1099) == []
    assert len(merge.take(10, 1100)) == 2


def test_the_merge_stops_where_a_lagging_topic_runs_out() -> None:
    merge = Merge(RANKS, 500)
    merge.add(TRADES, lane(TRADES, 10, 20, 30))
    merge.add(PRICES, lane(PRICES, 15))
    merge.know(PRICES, behind=True)
    assert places(merge.take(10, 0)) == [("4", 0), ("2", 0)]


def test_take_gives_no_more_than_its_limit() -> None:
    merge = Merge(RANKS, 500)
    merge.add(TRADES, lane(TRADES, *range(10)))
    assert [len(merge.take(4, 0)) for _ in range(4)] == [4, 4, 2, 0]


timestamps = st.lists(st.integers(0, 20), max_size=12)


@given(st.lists(timestamps, min_size=RANKS, max_size=RANKS), st.integers(1, 7))
def test_the_order_is_that_of_the_rule_for_any_limit(times: list[list[int]], limit: int) -> None:
    lanes = [lane(rank, *each) for rank, each in enumerate(times)]
    merge = Merge(RANKS, 500)
    for rank, messages in enumerate(lanes):
        merge.add(rank, messages)
    taken: list[Message] = []
    while cut := merge.take(limit, 0):
        taken += cut
    assert taken == reference_merge(lanes)


@given(
    st.lists(timestamps, min_size=RANKS, max_size=RANKS),
    st.lists(st.tuples(st.integers(0, RANKS - 1), st.integers(1, 4)), max_size=40),
)
def test_when_lagging_topics_deliver_in_time_delivery_does_not_change_the_order(
    times: list[list[int]], arrivals: list[tuple[int, int]]
) -> None:
    lanes = [lane(rank, *each) for rank, each in enumerate(times)]
    merge = Merge(RANKS, 500)
    added = [0] * RANKS
    for rank, messages in enumerate(lanes):
        merge.know(rank, behind=bool(messages))
    taken: list[Message] = []
    for rank, count in [*arrivals, *((rank, 12) for rank in range(RANKS))]:
        begin, added[rank] = added[rank], min(added[rank] + count, len(lanes[rank]))
        merge.add(rank, lanes[rank][begin : added[rank]])
        merge.know(rank, behind=added[rank] < len(lanes[rank]))
        taken += merge.take(100, 0)
    assert taken == reference_merge(lanes)


def test_one_busy_topic_costs_under_a_microsecond_a_message() -> None:
    messages = lane(TRADES, *range(100_000))
    merge = Merge(RANKS, 500)
    began = time.process_time()
    merge.add(TRADES, messages)
    while merge.take(1000, 0):
        pass
    assert time.process_time() - began < 0.1


def heavy(offset: int) -> Message:
    return message(TRADES, offset, offset)._replace(value=b"x" * (1024 * 1024))


def test_a_buffer_is_as_full_as_its_messages_are_many_or_heavy() -> None:
    merge = Merge(RANKS, wait_ms=0)
    merge.add(PRICES, lane(PRICES, *range(50)))
    assert merge.fullness(PRICES, 100) == 0.5
    merge.add(TRADES, [heavy(at) for at in range(32)])
    assert merge.fullness(TRADES, 100) == 2
    merge.take(58, now_ms=0)
    assert merge.fullness(TRADES, 100) < 2
    merge.take(100, now_ms=0)
    assert merge.fullness(TRADES, 100) == 0


def test_what_is_too_heavy_is_dropped_behind_the_first_and_read_again() -> None:
    merge = Merge(RANKS, wait_ms=0)
    merge.add(TRADES, [heavy(at) for at in range(50)])
    assert merge.trim(TRADES, 1000) == 16
    assert merge.fullness(TRADES, 1000) == 1
    assert merge.trim(TRADES, 1000) is None
    assert merge.trim(TRADES, 1) == 1
    huge = heavy(0)._replace(value=b"x" * (17 * 1024 * 1024))
    merge.add(PRICES, [huge, heavy(1)])
    assert merge.trim(PRICES, 1000) == 1, "one message stays, however large"
