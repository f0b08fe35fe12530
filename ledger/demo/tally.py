"""What the simulated exchange sent, and what should become of it."""

from collections import Counter


class Tally:
    """Counts of one day, by expected fate.

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
