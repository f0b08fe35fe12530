"""Whom the policies of auto-deleveraging choose, and for how much: worked from the definitions.

    bitmex           upnl/|cost| * L in profit, upnl/|cost| / L else       L = notional / equity
    binance          max(0, upnl) / max(1, balance) * maintenance / equity
    hyperliquid      (1 + upnl/|cost|) * notional / equity
    pro_rata         contracts; in profit first
    capped_pro_rata  w = upnl > 0, none beyond min(|q|, floor(w * |Q| / U)), U the loss unrounded

A ranked policy closes whole positions, the highest score first (ties by account id); the other two
share contracts out by largest remainder. A part of `k` takes `half_even(cost * k / |q|)` of what is
left of the inventory's cost, the last part all of it. Nobody takes a part that would leave its
account negative: a ranked policy goes on to the next; of shares, all who cannot bear theirs are
left out together, and the shares are computed anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from ledger.audit.explanation.account import ZERO
from ledger.audit.explanation.arithmetic import Figure, contract_value, down, half_even, number

RANKED = ("bitmex", "binance", "hyperliquid")


class Inventory(NamedTuple):
    """What is to be closed, and at what mark."""

    type: str
    multiplier: Figure
    mark: Figure
    quantity: Figure
    cost: Figure
    scale: int
    quantity_scale: int

    def worth(self, quantity: Figure) -> Figure:
        """`quantity * V(mark)`, unrounded."""
        return quantity * contract_value(self.type, self.multiplier, self.mark)

    @property
    def unit(self) -> Figure:
        """The smallest quantity."""
        return Fraction(1, 10**self.quantity_scale)


@dataclass(slots=True)
class Candidate:
    """An opposite position, as the record tells it.

    Attributes:
        index: Among the candidates of the record.
        account: Whose.
        quantity: Signed contracts.
        cost: Of the position.
        equity, maintenance, balance: Of its margin account.
        upnl: Unrounded.
        score: Exact.
        taken: Contracts it is given.
        amount: What its variation receives for them.
        contracts_left, cost_left: Of the inventory, before them.
        reason: Why it was passed over.
    """

    index: int
    account: str
    quantity: Figure
    cost: Figure
    equity: Figure
    maintenance: Figure
    balance: Figure
    upnl: Figure
    score: Figure
    taken: Figure = ZERO
    amount: Figure = ZERO
    contracts_left: Figure = ZERO
    cost_left: Figure = ZERO
    reason: str | None = None

    def equity_after(self, inventory: Inventory, taken: Figure, amount: Figure) -> Figure:
        """Equity of its margin account with `taken` less of the position."""
        sign = 1 if self.quantity > 0 else -1
        before = down(inventory.worth(self.quantity), inventory.scale)
        after = down(inventory.worth(self.quantity - sign * taken), inventory.scale)
        return self.equity - before + amount + after


def candidate(policy: str, inventory: Inventory, index: int, line: Mapping[str, Any]) -> Candidate:
    """A candidate of the record, with its score; zero where the account has no equity."""
    quantity, cost = number(line["quantity"]), number(line["cost"])
    found = Candidate(
        index=index,
        account=line["account"],
        quantity=quantity,
        cost=cost,
        equity=number(line["equity"]),
        maintenance=number(line["maintenance_margin"]),
        balance=number(line["balance"]),
        upnl=cost + inventory.worth(quantity),
        score=ZERO,
    )
    if found.equity > 0:
        found.score = _score(policy, found, inventory)
    return found


def _score(policy: str, found: Candidate, inventory: Inventory) -> Figure:
    gain = found.upnl / max(abs(found.cost), Fraction(1, 10**inventory.scale))
    leverage = abs(inventory.worth(found.quantity)) / found.equity
    if policy == "bitmex":
        return gain * leverage if found.upnl > 0 else gain / leverage
    if policy == "binance":
        part = max(ZERO, found.upnl) / max(Fraction(1), found.balance)
        return part * found.maintenance / found.equity
    if policy == "hyperliquid":
        return (1 + gain) * leverage
    return abs(found.quantity) if policy == "pro_rata" else found.upnl


class Left:
    """What is left of the inventory while it is given away."""

    def __init__(self, inventory: Inventory) -> None:
        """Nothing was given yet."""
        self.quantity = abs(inventory.quantity)
        self.cost = inventory.cost
        self._scale = inventory.scale

    def take(self, contracts: Figure) -> Figure:
        """Give contracts and their part of the cost away; returns that part."""
        amount = half_even(self.cost * contracts / self.quantity, self._scale)
        self.quantity -= contracts
        self.cost -= amount
        return amount


def share_out(policy: str, inventory: Inventory, candidates: Sequence[Candidate]) -> Left:
    """Give the inventory to the candidates, who are in the order of the record."""
    left = Left(inventory)
    if policy in RANKED:
        _ranked(inventory, candidates, left)
    elif policy == "pro_rata":
        for in_profit in (True, False):
            group = [one for one in candidates if (one.upnl > 0) == in_profit]
            if left.quantity:
                _shared(inventory, group, left, capped=False)
    else:
        _shared(inventory, [one for one in candidates if one.upnl > 0], left, capped=True)
    return left


def _ranked(inventory: Inventory, candidates: Sequence[Candidate], left: Left) -> None:
    for one in candidates:
        if not left.quantity:
            return
        contracts = min(left.quantity, abs(one.quantity))
        amount = half_even(left.cost * contracts / left.quantity, inventory.scale)
        if one.equity_after(inventory, contracts, amount) < 0:
            one.reason = "negative_after"
            continue
        one.contracts_left, one.cost_left = left.quantity, left.cost
        one.taken, one.amount = contracts, left.take(contracts)


def _shared(inventory: Inventory, group: Sequence[Candidate], left: Left, *, capped: bool) -> None:
    able = list(group)
    while able:
        shares = _capped(inventory, able) if capped else _by_contracts(inventory, able, left)
        trial = Left(inventory._replace(quantity=left.quantity, cost=left.cost))
        for one, contracts in zip(able, shares, strict=True):
            amount = trial.take(contracts) if contracts else ZERO
            if contracts and one.equity_after(inventory, contracts, amount) < 0:
                one.reason = "negative_after"
        if all(one.reason is None for one in able):
            for one, contracts in zip(able, shares, strict=True):
                if contracts:
                    one.contracts_left, one.cost_left = left.quantity, left.cost
                    one.taken, one.amount = contracts, left.take(contracts)
            return
        able = [one for one in able if one.reason is None]


def _by_contracts(inventory: Inventory, able: Sequence[Candidate], left: Left) -> list[Figure]:
    sizes = [abs(one.quantity) for one in able]
    total = sum(sizes, ZERO)
    if left.quantity >= total:
        return sizes
    return largest_remainder(
        [left.quantity * size / total for size in sizes], left.quantity, inventory.unit
    )


def _capped(inventory: Inventory, able: Sequence[Candidate]) -> list[Figure]:
    """Water-filling: who would be over its cap gets the cap, the rest is shared anew."""
    size, unit = abs(inventory.quantity), inventory.unit
    loss = -(inventory.cost + inventory.worth(inventory.quantity))
    caps = [
        min(abs(one.quantity), (one.upnl * size / loss / unit).__floor__() * unit) for one in able
    ]
    exact: list[Figure] = [ZERO] * len(able)
    rest, open_ = size, list(range(len(able)))
    while open_:
        weight = sum((able[place].upnl for place in open_), ZERO)
        over = [place for place in open_ if rest * able[place].upnl / weight >= caps[place]]
        for place in over or open_:
            exact[place] = caps[place] if over else rest * able[place].upnl / weight
        rest -= sum((caps[place] for place in over), ZERO)
        open_ = [place for place in open_ if place not in over] if over else []
    return largest_remainder(exact, sum(exact, ZERO), unit)


def largest_remainder(exact: Sequence[Figure], total: Figure, unit: Figure) -> list[Figure]:
    """Shares in whole units that sum to `total` (rounded down to one): ties to the earlier one."""
    whole = [(share / unit).__floor__() * unit for share in exact]
    missing = ((total / unit).__floor__() * unit - sum(whole, ZERO)) / unit
    order = sorted(range(len(exact)), key=lambda place: (whole[place] - exact[place], place))
    for place in order[: int(missing)]:
        whole[place] += unit
    return whole
