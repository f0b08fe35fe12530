"""Lines of a source that were fetched from elsewhere, from a topic for one, into a file to read."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Fetched(NamedTuple):
    """A file in place of what it was fetched from.

    Attributes:
        path: One message a line.
        name: What was fetched, so that it can be fetched again: topic, partition and offsets.
        digest: SHA-256 in hex over what was fetched, byte for byte.
        offsets: Of the message on each line.
    """

    path: Path
    name: str
    digest: str
    offsets: Sequence[int]

    def place(self, line: int) -> str:
        """Where a line of the file stood, in words that follow its number."""
        return f" of {self.name.partition(':')[0]} offset {self.offsets[line - 1]}"
