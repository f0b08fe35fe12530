"""Logs are events with values, the same from everybody, and tell no password."""

import json
import logging
from collections.abc import Callable

import pytest

from consumers.telemetry_logs import logger, shown, without_passwords

SECRET = "hunter2"
Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_object_with_its_values(lines: Lines) -> None:
    with shown("info", "json"):
        logger("of.a.test").info("shard taken over", pool="main", offsets={"trades/0": 7})
    (line,) = lines()
    assert line.pop("timestamp")
    assert line == {
        "event": "shard taken over",
        "level": "info",
        "logger": "of.a.test",
        "pool": "main",
        "offsets": {"trades/0": 7},
    }


def test_records_of_libraries_come_the_same_way(lines: Lines) -> None:
    with shown("info", "json"):
        logging.getLogger("a.library").warning("lost %d of %d", 1, 2, extra={"peer": "b"})
    (line,) = lines()
    assert (line["event"], line["level"], line["peer"]) == ("lost 1 of 2", "warning", "b")


def test_what_is_below_the_level_is_not_shown(lines: Lines) -> None:
    with shown("warning", "json"):
        logger("of.a.test").info("quiet")
        logger("of.a.test").warning("loud")
    assert [line["event"] for line in lines()] == ["loud"]


@pytest.mark.parametrize(("level", "seen"), [("info", []), ("debug", ["step"])])
def test_every_step_of_the_kafka_client_is_for_debugging(
    lines: Lines, level: str, seen: list[str]
) -> None:
    with shown(level, "json"):
        logging.getLogger("kafka.client").info("step")
        logging.getLogger("kafka.protocol.parser").debug("sends a password of SASL PLAIN")
    assert [line["event"] for line in lines()] == seen


def test_without_a_terminal_a_line_is_json(lines: Lines) -> None:
    with shown("info"):
        logger("of.a.test").info("started")
    assert [line["event"] for line in lines()] == ["started"]


def test_people_get_a_line_without_braces(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("info", "console"):
        logger("of.a.test").info("started", pool="main")
    line = capsys.readouterr().err
    assert "started" in line
    assert "pool=main" in line
    assert "{" not in line


def refuse(secret: str) -> None:
    raise ConnectionError(f"user=clearing password={secret} host=db")


@pytest.mark.parametrize("as_format", ["console", "json"])
def test_no_password_is_shown_wherever_it_stands(
    capsys: pytest.CaptureFixture[str], as_format: str
) -> None:
    url = f"postgresql://clearing:{SECRET}@db/books"
    with shown("info", as_format):
        logger("of.a.test").info("started", books=url)
        logging.getLogger("a.library").warning("cannot reach %s", url)
        try:
            refuse(SECRET)
        except ConnectionError:
            logging.getLogger("a.library").exception("failed")
    shown_text = capsys.readouterr().err
    assert "ConnectionError" in shown_text
    assert "clearing:***@db" in shown_text
    assert SECRET not in shown_text


@pytest.mark.parametrize(
    "text", ["kafka-1:9092", "postgresql://clearing@db:5432/books", "a@b.c", "12:30 at 1:2"]
)
def test_what_is_no_password_stays(text: str) -> None:
    assert without_passwords(text) == text


@pytest.mark.parametrize(
    ("text", "shown_text"),
    [
        ("postgresql://u:p@ss:w@db/x", "postgresql://u:***@db/x"),
        (
            "postgresql://u@db/x?sslpassword=a&sslmode=require",
            "postgresql://u@db/x?sslpassword=***&sslmode=require",
        ),
        ("host=db password = 'abc' port=1", "host=db password = *** port=1"),
    ],
)
def test_a_password_is_blotted_out_in_each_spelling(text: str, shown_text: str) -> None:
    assert without_passwords(text) == shown_text


def test_afterwards_everything_is_as_it_was() -> None:
    root, kafka = logging.getLogger(), logging.getLogger("kafka")
    before = root.handlers, root.level, kafka.level
    with pytest.raises(RuntimeError), shown("error", "json"):
        raise RuntimeError
    assert (root.handlers, root.level, kafka.level) == before
