"""Verdicts of the doctor on topics and offsets."""

import pytest

from consumers.admin import Described
from consumers.doctor import (
    LAG_WARN,
    Range,
    identity_check,
    lag_check,
    newest_check,
    offsets_check,
    others_check,
    retention_check,
    topics_check,
)
from consumers.settings import RunSettings
from consumers.topics import roles
from ledger.audit.doctor.check import Verdict
from ledger.ports import Source

SETTINGS = RunSettings("kafka:9092")
TOPICS = list(roles("clearing"))
PLACE = ("clearing.trades", 0)


def described(**counts: int) -> Described:
    partitions = {topic: counts.get(topic.rpartition(".")[2], 4) for topic in TOPICS}
    there = {topic: count for topic, count in partitions.items() if count}
    return Described("kafka-1", {topic: f"id-of-{topic}" for topic in there}, there)


def test_topics_are_there_with_equal_partitions() -> None:
    assert topics_check(SETTINGS, described()).verdict is Verdict.OK
    missing = topics_check(SETTINGS, described(prices=0))
    assert (missing.verdict, missing.found) == (Verdict.BAD, "there is no clearing.prices")
    unequal = topics_check(SETTINGS, described(trades=8))
    assert unequal.verdict is Verdict.BAD
    assert "clearing.trades 8" in unequal.found


def test_a_missing_topic_of_our_own_is_a_warning() -> None:
    assert others_check(["clearing.records"], described()).verdict is Verdict.WARN
    assert others_check(["clearing.trades"], described()).verdict is Verdict.OK


def test_a_recreated_topic_is_found() -> None:
    known = Source("kafka-1", "id-of-clearing.trades", "clearing.trades")
    assert identity_check(described(), {(known, 0): 7}).verdict is Verdict.OK
    other = known._replace(topic_id="of-another")
    assert identity_check(described(), {(other, 0): 7}).verdict is Verdict.BAD
    both = {(other, 0): 7, (known, 0): 2}
    assert identity_check(described(), both).verdict is Verdict.OK, "accepted once"
    assert identity_check(described(), None).verdict is Verdict.SKIPPED
    file = Source("file", "f.jsonl", "clearing.trades")
    assert identity_check(described(), {(file, 0): 7}).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("config", "verdict"),
    [
        ({"retention.ms": "-1", "cleanup.policy": "delete"}, Verdict.OK),
        ({"retention.ms": "604800000"}, Verdict.WARN),
        ({}, Verdict.WARN),
        ({"retention.ms": "-1", "retention.bytes": "1000"}, Verdict.WARN),
        ({"retention.ms": "-1", "cleanup.policy": "compact"}, Verdict.BAD),
        ({"retention.ms": "-1", "cleanup.policy": "compact,delete"}, Verdict.BAD),
    ],
)
def test_a_topic_that_forgets_is_found(config: dict[str, str], verdict: Verdict) -> None:
    assert retention_check({"clearing.trades": config}).verdict is verdict


@pytest.mark.parametrize(
    ("following", "verdict", "said"),
    [
        (5, Verdict.OK, ""),
        (9, Verdict.OK, ""),
        (4, Verdict.BAD, "deleted before they were read: clearing.trades/0 from 4 to 4"),
        (10, Verdict.BAD, "truncated: clearing.trades/0 ends at 9, the books expect 10"),
    ],
)
def test_the_broker_must_have_what_comes_next(following: int, verdict: Verdict, said: str) -> None:
    check = offsets_check({PLACE: Range(5, 9)}, {PLACE: following})
    assert check.verdict is verdict
    assert said in check.found


def test_a_partition_that_was_never_read_is_no_loss() -> None:
    assert offsets_check({PLACE: Range(5, 9)}, {}).verdict is Verdict.OK
    assert lag_check({PLACE: Range(5, 9)}, {}).found == "4 messages"


def test_a_lag_at_the_bound_is_fine() -> None:
    ranges = {PLACE: Range(0, LAG_WARN + 1)}
    assert lag_check(ranges, {PLACE: 1}).verdict is Verdict.OK
    assert lag_check(ranges, {PLACE: 0}).verdict is Verdict.WARN


def test_a_producer_whose_clock_runs_ahead_is_found() -> None:
    assert newest_check(105_000, 100.0).verdict is Verdict.OK
    assert newest_check(105_001, 100.0).verdict is Verdict.WARN
    assert newest_check(None, 100.0).verdict is Verdict.SKIPPED
