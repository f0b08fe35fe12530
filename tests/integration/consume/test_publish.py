"""Records from the books to the topic: on both brokers, from PostgreSQL, through crashes."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from kafka import TopicPartition
from typer.testing import CliRunner, Result

from consumers import admin, clients
from consumers.publisher import publish
from consumers.records import Outgoing, RecordsTopic, partition_of
from consumers.settings import RunSettings
from consumers.topics import RECORDS, name
from ledger.assembly import writing
from ledger.cli import app
from ledger.errors import BrokerError, ConfigurationError, LedgerError, SourceChanged
from ledger.ports import Message, Source
from ledger.store.log.feed import PostgresFeed
from ledger.store.log.postgres import PostgresLog
from tests.integration.consume.apache import ApacheKafka, NotAvailableError
from tests.integration.consume.desk import START_MS, Broker, Desk, event, opening

# A broker that is killed or hangs leaves sockets that kafka-python drops without closing them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

HALF_A_CHUNK = """
from kafka import KafkaProducer
from consumers import clients
from ledger.cli import main
clients.KafkaProducer = lambda **settings: KafkaProducer(**{**settings, "batch_size": 2_000})
main()
"""
"""The command with batches of a few records, so that a kill finds chunks half sent."""

ROOT = Path(__file__).resolve().parents[3]
Place = tuple[int, int]


class Market:
    """Prices that make marks in several pools, straight into the books."""

    def __init__(self, url: str, pools: Sequence[str]) -> None:
        self._url = url
        self._pools = pools
        self._numbers = count()
        with writing(url, "market") as (_, writer):
            for pool in pools:
                writer.take([self._message(each) for each in opening(pool)])

    def tick(self, *pools: str) -> None:
        """One price for each."""
        with writing(self._url, "market") as (_, writer):
            writer.take([self._price(pool) for pool in pools])

    def run(self, stop: threading.Event, seed: int) -> None:
        """Batches of prices, the first pools the busiest, until stopped."""
        chance = random.Random(seed)
        with writing(self._url, "market") as (_, writer):
            while not stop.is_set():
                busy = chance.randrange(len(self._pools)) * chance.randrange(2)
                writer.take(
                    [self._price(self._pools[busy]) for _ in range(chance.choice([1, 250]))]
                )
                time.sleep(0.05)

    def _price(self, pool: str) -> Message:
        number = next(self._numbers)
        price = f"{100 + number % 100}.{number % 89 + 10}"
        fields = {"instrument": "BTC-PERP", "mark_price": price}
        return self._message(event(f"p-{number}", "price", pool=pool, **fields))

    def _message(self, wire: dict[str, object]) -> Message:
        source = Source("file", "market", "market")
        value = json.dumps(wire).encode()
        return Message(source, 0, next(self._numbers), START_MS, None, value)


def stored(url: str) -> dict[str, dict[Place, dict[str, object]]]:
    """All records of the books by pool and place, in order."""
    with closing(PostgresLog.connect(url, "test")) as log:
        return {
            shard.name: {
                (sequence, line): record.body
                for sequence, line, record in log.records(shard.shard, 1, shard.next_sequence)
            }
            for shard in log.shards()
            if not shard.name.startswith("@")
        }


class Received:
    """What a reader of the topic gets.

    Attributes:
        first: By pool, the place of each record in the order of first appearance, with its body.
        messages: How many in all.
    """

    def __init__(self, settings: RunSettings) -> None:
        self.first: dict[str, dict[Place, dict[str, object]]] = {}
        self.messages = 0
        topic = RecordsTopic(settings)
        with closing(topic), closing(clients.consumer(settings._replace(group=None))) as reader:
            ends = topic.ends()
            for number, end in enumerate(ends):
                place = TopicPartition(topic.name, number)
                reader.assign([place])
                reader.seek(place, 0)
                while reader.position(place) < end:
                    for record in reader.poll(500).get(place, ()):
                        self._take(record.key, record.value, dict(record.headers))
                        assert partition_of(record.key.decode(), len(ends)) == number

    def _take(self, key: bytes, value: bytes, headers: dict[str, bytes]) -> None:
        told = json.loads(value)
        for header in ("pool", "sequence", "line", "kind"):
            assert headers[header].decode() == str(told[header])
        assert key.decode() == told["pool"]
        self.messages += 1
        pool = self.first.setdefault(told["pool"], {})
        body = pool.setdefault((told["sequence"], told["line"]), told["body"])
        assert body == told["body"]


def require_all(settings: RunSettings, url: str) -> Received:
    """Every record of the books is on the topic, first seen in order; and no other."""
    received = Received(settings)
    for pool, records in stored(url).items():
        found = received.first.get(pool, {})
        assert list(found) == list(records), pool
        assert found == records, pool
    return received


@pytest.fixture
def pools(desk: Desk) -> list[str]:
    return [f"{desk.settings.prefix}-{each}" for each in ("busy", "calm", "quiet")]


def published(desk: Desk, url: str, *words: str) -> Result:
    command = ["publish", "--once", "--json", "--database-url", url, *words]
    where = ["--kafka", desk.broker.bootstrap_servers, "--topic-prefix", desk.settings.prefix]
    done = CliRunner().invoke(app, [*command, *where], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def test_once_publishes_up_to_the_head_and_the_next_goes_on_there(
    wide_desk: Desk, database_url: str
) -> None:
    pools = ["main", "usd"]
    assert {partition_of(pool, 2) for pool in pools} == {0, 1}
    market = Market(database_url, pools)
    market.tick(*pools, "main")
    first = published(wide_desk, database_url)
    told = json.loads(first.stdout)
    assert told.pop("checkpoints") > 0
    assert told == {"published": 3, "behind": 0}
    again = json.loads(published(wide_desk, database_url).stdout)
    assert again == {"published": 0, "checkpoints": 0, "behind": 0}
    market.tick("usd")
    assert json.loads(published(wide_desk, database_url).stdout)["published"] == 1
    assert require_all(wide_desk.settings, database_url).messages == 4
    again = published(wide_desk, database_url, "--pool", "main", "--from", "1")
    assert json.loads(again.stdout)["published"] == 2
    assert require_all(wide_desk.settings, database_url).messages == 6


def test_a_topic_that_was_made_anew_gets_everything(desk: Desk, database_url: str) -> None:
    Market(database_url, ["main"]).tick(*["main"] * 5)
    published(desk, database_url)
    delete(desk)
    with pytest.raises(ConfigurationError, match="clearing topics --create"):
        published(desk, database_url)
    admin.create_topics(desk.settings, 1)
    assert json.loads(published(desk, database_url).stdout)["published"] == 5
    require_all(desk.settings, database_url)


def test_a_topic_made_anew_under_a_running_publisher_is_noticed(
    desk: Desk, database_url: str
) -> None:
    market = Market(database_url, ["main"])
    market.tick(*["main"] * 5)
    with following(desk.settings._replace(sources_check_ms=100), database_url):
        until(lambda: Received(desk.settings).messages == 5)
        delete(desk)
        time.sleep(0.5)  # the publisher sees that there is none
        admin.create_topics(desk.settings, 1)
        until(lambda: Received(desk.settings).messages >= 5)
        market.tick("main")
        until(lambda: len(Received(desk.settings).first.get("main", {})) == 6)


def test_it_goes_on_when_the_database_dropped_its_connection(desk: Desk, database_url: str) -> None:
    market = Market(database_url, ["main"])
    market.tick("main")
    with following(desk.settings, database_url):
        until(lambda: Received(desk.settings).messages == 1)
        with closing(PostgresLog.connect(database_url, "test")) as log:
            log.connection.execute("RESET ROLE")
            ended = log.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'follower'"
            ).fetchall()
        assert ended == [(True,)]
        market.tick("main")
        until(lambda: Received(desk.settings).messages >= 2)
    assert require_all(desk.settings, database_url).messages == 2


def test_messages_are_read_backwards_over_several_stretches(desk: Desk) -> None:
    sent = [Outgoing(0, b"k", b"v", [("n", b"%d" % number)]) for number in range(400)]
    with closing(RecordsTopic(desk.settings)) as topic:
        assert topic.ends() == [0]
        assert list(topic.backwards(0, 0)) == []
        assert topic.send(sent[:150]) == {0: (0, 149)}
        assert topic.send(sent[150:]) == {0: (150, 399)}
        assert topic.ends() == [400]
        found = [(kept.offset, int(kept.headers["n"])) for kept in topic.backwards(0, 400)]
        assert found == [(number, number) for number in reversed(range(400))]
        assert next(topic.backwards(0, 300)).offset == 299
        topic.check()


def test_a_record_of_several_mebibytes_is_taken(desk: Desk) -> None:
    with closing(RecordsTopic(desk.settings)) as topic:
        assert topic.send([Outgoing(0, b"k", b"v" * 6_000_000, [])]) == {0: (0, 0)}


def test_a_record_that_is_too_large_is_named(desk: Desk) -> None:
    headers = [("pool", b"main"), ("sequence", b"7"), ("line", b"2"), ("kind", b"deleveraging")]
    with (
        closing(RecordsTopic(desk.settings)) as topic,
        pytest.raises(BrokerError, match=r"deleveraging of pool main, sequence 7, line 2 has 17"),
    ):
        topic.send([Outgoing(0, b"k", b"v" * 17_000_000, headers)])


def test_a_publisher_killed_at_any_moment_skips_nothing(
    broker: Broker, wide_desk: Desk, database_url: str, tmp_path: Path
) -> None:
    kills = 15 if broker.name == "apache" else 4
    pools = ["busy", "calm", "third", "quiet"]
    market = Market(database_url, pools)
    market.tick("quiet")
    chance = random.Random(1)
    log = tmp_path / "publish.log"
    ends = []
    with growing(market, 1):
        for _ in range(kills):
            with clearing_publish(wide_desk, database_url, log):
                wait_until_it_publishes(wide_desk)
                time.sleep(chance.uniform(0, 0.5))
            ends.append(length(wide_desk))
    assert sorted(set(ends)) == ends, "each of them published something"
    published(wide_desk, database_url)
    require_all(wide_desk.settings, database_url)


def test_two_publishers_at_once_killed_in_turn_skip_nothing(
    broker: Broker, wide_desk: Desk, database_url: str, tmp_path: Path
) -> None:
    kills = 8 if broker.name == "apache" else 2
    pools = ["busy", "calm", "third", "quiet"]
    market = Market(database_url, pools)
    chance = random.Random(3)
    log = tmp_path / "publish.log"
    with growing(market, 3), clearing_publish(wide_desk, database_url, log) as steady:
        wait_until_it_publishes(wide_desk)
        for _ in range(kills):
            with clearing_publish(wide_desk, database_url, log) as running:
                wait_until_it_publishes(wide_desk)
                time.sleep(chance.uniform(0, 2))
                running.kill()
        assert steady.poll() is None, log.read_text()
        steady.send_signal(signal.SIGTERM)
        assert steady.wait(30) == 0, log.read_text()
    published(wide_desk, database_url)
    require_all(wide_desk.settings, database_url)


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_a_broker_that_hangs_costs_repetitions_and_nothing_else(database_url: str) -> None:
    try:
        kafka = ApacheKafka()
    except NotAvailableError as missing:
        pytest.skip(str(missing))
    settings = RunSettings(
        kafka.bootstrap_servers, prefix="hanging", request_timeout_ms=1_000, retries_max=1_000
    )
    pools = ["busy", "calm", "quiet"]
    market = Market(database_url, pools)
    chance = random.Random(4)
    broker_id = kafka._running.pid
    try:
        patient = settings._replace(request_timeout_ms=20_000)
        admin.create_topics(patient, 2)
        with growing(market, 4), following(settings, database_url):
            for _ in range(5):
                time.sleep(chance.uniform(1, 3))
                os.kill(broker_id, signal.SIGSTOP)
                time.sleep(chance.uniform(0.5, 6))
                os.kill(broker_id, signal.SIGCONT)
        publish(patient._replace(drain=True), lambda: PostgresFeed.connect(database_url, "test"))
        require_all(patient, database_url)
    finally:
        os.kill(broker_id, signal.SIGCONT)
        kafka.stop()


@contextmanager
def growing(market: Market, seed: int) -> Iterator[None]:
    """Books that grow meanwhile."""
    stop = threading.Event()
    ended: list[bool] = []

    def run() -> None:
        market.run(stop, seed)
        ended.append(True)

    running = threading.Thread(target=run)
    running.start()
    try:
        yield
    finally:
        stop.set()
        running.join()
    assert ended, "the books did not grow to the end"


@contextmanager
def following(settings: RunSettings, url: str) -> Iterator[None]:
    """A publisher in a thread."""
    stop = threading.Event()
    faults: list[LedgerError] = []

    def run() -> None:
        try:
            publish(
                settings._replace(drain=False),
                lambda: PostgresFeed.connect(url, "follower"),
                stop=stop,
            )
        except LedgerError as fault:
            faults.append(fault)

    running = threading.Thread(target=run)
    running.start()
    try:
        yield
    finally:
        stop.set()
        running.join()
    assert not faults


@contextmanager
def clearing_publish(desk: Desk, url: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", HALF_A_CHUNK, "publish"]
    command += ["--kafka", desk.broker.bootstrap_servers, "--database-url", url]
    command += ["--topic-prefix", desk.settings.prefix]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def wait_until_it_publishes(desk: Desk) -> None:
    """Wait until the topic gets longer."""
    before = length(desk)
    until(lambda: length(desk) > before)


def length(desk: Desk) -> int:
    """Messages of all partitions."""
    with closing(RecordsTopic(desk.settings)) as topic:
        return sum(topic.ends())


def delete(desk: Desk) -> None:
    """The topic of records, as an operator does; a running publisher may have it made again."""
    wanted = name(desk.settings.prefix, RECORDS)
    before = admin.describe(desk.settings, [wanted]).topic_ids[wanted]
    with closing(clients.admin(desk.settings)) as client:
        client.delete_topics([wanted])
    until(lambda: admin.describe(desk.settings, [wanted]).topic_ids.get(wanted) != before)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait; a topic that is being made anew may answer with a fault meanwhile."""
    last = time.monotonic() + seconds
    while True:
        with suppress(SourceChanged, ConfigurationError, BrokerError):
            if condition():
                return
        assert time.monotonic() < last, "waited in vain"
        time.sleep(0.05)
