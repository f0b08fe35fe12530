"""A pool that stands still at an event, because the core found one of its own invariants broken.

That is a fault of the program, not of the message. The pool's state in memory may be half changed,
so it is thrown away, and nothing of the pool is applied any more: what follows waits where it came
from. Other pools go on. The halt itself is written nowhere: whoever starts again decides the same
event on the same state, and halts at it again, until the program is mended or an operator parks the
message (`ledger.quarantine`).
"""

from typing import NamedTuple

from ledger.arrivals import FILE_CLUSTER, Arrival
from ledger.codec.decoding import DETAIL_LENGTH_MAX, Decoded
from ledger.errors import PoolHalted
from ledger.ports import Message

BROKEN = (
    AssertionError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a broken program raises. Not the faults around it, and not the end of memory."""


class Halt(NamedTuple):
    """Where a pool stands still, and why.

    Attributes:
        pool: Its name.
        sequence: Of the event that comes next in it.
        message: At which it stands; None: its own log cannot be decided again.
        kind, event_id: Of that message.
        broken: What the program says, in one line.
    """

    pool: str
    sequence: int
    message: Message | None
    kind: str | None
    event_id: str | None
    broken: str

    @property
    def place(self) -> str:
        """Where the message came from, for people."""
        if self.message is None:
            return "its own log"
        if self.message.source.cluster == FILE_CLUSTER:
            return f"line {self.message.offset} of {self.message.source.topic}"
        return (
            f"topic {self.message.source.topic}, partition {self.message.partition},"
            f" offset {self.message.offset}"
        )

    def __str__(self) -> str:
        if self.message is None:
            return (
                f"pool {self.pool} is halted: its log cannot be decided again up to event"
                f" {self.sequence - 1}: {self.broken}. Run `clearing verify --pool {self.pool}`,"
                " and the version that wrote it"
            )
        return (
            f"pool {self.pool} is halted at event {self.sequence}, {self.place}"
            f" ({self.kind} {self.event_id}): {self.broken}. Nothing of this pool is applied until"
            " the program is mended, or `clearing quarantine` parks the message"
        )

    def fault(self) -> PoolHalted:
        """The same as an exception."""
        return PoolHalted(str(self))


def halt_at(pool: str, sequence: int, arrival: Arrival | None, broken: Exception) -> Halt:
    """The halt of a pool at a message, or (None) over its own log."""
    event = None
    if arrival is not None and isinstance(arrival.decoded, Decoded):
        event = arrival.decoded.event
    return Halt(
        pool,
        sequence,
        None if arrival is None else arrival.message,
        None if event is None else event.kind,
        None if event is None else event.event_id,
        in_words(broken),
    )


def in_words(broken: Exception) -> str:
    """An exception in one printable line."""
    said = f"{type(broken).__name__}: {broken}"
    return "".join(c if c.isprintable() else " " for c in said)[:DETAIL_LENGTH_MAX]
