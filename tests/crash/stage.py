"""What a round has at hand: topics with a history, books, and programs that fill the books."""

import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import psycopg
from kafka import KafkaProducer

from consumers import clients
from consumers.admin import create_topics
from consumers.settings import RunSettings
from ledger.ports import Message
from tests.crash.books import (
    Wrong,
    heads,
    require_letters,
    require_same,
    require_verified,
    write_faultless,
)
from tests.crash.history import Sent, history, produce
from tests.crash.servers import Apache, Embedded, Postgres
from tests.crash.steps import NO_PLAN, VARIABLE, Plan

ROOT = Path(__file__).resolve().parents[2]
LIFE_S = 120.0
"""Longest that a program may take over what a round asks of it."""

TAIL_CHARACTERS = 1_500


class Victim:
    """A `clearing run` with a plan, in a process of its own.

    Attributes:
        reached: Places of its plan that it told.
    """

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], log: Path) -> None:
        """Start it."""
        self.log = log
        self.reached: list[str] = []
        self._told: queue.Queue[str] = queue.Queue()
        with log.open("wb") as errors:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.victim", "run", *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                cwd=ROOT,
            )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def next_place(self) -> str | None:
        """Wait for the next place of its plan; None when it is over without."""
        until = time.monotonic() + LIFE_S
        while time.monotonic() < until:
            try:
                return self._told.get(timeout=0.02)
            except queue.Empty:
                if self.running.poll() is not None and not self._reader.is_alive():
                    return None
        raise Wrong(f"nothing reached in {LIFE_S:.0f} s; {self.words()}")

    def expect(self, *codes: int) -> int:
        """Wait for its end, which must be one of these; returns which.

        Raises:
            Wrong: With the last words of the program.
        """
        try:
            code = self.running.wait(LIFE_S)
        except subprocess.TimeoutExpired as late:
            self.end()
            raise Wrong(f"not over after {LIFE_S:.0f} s; {self.words()}") from late
        self._reader.join()
        if code not in codes:
            raise Wrong(f"exit code {code}, expected {codes}; {self.words()}")
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.running.send_signal(number)

    def words(self) -> str:
        """The last of what it said."""
        return f"{self.log.name}: {self.log.read_text(errors='replace')[-TAIL_CHARACTERS:]}"

    def end(self) -> None:
        """Kill it, stopped or not."""
        self.running.kill()
        self.running.wait()
        self._reader.join()
        assert self.running.stdout is not None
        self.running.stdout.close()

    def _listen(self) -> None:
        assert self.running.stdout is not None
        for line in self.running.stdout:
            if line.startswith(b"reached "):
                place = line.decode().removeprefix("reached ").strip()
                self.reached.append(place)
                self._told.put(place)


class Proof(NamedTuple):
    """What was held against what, at the end of a round."""

    events: int
    repeated_letters: int


class Stage:
    """The servers, shared by all rounds, and one round's topics, books and programs.

    Attributes:
        chance: Of this round.
        url: Of the books under test.
        settings: Broker and prefix.
        messages: The history as it stands in the topics.
        batch: Messages of a transaction.
    """

    def __init__(
        self, postgres: Postgres, broker: Embedded | Apache, producer: KafkaProducer, folder: Path
    ) -> None:
        """For many rounds."""
        self.postgres = postgres
        self.broker = broker
        self.folder = folder
        self._producer = producer
        self.chance = random.Random(0)
        self.batch = 20
        self.url = self._faultless = ""
        self._is_written = False
        self.settings = RunSettings(broker.bootstrap_servers)
        self.messages: list[Message] = []
        self._victims: list[Victim] = []

    @classmethod
    @contextmanager
    def opened(cls, postgres: Postgres, broker: Embedded | Apache, folder: Path) -> Iterator[Self]:
        """With a producer for all rounds."""
        producer = clients.producer(RunSettings(broker.bootstrap_servers))
        try:
            yield cls(postgres, broker, producer, folder)
        finally:
            clients.retire(producer, 1)

    @contextmanager
    def round(
        self, seed: int, pools: Sequence[str], events: int, partitions: int
    ) -> Iterator[None]:
        """Topics and books for one round, gone at its end with all that still runs."""
        self.chance = random.Random(seed)
        self.batch = self.chance.choice((7, 20, 50))
        prefix = f"r{uuid.uuid4().hex[:8]}"
        self.settings = RunSettings(
            self.broker.bootstrap_servers, prefix=prefix, batch_events_max=self.batch
        )
        create_topics(self.settings, partitions)
        self.messages = produce(self._producer, self.settings, history(seed, pools, events))
        with ExitStack() as stack:
            self.url = stack.enter_context(self.postgres.books("broken"))
            self._faultless = stack.enter_context(self.postgres.books("faultless"))
            self._is_written = False
            stack.callback(self._end_all)
            yield

    def add(self, sent: Sequence[Sent]) -> None:
        """Produce more, later than all there is."""
        self.messages += produce(self._producer, self.settings, sent)

    def start(
        self,
        plan: Plan = NO_PLAN,
        *,
        url: str = "",
        kafka: str = "",
        options: Sequence[str] = ("--drain",),
    ) -> Victim:
        """A program that reads this round's topics.

        Args:
            plan: What happens to it.
            url: Of the books, when not directly.
            kafka: Of the broker, when not directly.
            options: Of `clearing run`, besides.
        """
        arguments = ["--kafka", kafka or self.broker.bootstrap_servers, "--quiet"]
        arguments += ["--database-url", url or self.url, "--topic-prefix", self.settings.prefix]
        arguments += ["--batch-events", str(self.batch), *options]
        environment = os.environ | {VARIABLE: plan.encoded(), "PYTHONPATH": str(ROOT)}
        environment["CLEARING_SIGNING_KEY"] = "17" * 32
        log = self.folder / f"{self.settings.prefix}-{len(self._victims)}.log"
        victim = Victim(arguments, environment, log)
        self._victims.append(victim)
        return victim

    def require_right(self) -> Proof:
        """The books are verified, equal to faultless ones, and no dead letter is missing.

        Raises:
            Wrong: Else.
        """
        self.expected()
        events = require_same(self.url, self._faultless)
        require_verified(self.url)
        return Proof(events, require_letters(self.url, self.settings))

    def expected(self) -> int:
        """How many sequences the books must have in the end: those of the faultless ones."""
        if not self._is_written:
            write_faultless(self._faultless, self.settings.prefix, self.messages, self.batch)
            self._is_written = True
        return sum(next_sequence - 1 for _, next_sequence in heads(self._faultless).values())

    def moved(self, shards: Sequence[str] | None = None) -> int:
        """How many sequences the books have, of these shards or of all."""
        found = heads(self.url)
        return sum(head[1] - 1 for name, head in found.items() if shards is None or name in shards)

    def wait_until_moved(self, events: int, seconds: float = LIFE_S) -> None:
        """Wait for so many sequences.

        Raises:
            Wrong: They do not come.
        """
        until = time.monotonic() + seconds
        while self.moved() < events:
            if time.monotonic() > until:
                raise Wrong(f"{self.moved()} events after {seconds:.0f} s, expected {events}")
            time.sleep(0.02)

    def tcp_url(self, port: int) -> str:
        """The books behind a port of this machine."""
        with psycopg.connect(self.url) as connection:
            database = connection.info.dbname
        return f"postgresql://postgres@127.0.0.1:{port}/{database}?gssencmode=disable"

    def _end_all(self) -> None:
        for victim in self._victims:
            victim.end()
        self._victims.clear()
