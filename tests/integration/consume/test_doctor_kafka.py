"""The doctor looks at real topics, and finds what was done to them."""

from collections.abc import Mapping

from consumers.doctor import examined
from consumers.topics import roles
from ledger.audit.doctor.check import Verdict
from ledger.ports import Source
from tests.integration.consume.desk import Desk, opening, trade

Stored = dict[tuple[Source, int], int]


def stored(desk: Desk) -> Stored:
    return {(one.source, one.partition): one.next_offset for one in desk.log.offsets()}


def verdicts(desk: Desk, offsets: Mapping[tuple[Source, int], int] | None) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in examined(desk.settings, offsets)}


def test_topics_that_the_books_have_read_are_sound(desk: Desk) -> None:
    desk.send(*opening(), *(trade(f"t{number}") for number in range(20)))
    desk.run()
    found = verdicts(desk, stored(desk))
    assert {name for name, verdict in found.items() if verdict is not Verdict.OK} <= {"retention"}
    assert found.keys() >= {"Kafka", "topics", "topic ids", "offsets", "lag", "producers' clock"}
    assert found["retention"] is not Verdict.BAD


def test_what_was_done_to_topics_is_found(desk: Desk) -> None:
    desk.send(*opening())
    desk.run()
    beyond = {place: offset + 1_000 for place, offset in stored(desk).items()}
    assert verdicts(desk, beyond)["offsets"] is Verdict.BAD
    others = {
        (source._replace(topic_id="recreated"), number): offset
        for (source, number), offset in stored(desk).items()
    }
    assert verdicts(desk, others)["topic ids"] is Verdict.BAD


def test_without_books_the_topics_are_still_looked_at(desk: Desk) -> None:
    found = verdicts(desk, None)
    assert (found["topics"], found["offsets"]) == (Verdict.OK, Verdict.SKIPPED)


def test_missing_topics_and_a_broker_that_is_away_are_findings(desk: Desk) -> None:
    elsewhere = desk.settings._replace(prefix="nowhere")
    checks = {check.name: check for check in examined(elsewhere, {})}
    assert checks["topics"].verdict is Verdict.BAD
    assert next(iter(roles("nowhere"))) in checks["topics"].found
    away = desk.settings._replace(bootstrap_servers="nowhere.invalid:9092", request_timeout_ms=500)
    assert [check.verdict for check in examined(away, {})] == [Verdict.BAD]
