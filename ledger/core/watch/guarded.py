"""A margin account as the watch knows it: what it has in cash, and what its exposures bound."""

from ledger.core.margin.statements import MarginAccount
from ledger.core.watch.exposures import Border, Exposure


class Guarded:
    """Cash, sums, and exposures by the names of their prices.

    Attributes:
        number: Of the account that holds its cash; 0 where nothing was ever posted to one.
    """

    __slots__ = (
        "account",
        "border",
        "cash",
        "ceiling",
        "exposures",
        "floor",
        "is_proved",
        "number",
    )

    def __init__(self, account: MarginAccount, number: int, cash: int, border: Border) -> None:
        self.account = account
        self.number = number
        self.cash = cash
        self.border = border
        self.floor = cash
        self.ceiling = cash
        self.exposures: dict[str, Exposure] = {}
        self.is_proved = False

    def holds(self) -> bool:
        """Both borders are out of reach while prices stay in their ranges."""
        if not self.is_proved:
            return False
        border = self.border
        return (not border.has_lower or self.floor >= 0) and (
            not border.has_upper or self.ceiling < 0
        )
