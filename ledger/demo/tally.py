"""What the simulated exchange sent, and what should become of it."""

from collections import Counter


class Tally:
    """Counts by expected fate.

    Attributes:
        applied: By kind.
        rejected: By rejection code.
        duplicates: Messages whose id and content were there before.
    """

    def __init__(self) -> None:
        self.applied: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.duplicates = 0

    @property
    def sent(self) -> int:
        return self.applied.total() + self.rejected.total() + self.duplicates

    def add(self, other: "Tally") -> None:
        """Counts the other's messages too."""
        self.applied += other.applied
        self.rejected += other.rejected
        self.duplicates += other.duplicates

    def expect_again(self, kinds: "Counter[str]") -> None:
        """Messages of these kinds are in the books already: they will be duplicates."""
        assert all(self.applied[kind] >= count for kind, count in kinds.items())
        self.applied -= kinds
        self.duplicates += kinds.total()
