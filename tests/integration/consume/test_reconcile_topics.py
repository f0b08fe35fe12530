"""The engine's trades by topic: read to a known end, told by offsets, held to the books."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from kafka import TopicPartition
from typer.testing import CliRunner, Result

from consumers import clients
from consumers.topic_lines import Span, fetch
from consumers.topics import name
from ledger.cli import app
from ledger.errors import BrokerUnavailable, ConfigurationError, ImportFailed, TopicMissing
from tests.integration.consume.desk import START_MS, Desk, Event, event, opening, trade
from tests.integration.test_detaching import live

RULES = """
version = 1
[sources.engine]
kind = "trades"
format = "{format}"
"""


def bytes_of(events: Sequence[Event]) -> list[bytes]:
    return [json.dumps(each).encode() for each in events]


def called(desk: Desk, url: str, rules: Path, *words: str) -> Result:
    given = ["reconcile", "run", str(rules), "--kafka", desk.broker.bootstrap_servers]
    done = CliRunner().invoke(app, [*given, *words, "--database-url", url, "--quiet", "--json"])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(RULES.format(format="events"))
    return tmp_path / "rules.toml"


def test_a_topic_is_read_up_to_where_it_ended_and_the_same_bytes_are_read_again(
    wide_desk: Desk, tmp_path: Path
) -> None:
    topic = name(wide_desk.settings.prefix, "trades")
    sent = [trade(f"t{number}") for number in range(3)]
    for number, each in enumerate(sent):
        wide_desk.send(each, partition=number % 2)
    first = fetch(wide_desk.settings, topic, tmp_path)
    assert [part.name for part in first] == [f"{topic}@0:0-2", f"{topic}@1:0-1"]
    lines = bytes_of([sent[0], sent[2]])
    assert first[0].path.read_bytes().splitlines() == lines
    assert first[0].digest == hashlib.sha256(b"".join(b"%s\n" % each for each in lines)).hexdigest()
    assert list(first[0].offsets) == [0, 1]
    assert first[0].place(2) == f" of {topic}@0 offset 1"
    wide_desk.send(trade("late"), partition=0)
    (again,) = fetch(wide_desk.settings, topic, tmp_path, {0: Span(0, 2)})
    assert (again.name, again.digest) == (first[0].name, first[0].digest)
    (later,) = fetch(wide_desk.settings, topic, tmp_path, {0: Span(1, 3)})
    assert list(later.offsets) == [1, 2]


def test_a_topic_is_read_from_a_moment_on_and_by_key(wide_desk: Desk, tmp_path: Path) -> None:
    topic = name(wide_desk.settings.prefix, "trades")
    for number in range(4):
        pool = "main" if number % 2 else "other"
        wide_desk.send(trade(f"t{number}", pool=pool), at_ms=START_MS + number * 1000, partition=0)
    since = datetime.fromtimestamp(START_MS / 1000 + 1, UTC)
    found = fetch(wide_desk.settings, topic, tmp_path, since=since, key="main")
    assert [list(part.offsets) for part in found] == [[1, 3], []]
    assert [part.name for part in found] == [f"{topic}@0:1-4", f"{topic}@1:0-0"]
    after = datetime.fromtimestamp(START_MS / 1000 + 60, UTC)
    assert [part.name for part in fetch(wide_desk.settings, topic, tmp_path, since=after)] == [
        f"{topic}@0:4-4",
        f"{topic}@1:0-0",
    ]


def test_a_message_on_several_lines_is_one_line(desk: Desk, tmp_path: Path) -> None:
    value = json.dumps(trade("t1"), indent=1).replace("\n", "\r\n").encode()
    desk.put("trades", value)
    (part,) = fetch(desk.settings, name(desk.settings.prefix, "trades"), tmp_path)
    (line,) = part.path.read_bytes().splitlines()
    assert json.loads(line) == trade("t1")
    assert part.digest == hashlib.sha256(value + b"\n").hexdigest()


def test_what_the_broker_does_not_have_is_refused(desk: Desk, tmp_path: Path) -> None:
    topic = name(desk.settings.prefix, "trades")
    desk.send(trade("t1"))
    with pytest.raises(TopicMissing, match="topic nowhere does not exist"):
        fetch(desk.settings, "nowhere", tmp_path)
    with pytest.raises(ConfigurationError, match="has 1 partitions, there is no 7"):
        fetch(desk.settings, topic, tmp_path, {7: Span(0, 1)})
    with pytest.raises(
        ConfigurationError, match="offsets 0 to before 9 were asked for, the broker"
    ):
        fetch(desk.settings, topic, tmp_path, {0: Span(0, 9)})
    with pytest.raises(ConfigurationError, match="offsets 1 to before 0 were asked for"):
        fetch(desk.settings, topic, tmp_path, {0: Span(1, 0)})
    nowhere = desk.settings._replace(bootstrap_servers="localhost:1", request_timeout_ms=500)
    with pytest.raises(BrokerUnavailable):
        fetch(nowhere, topic, tmp_path)


def test_a_message_without_a_value_is_refused(desk: Desk, tmp_path: Path) -> None:
    topic = name(desk.settings.prefix, "trades")
    producer = clients.producer(desk.settings)
    producer.send(topic, key=b"main", value=None, partition=0).get(10)
    clients.retire(producer, 10)
    with pytest.raises(ImportFailed, match="@0 offset 0: the message has no value"):
        fetch(desk.settings, topic, tmp_path)


def test_nothing_is_committed_and_no_group_is_joined(desk: Desk, tmp_path: Path) -> None:
    topic = name(desk.settings.prefix, "trades")
    desk.send(trade("t1"))
    settings = desk.settings._replace(group="engine-room")
    fetch(settings, topic, tmp_path)
    reader = clients.consumer(settings)
    try:
        assert reader.committed(TopicPartition(topic, 0)) is None
    finally:
        reader.close()


def test_trades_of_a_topic_are_those_of_the_books_and_a_run_of_its_offsets_is_the_same(
    desk: Desk, database_url: str, rules: Path
) -> None:
    trades = [trade(f"t{number}", trade_id=f"x-{number}") for number in range(5)]
    bust = event("bust", "trade_bust", trade_event_id="t3", reason="error")
    live(database_url, bytes_of([*opening(), *trades, bust]))
    desk.send(*trades, trade("t9", pool="other"), bust)
    topic = name(desk.settings.prefix, "trades")
    done = called(desk, database_url, rules, "--topic", f"engine={topic}", "--dry-run")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["breaks"] == []
    assert found["compared"][0]["matched"] == {"busted": 1, "exact_reference": 4}
    (read,) = found["inputs"]
    assert (read["file"], read["lines"]) == (f"{topic}@0:0-7", 4)
    desk.send(trade("t5", trade_id="x-5"))
    words = ("--topic", f"engine={read['file']}", "--dry-run")
    again = json.loads(called(desk, database_url, rules, *words).stdout)
    assert again["inputs"] == found["inputs"]
    assert again["result_hash"] == found["result_hash"]


def test_a_trade_of_the_topic_that_the_books_do_not_have_is_kept_as_a_break_with_its_place(
    desk: Desk, database_url: str, rules: Path
) -> None:
    trades = [trade(f"t{number}", trade_id=f"x-{number}") for number in range(3)]
    wrong = trade("t2", trade_id="x-2", quantity="3")
    live(database_url, bytes_of([*opening(), trades[0], wrong]))
    desk.send(*trades)
    topic = name(desk.settings.prefix, "trades")
    done = called(desk, database_url, rules, "--topic", f"engine={topic}", "--by", "rosa")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert {one["type"]: (one["subject"], one["difference"]) for one in found["breaks"]} == {
        "missing_here": ("x-1", "-1"),
        "amount": ("x-2", "2"),
    }
    missing = next(one for one in found["breaks"] if one["type"] == "missing_here")
    assert f"line 2 of {topic}@0 offset 1" in missing["says"] + " ".join(
        missing["their_references"]
    )
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT name, lines, encode(content_hash, 'hex') FROM back_office.run_input"
        ).fetchone()
    digest = hashlib.sha256(b"".join(b"%s\n" % each for each in bytes_of(trades))).hexdigest()
    assert row == (f"{topic}@0:0-3", 3, digest)


def test_messages_of_an_engine_of_its_own_are_read_by_a_mapping(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    live(database_url, bytes_of([*opening(), trade("t1", trade_id="x-1")]))
    mapped = '[sources.engine.mapping]\ncolumns = { trade_id = "id", quantity = "q.n" }\n'
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES.format(format="trades-jsonl") + mapped)
    told = {"id": "x-1", "at": "2024-01-01T00:00:00Z", "instrument": "BTC-PERP", "price": "100"}
    told |= {"buyer": "alice", "seller": "bob"}
    desk.put("prices", json.dumps({**told, "q": {"n": "1"}}).encode(), key="any")
    topic = name(desk.settings.prefix, "prices")
    done = called(desk, database_url, rules, "--topic", f"engine={topic}", "--dry-run")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["compared"][0]["matched"] == {"exact_reference": 1}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--topic", "engine"), "expected SOURCE=TOPIC"),
        (("--topic", "bank=t"), "the rules have no source bank; they have engine"),
        (("--topic", "engine=t@0:5"), "expected offsets like 0:100-250"),
        (("--topic", "engine=t@0:1-2,0:3-4"), "each partition once"),
        (("--topic", "engine=t", "--topic", "engine=t@0:1-2"), "named twice"),
        (("--topic", "engine=t", "--topic-since", "monday"), "expected a time like"),
    ],
)
def test_a_topic_that_is_asked_for_wrongly_is_told(
    database_url: str, rules: Path, words: tuple[str, ...], why: str
) -> None:
    given = ["reconcile", "run", str(rules), "--by", "rosa", "--database-url", database_url]
    done = CliRunner().invoke(app, [*given, *words])
    assert isinstance(done.exception, ConfigurationError)
    assert why in str(done.exception)


def test_a_format_that_has_no_messages_cannot_come_by_topic(
    database_url: str, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES.format(format="fix"))
    given = ["reconcile", "run", str(rules), "--topic", "engine=t", "--by", "rosa"]
    done = CliRunner().invoke(app, [*given, "--database-url", database_url])
    assert isinstance(done.exception, ConfigurationError)
    assert "the source has the format fix" in str(done.exception)
