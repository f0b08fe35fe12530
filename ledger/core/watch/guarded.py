"""A margin account as the watch knows it: what it has in cash, and what its exposures bound."""

from typing import final

from ledger.core.margin.statements import MarginAccount, Statement
from ledger.core.watch.exposures import Border, Exposure


@final
class Guarded:
    """Cash, sums, and exposures.

    Attributes:
        account: The margin account.
        number: Of the account that holds its cash; 0 where nothing was ever posted to one.
        cash: Its balance.
        border: What it is watched for.
        exposures: As it was examined: positions by instrument, then assets; later ones at the end.
        floor, ceiling: Cash, and the sums over the exposures.
        is_proved: It is on the right side of its borders while the sums hold.
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

    def __init__(self, account: MarginAccount, border: Border) -> None:
        """Without cash or exposures yet."""
        self.account = account
        self.number = 0
        self.cash = 0
        self.border = border
        self.floor = 0
        self.ceiling = 0
        self.exposures: list[Exposure] = []
        self.is_proved = False

    def holds(self) -> bool:
        """Both borders are out of reach while prices stay in their ranges."""
        if not self.is_proved:
            return False
        border = self.border
        return (not border.has_lower or self.floor >= 0) and (
            not border.has_upper or self.ceiling < 0
        )

    def exposure(self, name: str) -> Exposure | None:
        """Its exposure to a price, if it has one."""
        for one in self.exposures:
            if one.ends.name == name:
                return one
        return None

    def has_exposures_of(self, found: Statement) -> bool:
        """It has an exposure for each position and asset found, in their order, and no more."""
        positions, exposures = found.positions, self.exposures
        if len(exposures) != len(positions) + len(found.assets):
            return False
        for place, held in enumerate(positions):
            if exposures[place].ends.name != held.terms.instrument:
                return False
        for place, asset in enumerate(found.assets, len(positions)):
            if exposures[place].ends.name != asset_name(asset.asset.asset):
                return False
        return True


def asset_name(asset: str) -> str:
    """The name of a collateral asset's price; no instrument can have it."""
    return f"${asset}"
