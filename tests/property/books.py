"""Balances, positions and the fund of the slow model, in natural units.

Amounts are `Fraction`s of a whole unit; nothing here imports a rule of the core. Beside the
balances stands, per owner, the plain sum of all money that came and went (`flows`): whatever the
rules of realizing say, `wallet + isolated + hold + variation` must be that sum. `@liquidation` has
no cash of its own, so it is counted with `@house`.
"""

from collections import defaultdict
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple, Self

from ledger.core import events
from ledger.core.units import Fixed

HOUSE = "@house"
LIQUIDATION = "@liquidation"
NOTHING = Fraction(0)
STAND_INS = ("trade", "opening")
Account = tuple[str, str, str]
"""Owner, kind, and the instrument (of `position`, `variation`, `isolated`) or asset."""
MarginAccount = tuple[str, str | None]
"""A participant, and None for its cross account or the instrument of an isolated position."""
Step = tuple[object, ...]


def exact(number: Fixed) -> Fraction:
    return Fraction(number.coefficient, 10**number.scale)


class Refused(Exception):
    """The model expects a refusal."""


def demand(holds: bool) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise Refused


class Mark(NamedTuple):
    price: Fraction
    source: str
    time: int

    @property
    def is_accepted(self) -> bool:
        return self.source not in STAND_INS


class Deficit(NamedTuple):
    """A loss that nothing covered yet; `left` is positive."""

    opened_by: str
    liquidation: str | None
    instrument: str | None
    left: Fraction


class Books:
    """The registers of one pool, and the only places where balances change."""

    def __init__(self) -> None:
        zero = Fixed(0, 0)
        self.pool = events.Pool("", 0, "off", zero, zero, zero, "bitmex", "open")
        self.scales: dict[str, int] = {}
        self.haircuts: dict[str, Fraction] = {}
        self.asset_prices: dict[str, Fraction] = {}
        self.listed: dict[str, events.Instrument] = {}
        self.expired: set[str] = set()
        self.people: set[str] = set()
        self.modes: dict[tuple[str, str], tuple[str, Fraction | None]] = {}
        self.books: defaultdict[Account, Fraction] = defaultdict(Fraction)
        self.flows: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.requests: dict[str, tuple[str, str, Fraction]] = {}
        self.busted: set[str] = set()
        self.traded: dict[str, int] = {}
        self.defaulted: dict[tuple[str, str], int] = {}
        self.marks: dict[str, Mark] = {}
        self.suspects: dict[str, tuple[Fraction, int]] = {}
        self.calls: dict[MarginAccount, str] = {}
        self.deficits: list[Deficit] = []
        self.last_adder: dict[str, str | None] = {}
        self.untaken: dict[str, tuple[Fraction, Fraction, Fraction]] = {}
        self.borne: dict[tuple[str, str], Fraction] = {}
        self.liquidated: set[MarginAccount] = set()
        self.counted = {"C": 0, "F": 0, "L": 0}
        self.is_under_floor = False
        self.pool_time = 0
        self.number = 0
        self.steps: list[Step] = []
        self.opened: list[str] = []
        self.posted = 0
        self.largest = NOTHING

    def copy(self) -> Self:
        twin = type(self)()
        for name, value in vars(self).items():
            setattr(twin, name, value.copy() if hasattr(value, "copy") else value)
        return twin

    @property
    def settlement(self) -> str:
        return self.pool.settlement_asset

    @property
    def one(self) -> int:
        """Smallest units in a whole unit of the settlement asset."""
        one: int = 10**self.pool.scale
        return one

    def near(self, amount: Fraction) -> Fraction:
        return Fraction(round(amount * self.one), self.one)

    def down(self, amount: Fraction) -> Fraction:
        return Fraction(floor(amount * self.one), self.one)

    def up(self, amount: Fraction) -> Fraction:
        return Fraction(ceil(amount * self.one), self.one)

    def worth(self, instrument: str, quantity: Fraction, price: Fraction) -> Fraction:
        """`quantity * V(price)`, unrounded."""
        terms = self.listed[instrument]
        multiplier = exact(terms.multiplier)
        if terms.type == "linear":
            return quantity * multiplier * price
        return -quantity * multiplier / price

    def held(self, owner: str, instrument: str) -> Fraction:
        return self.books.get((owner, "position", instrument), NOTHING)

    def cost(self, owner: str, instrument: str) -> Fraction:
        return self.books.get((owner, "variation", instrument), NOTHING)

    def holders(self, instrument: str) -> list[tuple[str, Fraction]]:
        return sorted(
            (owner, quantity)
            for (owner, kind, thing), quantity in self.books.items()
            if kind == "position" and thing == instrument and quantity
        )

    def is_isolated(self, owner: str, instrument: str) -> bool:
        return self.modes.get((owner, instrument), ("cross", None))[0] == "isolated"

    def margin_account(self, owner: str, instrument: str) -> MarginAccount:
        return owner, instrument if self.is_isolated(owner, instrument) else None

    def cash_key(self, account: MarginAccount) -> Account:
        owner, instrument = account
        if instrument is not None:
            return owner, "isolated", instrument
        return owner, "wallet", self.settlement

    def fund_balance(self, kind: str) -> Fraction:
        return self.books.get((HOUSE, kind, self.settlement), NOTHING)

    def size(self, amount: Fraction, scale: int) -> None:
        self.largest = max(self.largest, abs(amount * 10**scale))

    def post(self, account: Account, amount: Fraction) -> None:
        if not amount:
            return
        self.posted += 1
        self.books[account] += amount
        _, kind, thing = account
        if kind == "position":
            scale = self.listed[thing].quantity_scale
        elif kind in ("variation", "isolated"):
            scale = self.pool.scale
        else:
            scale = self.scales[thing]
        self.size(self.books[account], scale)

    def move(
        self, source: tuple[str, str], target: tuple[str, str], asset: str, amount: Fraction
    ) -> None:
        """Move money between two accounts that are kept per asset."""
        for (owner, kind), signed in ((source, -amount), (target, amount)):
            self.post((owner, kind, asset), signed)
            if asset == self.settlement:
                self.flows[owner] += signed

    def receive(
        self, owner: str, instrument: str, amount: Fraction, cause: str, given: str | None = None
    ) -> None:
        """Cash of a position: to its margin account, the house's `suspense`, or the fund."""
        if owner == HOUSE:
            self.post((HOUSE, "suspense", self.settlement), amount)
        elif owner == LIQUIDATION:
            self.fund(amount, cause, given or self.last_adder.get(instrument), instrument)
        else:
            self.post(self.cash_key(self.margin_account(owner, instrument)), amount)

    def change(
        self,
        owner: str,
        instrument: str,
        quantity: Fraction,
        cash: Fraction,
        cause: str,
        price: Fraction | None = None,
        given: str | None = None,
    ) -> Fraction:
        """Move `quantity` contracts to `owner` for `cash`; what closes is realized, and returned.

        Without a price the part of a change through zero that closes has its share of the cash.
        """
        held, cost = self.held(owner, instrument), self.cost(owner, instrument)
        self.post((owner, "position", instrument), quantity)
        self.post((owner, "variation", instrument), cash)
        self.flows[HOUSE if owner == LIQUIDATION else owner] += cash
        if held * quantity >= 0:
            return NOTHING
        if abs(quantity) < abs(held):
            realized = cash + self.near(cost * abs(quantity) / abs(held))
        elif abs(quantity) == abs(held):
            realized = cash + cost
        elif price is None:
            realized = self.near(cash * abs(held) / abs(quantity)) + cost
        else:
            realized = self.near(self.worth(instrument, held, price)) + cost
        self.post((owner, "variation", instrument), -realized)
        self.receive(owner, instrument, realized, cause, given)
        if abs(quantity) >= abs(held):
            self.release(owner, instrument)
        return realized

    def release(self, owner: str, instrument: str) -> None:
        """Give back what is left of the margin of an isolated position that ended."""
        self.forget(owner, instrument)
        balance = self.books.get((owner, "isolated", instrument), NOTHING)
        if balance > 0:
            self.post((owner, "isolated", instrument), -balance)
            self.post((owner, "wallet", self.settlement), balance)

    def forget(self, owner: str, instrument: str) -> None:
        """What is known of a position ends with it, and when it turns."""
        self.borne.pop((owner, instrument), None)
        if owner == LIQUIDATION:
            self.untaken.pop(instrument, None)
            self.last_adder.pop(instrument, None)

    def fund(
        self,
        amount: Fraction,
        cause: str,
        liquidation: str | None = None,
        instrument: str | None = None,
        account: str | None = None,
    ) -> None:
        """A gain repays deficits, oldest first, then insurance; a loss takes insurance first."""
        if not amount:
            return
        name = self.next_id("F")
        if amount > 0:
            repaid = min(amount, -self.fund_balance("deficit"))
            self.repay(repaid)
            self.post((HOUSE, "deficit", self.settlement), repaid)
            self.post((HOUSE, "insurance", self.settlement), amount - repaid)
        else:
            taken = min(-amount, self.fund_balance("insurance"))
            self.post((HOUSE, "insurance", self.settlement), -taken)
            self.owe(name, liquidation, instrument, -amount - taken)
        self.tell_fund(name, cause, liquidation, instrument, account, amount)

    def owe(
        self, name: str, liquidation: str | None, instrument: str | None, amount: Fraction
    ) -> None:
        if amount:
            self.post((HOUSE, "deficit", self.settlement), -amount)
            self.deficits.append(Deficit(name, liquidation, instrument, amount))
            self.opened.append(name)

    def repay(self, amount: Fraction) -> None:
        """Take `amount` off the oldest deficits."""
        left: list[Deficit] = []
        for deficit in self.deficits:
            part = min(amount, deficit.left)
            amount -= part
            if deficit.left > part:
                left.append(deficit._replace(left=deficit.left - part))
        assert not amount
        self.deficits = left

    def next_id(self, letter: str) -> str:
        self.counted = {**self.counted, letter: self.counted[letter] + 1}
        return f"{letter}-{self.counted[letter]}"

    def tell(self, *step: object) -> None:
        self.steps.append(step)

    def tell_fund(self, name: str, cause: str, *rest: object) -> None:
        balances = self.fund_balance("insurance"), self.fund_balance("deficit")
        self.tell("fund", name, cause, *rest, *balances)
