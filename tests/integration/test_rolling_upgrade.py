"""Programs of two revisions in one Kafka group, while the schema is expanded under them.

The older one is the program of the commit before revision 0002, taken from this repository's
history. About a minute: with CLEARING_ROLLING_UPGRADE set.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from consumers import clients
from consumers.admin import create_topics
from consumers.settings import RunSettings
from ledger.ports import Message
from ledger.store import embedded
from ledger.store.migrate import migrate
from ledger.store.schema import REVISION
from tests.conftest import url_of
from tests.crash.books import (
    heads,
    require_letters,
    require_same,
    require_verified,
    write_faultless,
)
from tests.crash.history import START_MS, history, produce, trades
from tests.integration.consume.apache import ApacheKafka, NotAvailableError
from tests.integration.released_program import ROOT, NoHistoryError, unpacked

POOLS = ("main", "usd")
"""On two partitions, as their names are hashed."""

EVENTS, TRADES = 1_500, 16_000
PATIENCE_S = 120.0
"""For a member that starts, joins and catches up; on a busy machine its imports alone take long."""

STAND_STILL_S = 15.0
"""Longest that a pool stands still: until a dead member is noticed, and its pools are taken."""


class Member:
    """A `clearing run` of the group, with the code of a folder."""

    def __init__(self, code: Path, words: list[str], log: Path) -> None:
        program = "from ledger.cli import app; app()"
        environment = os.environ | {"PYTHONPATH": str(code), "CLEARING_SIGNING_KEY": "17" * 32}
        self.log = log
        with log.open("wb") as told:
            self.running = subprocess.Popen(
                [sys.executable, "-c", program, "run", *words, "--log-format", "json", "--quiet"],
                cwd=code,
                env=environment,
                stdout=told,
                stderr=told,
            )

    def said(self, event: str) -> list[dict[str, object]]:
        """What it logged under this name."""
        lines = self.log.read_text().splitlines()
        read = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}"))
        return [one for one in read if one["event"] == event]

    def took(self) -> set[str]:
        """Pools that it took over so far."""
        return {str(one["pool"]) for one in self.said("shard taken over")} & set(POOLS)

    def stop(self) -> None:
        """As an operator would; it ends well."""
        self.running.send_signal(signal.SIGTERM)
        assert self.running.wait(PATIENCE_S) == 0, self.log.read_text()[-1_500:]


@contextmanager
def kafka() -> Iterator[ApacheKafka]:
    try:
        broker = ApacheKafka()
    except NotAvailableError as why:
        pytest.skip(str(why))
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def older(tmp_path: Path) -> Path:
    try:
        return unpacked(tmp_path)
    except NoHistoryError as why:
        pytest.skip(str(why))


class Watch:
    """How far each pool is, and for how long it ever stood still."""

    def __init__(self, url: str, members: list[Member]) -> None:
        self._url = url
        self._members = members
        self._at: dict[str, tuple[int, float]] = {}
        self.longest = dict.fromkeys(POOLS, 0.0)

    def look(self) -> dict[str, int]:
        now = time.monotonic()
        for pool, (_, sequence) in heads(self._url).items():
            before, since = self._at.get(pool, (sequence, now))
            if pool in self.longest:
                self.longest[pool] = max(self.longest[pool], now - since)
            self._at[pool] = (sequence, since if sequence == before else now)
        return {pool: self._at.get(pool, (0, now))[0] for pool in POOLS}

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, f"{what}: {self._at}, {self._last_said()}"
            self.look()
            time.sleep(0.05)

    def _last_said(self) -> list[str]:
        """What each member logged last."""
        return [member.log.read_text()[-1_500:] for member in self._members]

    def both_go_on(self) -> None:
        """Until each pool has booked a hundred events more."""
        before = self.look()
        self.until(
            lambda: all(now > before[pool] + 100 for pool, now in self.look().items()),
            "both pools go on",
        )

    def restart(self) -> float:
        """Longest standstill until now; from here on a new count."""
        longest = max(self.longest.values())
        self.longest = dict.fromkeys(POOLS, 0.0)
        return longest


class Group:
    """The members, the books that they write, and how long these stood still at each step."""

    def __init__(self, url: str, settings: RunSettings, logs: Path) -> None:
        self._words = ["--kafka", settings.bootstrap_servers, "--topic-prefix", settings.prefix]
        self._words += ["--database-url", url, "--group", settings.prefix]
        self._logs = logs
        self.members: list[Member] = []
        self.watch = Watch(url, self.members)
        self.stood_still: dict[str, float] = {}

    def start(self, code: Path, batch: int = 1) -> Member:
        """Another member, which commits so many messages at once."""
        log = self._logs / f"{len(self.members)}.log"
        self.members.append(Member(code, [*self._words, "--batch-events", str(batch)], log))
        return self.members[-1]

    def end(self) -> None:
        for member in self.members:
            member.running.kill()
            member.running.wait()

    def require_going_on(self, step: str) -> None:
        """Each pool books a hundred events more after this step."""
        self.watch.both_go_on()
        self.stood_still[step] = self.watch.restart()

    def require_no_fault(self) -> None:
        for member in self.members:
            for fault in ("fence lost", "given up", "source changed", "books do not balance"):
                assert member.said(fault) == [], member.log.read_text()[-1_500:]


def _rolled(group: Group, older: Path, url: str) -> None:
    """Migrate under two older members; replace one, kill the other, let an older one come back."""
    first, second = group.start(older), group.start(older)
    group.watch.until(lambda: bool(first.took() and second.took()), "one pool each")
    group.require_going_on("start")

    assert migrate(url) == REVISION
    group.require_going_on("migration")

    second.stop()
    newer = group.start(ROOT)
    group.watch.until(lambda: bool(newer.took()), "the newer one takes a pool")
    group.require_going_on("replaced")
    assert newer.took() < set(POOLS), "the other pool is still the older one's"

    first.running.kill()
    group.watch.until(lambda: newer.took() == set(POOLS), "the newer one takes what is left")
    group.require_going_on("killed")

    back = group.start(older)
    group.watch.until(lambda: bool(back.took()), "an older one is let in again")
    group.require_going_on("back")
    back.stop()
    newer.stop()


@pytest.mark.kafka
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    "CLEARING_ROLLING_UPGRADE" not in os.environ, reason="CLEARING_ROLLING_UPGRADE is not set"
)
def test_a_group_is_upgraded_member_by_member_and_back_while_both_pools_are_written(
    postgres: embedded.Embedded, older: Path
) -> None:
    with ExitStack() as stack:
        settings, messages = _topics(stack)
        url, faultless = (stack.enter_context(_database(postgres, n)) for n in ("mixed", "pure"))
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clearing-")))
        group = Group(url, settings, logs)
        stack.callback(group.end)
        _migrated_by(older, url)
        _rolled(group, older, url)
        assert group.stood_still["migration"] < 2, "no pool waited for the migration"
        assert max(group.stood_still.values()) < STAND_STILL_S
        left = len(messages) - sum(group.watch.look().values())
        assert left > 100, "all of that happened while both pools were written"

        last = group.start(ROOT, batch=1000)
        write_faultless(faultless, settings.prefix, messages, 1000)
        expected = _ends(faultless)
        group.watch.until(lambda: _ends(url) == expected, "all of it")
        last.stop()
        require_same(url, faultless)
        require_verified(url)
        require_letters(url, settings)
        group.require_no_fault()
        said = ", ".join(f"{step} {time:.1f} s" for step, time in group.stood_still.items())
        sys.stderr.write(
            f"\nlongest standstill of a pool: {said}; {left} of {len(messages)} left\n"
        )


def _topics(stack: ExitStack) -> tuple[RunSettings, list[Message]]:
    """Topics of two partitions with all messages in them, on an Apache Kafka."""
    broker = stack.enter_context(kafka())
    settings = RunSettings(broker.bootstrap_servers, prefix=f"u{uuid.uuid4().hex[:8]}")
    create_topics(settings, 2)
    producer = clients.producer(settings)
    stack.callback(clients.retire, producer, 2)
    sent = history(3, POOLS, EVENTS) + trades(POOLS, TRADES, START_MS + 10_000_000)
    return settings, produce(producer, settings, sent)


def _ends(url: str) -> dict[str, int]:
    return {pool: end for pool, (_, end) in heads(url).items()}


@contextmanager
def _database(postgres: embedded.Embedded, name: str) -> Iterator[str]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        template = "template" if name == "pure" else "template1"
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        yield url_of(postgres, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _migrated_by(code: Path, url: str) -> None:
    """The older program's own `clearing migrate`."""
    program = "from ledger.cli import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", program, "migrate", "--database-url", url],
        cwd=code,
        env=os.environ | {"PYTHONPATH": str(code)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "0001" in done.stdout
