"""What a writer and its log tell of their work to whoever watches; nobody does by default.

Told between things, a few times a batch and never a message: watching costs next to nothing.
"""

from typing import Protocol


class Observer(Protocol):
    """Who watches."""

    def lap(self, phase: str) -> None:
        """Everything since the last lap was this phase.

        Args:
            phase: In a batch, in turn: `decode`, `look_up` (event ids), `decide`, `write` (up to
                the last statement; not of batches that overlap), `commit` (until the batch is in
                the log, or before it, where they overlap, the last one), `keep` (states and
                checkpoints, where it is time).
        """

    def owning(self, pool: str, epoch: int) -> None:
        """A shard is owned from now on, under this epoch; its state is being rebuilt."""

    def owned(self, pool: str, sequence: int, kept: int) -> None:
        """Its state is there.

        Args:
            pool: Name of the shard.
            sequence: Newest event.
            kept: Event of the snapshot that the state was built on; 0: from the first event.
        """


class Unobserved:
    """Nobody watches."""

    def lap(self, phase: str) -> None:
        """Pass over it."""

    def owning(self, pool: str, epoch: int) -> None:
        """Pass over it."""

    def owned(self, pool: str, sequence: int, kept: int) -> None:
        """Pass over it."""
