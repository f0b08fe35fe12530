"""A stored log of each version of the rules is decided again to the same bytes, for ever."""

import json
from typing import Any

import pytest

from ledger.core.machine import RULES_VERSION, RULES_VERSIONS
from ledger.core.outcome import Purpose
from ledger.recovery import restore
from tests.replay.released import LOGS, ended, lived

KEPT = sorted(path.stem for path in LOGS.glob("*.json"))


def kept(name: str) -> dict[str, Any]:
    return json.loads((LOGS / f"{name}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_each_version_of_the_rules_has_its_log_and_the_way_to_the_next() -> None:
    crossings = {f"rules-{rules}-to-{rules + 1}" for rules in range(1, RULES_VERSION)}
    assert set(KEPT) == {f"rules-{rules}" for rules in RULES_VERSIONS} | crossings


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_log_leads_to_the_bytes_that_it_led_to(name: str) -> None:
    log = kept(name)
    found = ended(lived([(rules, message) for rules, message in log["messages"]]))
    assert found == {part: log[part] for part in found}


@pytest.mark.parametrize("name", KEPT)
def test_a_restart_decides_each_event_by_the_rules_of_its_time(name: str) -> None:
    desk = lived([(rules, message) for rules, message in kept(name)["messages"]])
    state, _ = restore(desk.log, desk.shard())
    assert state.journal.balances == desk.writer.state("main").journal.balances
    assert {row.rules for row in desk.rows()} == {rules for rules, _ in kept(name)["messages"]}


def test_the_versions_differ_where_they_say_they_do() -> None:
    older, newer = (lived(kept(f"rules-{rules}")["messages"]) for rules in (1, 2))
    left = []
    for desk in (older, newer):
        postings = desk.log.postings(desk.shard().shard, 1, 10**9)
        left.append([p[4] for _, _, p in postings if p[3] == Purpose.ROUNDING])
    assert left[0] != left[1]


def test_a_version_that_is_not_known_is_not_guessed() -> None:
    log = kept("rules-1")
    with pytest.raises(AssertionError, match="rules version 99 is not known"):
        lived([(99, message) for _, message in log["messages"]])
