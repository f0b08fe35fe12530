"""The places of a run at which it can be made to die, stop or tell where it is.

A *step* is named for the statement that it is; `when` says on which side of it. Rules of this file:

* Nothing is imported from the product: the names are read off the text that goes to the server.
* The n-th step is counted from the start of the program, so the same n means the same place in the
  books only as far as the batches are the same; a round tells where it really was.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

Act = Literal["kill", "stop", "tell"]
When = Literal["before", "within", "after"]

VARIABLE = "CLEARING_CRASH"
"""Environment variable with a `Plan`, read by `tests.crash.victim` alone."""

STATEMENTS = {
    "pg_try_advisory_lock": "lock",
    "SET epoch = epoch + 1": "acquire",
    "SET next_sequence": "fence",
    "INSERT INTO ledger.source_offset": "offsets",
    "COPY ledger.commodity": "commodity",
    "COPY ledger.account": "account",
    "COPY ledger.event_identity": "identity",
    "COPY ledger.event ": "event",
    "COPY ledger.posting": "posting",
    "COPY ledger.record": "record",
    "FROM ledger.event_identity": "lookup",
    "ledger.declare_shard": "declare",
    "INSERT INTO ledger.source (": "source",
    "INSERT INTO ledger.snapshot": "snapshot",
    "INSERT INTO ledger.checkpoint": "checkpoint",
}
"""What stands in the text of a statement, and the name of its step; the first that fits."""

COPIES = ("commodity", "account", "identity", "event", "posting", "record")
ONCE = ("lock", "acquire", "commodity", "declare", "snapshot", "checkpoint", "source")
"""Steps that a run may reach once or twice only."""

STEPS = (*STATEMENTS.values(), "commit", "letters")


class Point(NamedTuple):
    """A place of a run.

    Attributes:
        step: One of `STEPS`.
        when: `within` a COPY: all rows are written to the client's buffer, none is final.
        nth: The how-manieth of its kind, from 1.
        act: What is done there.
    """

    step: str
    when: When
    nth: int
    act: Act = "kill"

    @property
    def place(self) -> str:
        """Without the number."""
        return f"{self.when} {self.step}"

    def __str__(self) -> str:
        """As a round tells it."""
        return f"{self.when} {self.step} {self.nth}"


class Plan(NamedTuple):
    """What a victim is told.

    Attributes:
        points: Where it acts.
        pace_ms: How long it rests after each batch, so that a history lasts.
        constants: Values that it puts in the place of constants, by `module:NAME`.
        ranges: File to which it notes which sequences it wrote, or "".
    """

    points: tuple[Point, ...] = ()
    pace_ms: int = 0
    constants: Mapping[str, float] = MappingProxyType({})
    ranges: str = ""

    def encoded(self) -> str:
        """For the environment."""
        return json.dumps([self.points, self.pace_ms, dict(self.constants), self.ranges])

    @classmethod
    def decoded(cls, text: str) -> "Plan":
        """From the environment."""
        points, pace_ms, constants, ranges = json.loads(text)
        return cls(tuple(Point(*point) for point in points), pace_ms, constants, ranges)


NO_PLAN = Plan()
"""Lives in peace."""


def places() -> list[tuple[str, When]]:
    """Every step with every side of it that there is."""
    return [
        (step, when)
        for step in dict.fromkeys(STEPS)
        for when in get_args(When)
        if when != "within" or step in COPIES
    ]


def step_of(statement: str) -> str | None:
    """The step that a statement is; None for one that has no name."""
    return next((step for part, step in STATEMENTS.items() if part in statement), None)
