"""Every command that speaks to Kafka does so over TLS with a password, and says why when it cannot.

On an Apache Kafka that asks for both, and keeps lists of rights.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaConsumer, TopicPartition
from typer.testing import CliRunner, Result

from ledger.cli import app
from ledger.errors import BrokerError, BrokerUnavailable, ConfigurationError, LedgerError
from tests.integration.consume.apache import NotAvailableError
from tests.integration.security.secured import (
    PASSWORD,
    STRANGER,
    USER,
    Authority,
    SecuredKafka,
)
from tests.integration.test_commands import FIRST, LATE, written

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
SOURCES = ("reference", "transfers", "prices", "funding", "trades")
ROLES = (*SOURCES, "records", "dead-letters", "checkpoints")
WRONG = "wr0ng-pa55word"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secured")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def kafka(folder: Path, authority: Authority) -> Iterator[SecuredKafka]:
    try:
        running = SecuredKafka(folder, authority)
    except NotAvailableError as missing:
        pytest.skip(str(missing))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch, kafka: SecuredKafka, authority: Authority) -> None:
    """An environment that is right in everything."""
    for name, value in {
        "CLEARING_KAFKA": kafka.secured,
        "CLEARING_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "CLEARING_KAFKA_SSL_CAFILE": str(authority.certificate),
        "CLEARING_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "CLEARING_KAFKA_SASL_USERNAME": USER,
        "CLEARING_KAFKA_SASL_PASSWORD": PASSWORD,
    }.items():
        monkeypatch.setenv(name, value)


def _clearing(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def _done(*words: str) -> str:
    done = _clearing(*words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def _length(kafka: SecuredKafka, topic: str) -> int:
    """Messages of a topic of one partition."""
    reader = KafkaConsumer(bootstrap_servers=kafka.bootstrap_servers)
    try:
        place = TopicPartition(topic, 0)
        return int(reader.end_offsets([place])[place])
    finally:
        reader.close()


def _commands(database_url: str, prefix: str) -> list[list[str]]:
    """One call of each command that speaks to Kafka, in the order in which they make sense."""
    database, topics = ["--database-url", database_url], ["--topic-prefix", prefix]
    return [
        ["topics", "--create", "1", *topics],
        ["produce", str(FIRST), "--quiet", *topics],
        ["run", "--drain", "--quiet", *database, *topics],
        ["publish", "--once", "--quiet", *database, *topics],
    ]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_events_go_to_the_books_and_records_and_dead_letters_come_back(
    kafka: SecuredKafka,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mechanism: str,
) -> None:
    monkeypatch.setenv("CLEARING_KAFKA_SASL_MECHANISM", mechanism)
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text(f"{PASSWORD}\n")
    monkeypatch.delenv("CLEARING_KAFKA_SASL_PASSWORD")
    monkeypatch.setenv("CLEARING_KAFKA_SASL_PASSWORD_FILE", str(password))
    make, send, run, publish = _commands(database_url, mechanism.lower())
    _done(*make)
    _done(*send)
    late = written(tmp_path / "late.jsonl", LATE)
    _done("produce", late, "--quiet", "--topic-prefix", mechanism.lower())
    _done(*run)
    with psycopg.connect(database_url) as connection:
        codes = connection.execute("SELECT code FROM reporting.rejections").fetchall()
    assert codes == [("unknown_account",)]
    published = json.loads(_done(*publish, "--json"))
    assert published["published"] >= 1
    assert published["behind"] == 0
    assert _length(kafka, f"{mechanism.lower()}.dead-letters") == 1
    assert _length(kafka, f"{mechanism.lower()}.records") == published["published"]


def _refusals(
    database_url: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> list[BrokerError | ConfigurationError]:
    """What each command is refused with; none shows a password, in whatever it writes."""
    found = []
    for words in _commands(database_url, prefix):
        with caplog.at_level(logging.DEBUG):
            done = _clearing(*words)
        assert isinstance(done.exception, BrokerError | ConfigurationError), (words, done.output)
        shown = f"{done.output}{caplog.text}{done.exception!r}"
        assert PASSWORD not in shown
        assert WRONG not in shown
        found.append(done.exception)
    return found


def test_a_wrong_password_stops_each_command_at_once_and_says_where_it_came_from(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CLEARING_KAFKA_SASL_PASSWORD", WRONG)
    for refusal in _refusals(database_url, "wrong", caplog):
        assert not isinstance(refusal, BrokerUnavailable), "nothing that may be tried again"
        assert "check CLEARING_KAFKA_SASL_USERNAME and CLEARING_KAFKA_SASL_PASSWORD" in str(refusal)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_no_level_of_the_log_shows_the_password(
    database_url: str, monkeypatch: pytest.MonkeyPatch, mechanism: str
) -> None:
    monkeypatch.setenv("CLEARING_KAFKA_SASL_MECHANISM", mechanism)
    _done("topics", "--create", "1", "--topic-prefix", "told")
    for words in (["run", "--drain", "--quiet"], ["publish", "--once", "--quiet"]):
        where = ["--database-url", database_url, "--topic-prefix", "told"]
        done = _clearing(*words, *where, "--log-level", "debug", "--log-format", "json")
        assert done.exit_code == 0, (done.output, done.exception)
        assert "kafka" in done.stderr, "the client's own log is shown"
        assert PASSWORD not in done.output


def test_a_certificate_that_nobody_here_trusts_stops_each_command_at_once(
    database_url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = Authority(folder, "other")
    monkeypatch.setenv("CLEARING_KAFKA_SSL_CAFILE", str(other.certificate))
    for refusal in _refusals(database_url, "untrusted", caplog):
        assert not isinstance(refusal, BrokerUnavailable)
        assert "not trusted" in str(refusal)
        assert "CLEARING_KAFKA_SSL_CAFILE" in str(refusal)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"CLEARING_KAFKA": "localhost"}, "not valid for 'localhost'"),
        ({"CLEARING_KAFKA_SSL_CAFILE": ""}, "is not trusted"),
        ({"CLEARING_KAFKA_SSL_CAFILE": __file__}, "are PEM files"),
        ({"CLEARING_KAFKA": "open"}, "breaks the TLS handshake off"),
        ({"CLEARING_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}, "has no such mechanism"),
        ({"CLEARING_KAFKA_SASL_USERNAME": STRANGER}, "lists do not allow that to this user"),
    ],
)
def test_what_is_wrong_between_us_and_the_broker_is_named(
    kafka: SecuredKafka,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    reason: str,
) -> None:
    servers = {
        "localhost": kafka.secured.replace("127.0.0.1", "localhost"),
        "open": kafka.bootstrap_servers,
    }
    for name, value in changes.items():
        monkeypatch.setenv(name, servers.get(value, value))
    done = _clearing("topics", "--create", "1", "--topic-prefix", "named")
    assert isinstance(done.exception, BrokerError | ConfigurationError), done.output
    assert not isinstance(done.exception, BrokerUnavailable)
    assert reason in str(done.exception)
    assert PASSWORD not in f"{done.output}{done.exception!r}"


def test_a_user_with_the_rights_of_the_page_runs_its_command_and_no_other(
    kafka: SecuredKafka, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the table of docs/reference/settings.md has it."""
    prefix = "lists"
    rights: dict[str, dict[str, tuple[str, list[str]]]] = {
        "topics": {"CLUSTER": ("", ["CREATE"])}
        | {f"TOPIC {name}": (f"{prefix}.{name}", ["DESCRIBE"]) for name in ROLES},
        "produce": {f"TOPIC {name}": (f"{prefix}.{name}", ["WRITE"]) for name in SOURCES},
        "run": {f"TOPIC {name}": (f"{prefix}.{name}", ["READ"]) for name in SOURCES}
        | {"TOPIC": (f"{prefix}.dead-letters", ["READ", "WRITE"])},
        "publish": {
            f"TOPIC {name}": (f"{prefix}.{name}", ["READ", "WRITE"])
            for name in ("records", "checkpoints")
        },
    }
    for user, its in rights.items():
        kafka.admit(user, its)
    for words in _commands(database_url, prefix):
        for user in rights:
            monkeypatch.setenv("CLEARING_KAFKA_SASL_USERNAME", user)
            if user != words[0]:
                done = _clearing(*words)
                assert isinstance(done.exception, LedgerError), (user, words, done.output)
        monkeypatch.setenv("CLEARING_KAFKA_SASL_USERNAME", words[0])
        _done(*words)
