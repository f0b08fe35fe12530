"""The console script with a plan for its own death: `python -m tests.crash.victim run ...`.

Everything is the product's own. Only the driver's connection is a class of this file, which counts
statements as they go by, and two methods are wrapped; at the places that the plan names the program
sends itself a signal that it cannot handle. Each such place is first told on standard output, one
line, as `reached after posting 4`.
"""

import importlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from consumers.dead_letters import DeadLetters
from ledger.cli import main
from ledger.ports import ShardBatch
from ledger.store import connecting
from ledger.store.log.postgres import PostgresLog
from tests.crash.steps import VARIABLE, Plan, Point, When, step_of

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Fate:
    """Counts the steps and does at each what the plan says."""

    def __init__(self, plan: Plan) -> None:
        """Nothing is reached yet."""
        self.plan = plan
        self._planned = {(point.step, point.when, point.nth): point for point in plan.points}
        self._reached: Counter[tuple[str, When]] = Counter()

    def reach(self, step: str | None, when: When) -> None:
        """Pass a place."""
        if step is None:
            return
        self._reached[step, when] += 1
        point = self._planned.get((step, when, self._reached[step, when]))
        if point is not None:
            self._act(point)

    @contextmanager
    def around(self, step: str | None) -> Iterator[None]:
        """Pass both sides of a step."""
        self.reach(step, "before")
        yield
        self.reach(step, "after")

    def _act(self, point: Point) -> None:
        os.write(1, f"reached {point}\n".encode())
        if point.act in _SIGNALS:
            os.kill(os.getpid(), _SIGNALS[point.act])


class Cursor(psycopg.Cursor[Any]):
    """Passes the places around each statement."""

    fate: Fate

    def execute(self, query: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        step = step_of(_text(query))
        if step == "fence":
            self.connection.is_in_batch = True  # type: ignore[attr-defined]
        with self.fate.around(step):
            return super().execute(query, *arguments, **named)

    @contextmanager
    def copy(self, statement: Any, *arguments: Any, **named: Any) -> Iterator[psycopg.Copy]:  # noqa: ANN401
        step = step_of(_text(statement))
        with self.fate.around(step), super().copy(statement, *arguments, **named) as copy:
            yield copy
            self.fate.reach(step, "within")


class Connection(connecting.Answering):
    """Passes the places around the transaction of a batch."""

    fate: Fate
    is_in_batch = False

    @contextmanager
    def transaction(self, *arguments: Any, **named: Any) -> Iterator[psycopg.Transaction]:  # noqa: ANN401
        with super().transaction(*arguments, **named) as transaction:
            yield transaction
            if self.is_in_batch:
                self.fate.reach("commit", "before")
        if self.is_in_batch:
            self.is_in_batch = False
            self.fate.reach("commit", "after")


def _text(query: object) -> str:
    return query.decode() if isinstance(query, bytes) else str(query)


def _wrapped(fate: Fate, step: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*arguments: Any) -> Any:  # noqa: ANN401
        with fate.around(step):
            return method(*arguments)

    return wrapper


def _noting(plan: Plan, prepared: Callable[..., Any]) -> Callable[..., Any]:
    """Rest after each batch, and note what was written by whom: when, shard, epoch, first, next."""

    def noted(write: Callable[[], None], batch: Sequence[ShardBatch]) -> None:
        write()
        if plan.ranges:
            with open(plan.ranges, "a", encoding="ascii") as file:  # noqa: PTH123 - a plan has text
                for part in batch:
                    head = (part.shard, part.epoch, part.expected_sequence, part.next_sequence)
                    file.write(f"{os.getpid()} {time.time()} {' '.join(map(str, head))}\n")
        time.sleep(plan.pace_ms / 1000)

    def wrapper(log: PostgresLog, batch: Sequence[ShardBatch]) -> Callable[[], None]:
        return partial(noted, prepared(log, batch), batch)

    return wrapper


def _prepare(plan: Plan) -> None:
    fate = Fate(plan)
    Cursor.fate = Connection.fate = fate
    Connection.connect = partial(Connection.connect, cursor_factory=Cursor)  # type: ignore[method-assign]
    connecting.Answering = Connection  # type: ignore[misc]
    DeadLetters.publish = _wrapped(fate, "letters", DeadLetters.publish)  # type: ignore[method-assign]
    PostgresLog.prepared = _noting(plan, PostgresLog.prepared)  # type: ignore[method-assign]
    for place, value in plan.constants.items():
        module, name = place.split(":")
        setattr(importlib.import_module(module), name, value)


if __name__ == "__main__":
    _prepare(Plan.decoded(os.environ.pop(VARIABLE)))
    main()
