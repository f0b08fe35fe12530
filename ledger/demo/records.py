"""Records of the ledger as the simulated exchange reads them, and decimals as whole numbers."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple


class Published(NamedTuple):
    """A record as it was published.

    Attributes:
        pool: Of the event that led to it.
        sequence: Of that event.
        line: The record's place among those of the event, from 1.
        kind, subject: What it says, and about what.
        event_id: Of the event.
        body: As in docs/reference/records.md; decimals are strings.
    """

    pool: str
    sequence: int
    line: int
    kind: str
    subject: str
    event_id: str
    body: Mapping[str, Any]


def whole(text: str, scale: int) -> int:
    """A decimal in units of 10**-scale: `whole("-1.5", 2) == -150`; finer digits are an error."""
    number = Decimal(text).scaleb(scale)
    if number != int(number):
        raise ValueError(f"{text} has more than {scale} decimals")
    return int(number)
