"""The source topics: what each carries, and its rank among messages of equal time.

A topic's name is a prefix and its role, `clearing.trades`. All of them have the same number of
partitions; a message's key is its pool, and its partition murmur2 of the key.
"""

from typing import NamedTuple

from consumers import funding, prices, reference, trades, transfers

PREFIX = "clearing"

DEAD_LETTERS = "dead-letters"
"""Where refused messages go; not a source."""

RECORDS = "records"
"""Where the records of the ledger go; not a source, but partitioned as the sources are."""

CHECKPOINTS = "checkpoints"
"""Where signed checkpoints go; not a source, one partition."""


class Topic(NamedTuple):
    """A source topic.

    Attributes:
        role: Last part of its name.
        rank: Place in the order of equal timestamps, from 0.
        kinds: Events that it carries; another kind is refused (`wrong_topic`).
    """

    role: str
    rank: int
    kinds: frozenset[str]


TOPICS = tuple(
    Topic(module.ROLE, rank, module.KINDS)
    for rank, module in enumerate((reference, transfers, prices, funding, trades))
)
"""By rank: terms before the money that needs them, prices before the trades that they value."""


def name(prefix: str, role: str) -> str:
    """A topic's full name."""
    return f"{prefix}.{role}"


def roles(prefix: str) -> dict[str, str]:
    """Role of each source topic by its full name, in order of rank."""
    return {name(prefix, topic.role): topic.role for topic in TOPICS}


def role_of(kind: str) -> str | None:
    """The role of the topic that carries events of this kind; None for an unknown kind."""
    return _ROLES.get(kind)


_ROLES = {kind: topic.role for topic in TOPICS for kind in topic.kinds}
