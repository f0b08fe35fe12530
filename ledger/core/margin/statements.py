"""Margin: what an account has, and what its positions require, at the latest marks.

A *margin account* is a participant's cross account, or one isolated position: the pair
`(participant, None)` or `(participant, instrument)`. In smallest units of the settlement asset:

    equity     = collateral + sum(variation + value)      value = down(q * V(mark)), per position
    collateral = settlement asset at par + sum(balance * price * (1 - haircut)), down, per asset;
                 a negative balance counts with (1 + haircut); without a price an asset counts zero
    maintenance, initial: sums over the positions of `ledger.core.margin.tiers`

Everything is rounded per position and per asset before it is summed: equity down, requirements up.
A position in an instrument that never had a mark counts nothing, its cost included, and is stale.

Cost: about 3 us a position. `ledger.core.watch.index` keeps most events from ever coming here.
Source: docs/spec/margin.md.
"""

from bisect import bisect_left
from fractions import Fraction
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from ledger.core.accounts import ISOLATED, VARIATION, WALLET
from ledger.core.instruments import Terms
from ledger.core.margin.collateral import collateral_fraction
from ledger.core.margin.guard import is_stale
from ledger.core.margin.tiers import MarginTier, initial, maintenance, tier_of
from ledger.core.registers import AssetTerms, PositionTerms
from ledger.core.units import Fixed

if TYPE_CHECKING:  # the state holds the watch, which values positions
    from ledger.core.state import State

MarginAccount = tuple[str, str | None]
"""A participant, and the instrument of an isolated position (None: the cross account)."""

_INSTRUMENT = attrgetter("instrument")

CROSS = PositionTerms("cross", None)
"""What holds until a participant chooses otherwise."""


class Collateral(NamedTuple):
    """A collateral asset of a cross account.

    Attributes:
        asset: Its terms.
        balance: Smallest units, signed.
        price: In 10^-18 of the settlement asset; None for the settlement asset, or without a price.
        value: What it counts as collateral, smallest units of the settlement asset, rounded down.
    """

    asset: AssetTerms
    balance: int
    price: int | None
    value: int


class Position(NamedTuple):
    """A position with what it is worth and what it requires.

    Attributes:
        terms: Of the instrument.
        quantity: Signed.
        cost: Balance of `variation`: minus the signed value at which it was entered.
        mark: Smallest units of price; None where there never was one.
        numerator, denominator: Its exact notional, never negative.
        value: `down(quantity * V(mark))`, signed; minus the cost where there never was a mark.
        tier: That the notional is in.
        leverage: Chosen by the participant, or None.
        maintenance, initial: Required, each rounded up.
        stale: The mark is too old to act on.
    """

    terms: Terms
    quantity: int
    cost: int
    mark: int | None
    numerator: int
    denominator: int
    value: int
    tier: MarginTier
    leverage: Fixed | None
    maintenance: int
    initial: int
    stale: bool

    @property
    def instrument(self) -> str:
        """Id of the instrument."""
        return self.terms.instrument

    @property
    def exact_value(self) -> Fraction:
        """`quantity * V(mark)`, unrounded."""
        gains = (self.quantity > 0) != self.terms.is_inverse
        return Fraction(self.numerator if gains else -self.numerator, self.denominator)


class Statement(NamedTuple):
    """A margin account at the latest marks; all sums in smallest units, see the module."""

    account: str
    margin_instrument: str | None
    balance: int
    assets: list[Collateral]
    collateral: int
    positions: list[Position]
    unrealized_pnl: int
    equity: int
    maintenance: int
    initial: int

    @property
    def key(self) -> MarginAccount:
        """The margin account that it is about."""
        return self.account, self.margin_instrument

    @property
    def required(self) -> int:
        """What keeps calls away: the initial margin, or the maintenance margin where that is more.

        A schedule may ask less to begin with than to go on; nobody is liquidated without a call.
        """
        return max(self.initial, self.maintenance)

    @property
    def free_collateral(self) -> int:
        """Equity beyond the initial margin; negative where it falls short."""
        return self.equity - self.initial


def margin_account(state: "State", participant: str, instrument: str) -> MarginAccount:
    """Where a participant's position in an instrument is margined."""
    if not state.modes:
        return participant, None
    chosen = state.modes.get((participant, instrument), CROSS)
    return (participant, instrument if chosen.mode == "isolated" else None)


def margin_accounts(state: "State") -> list[MarginAccount]:
    """All of them: cross where there is a wallet or a position, isolated where not empty."""
    found: set[MarginAccount] = set()
    for owner in state.journal.wallet_owners():
        found.add((owner, None))
    for owner, positions in state.journal.positions_of.items():
        if not owner.startswith("@"):
            found.update(margin_account(state, owner, instrument) for instrument in positions)
    asset = state.settlement.asset
    for (owner, instrument), terms in state.modes.items():
        if terms.mode == "isolated" and state.journal.balance(owner, ISOLATED, instrument, asset):
            found.add((owner, instrument))
    return sorted(found, key=order_of)


def order_of(account: MarginAccount) -> tuple[str, bool, str]:
    """By participant, cross before isolated, then instrument."""
    return account[0], account[1] is not None, account[1] or ""


def statement(state: "State", account: str, instrument: str | None) -> Statement:
    """The margin account as it stands."""
    journal, settlement = state.journal, state.settlement
    held = journal.positions_of.get(account, {})
    assets: list[Collateral] = []
    if instrument is None:
        balance = journal.balance(account, WALLET, None, settlement.asset)
        names = sorted(held)
        if state.modes:
            names = [name for name in names if margin_account(state, account, name)[1] is None]
        positions = [position(state, account, name) for name in names]
        wallets = journal.wallets(account)
        if len(wallets) > 1 or settlement.asset not in wallets:
            for asset in sorted(wallets):
                amount = journal.balances[wallets[asset]]
                if amount and asset != settlement.asset:
                    assets.append(collateral_of(state, asset, amount))
    else:
        balance = journal.balance(account, ISOLATED, instrument, settlement.asset)
        positions = [position(state, account, instrument)] if instrument in held else []
    collateral = balance
    for asset_held in assets:
        collateral += asset_held.value
    unrealized = required = to_begin = 0
    for held_one in positions:
        unrealized += held_one.cost + held_one.value
        required += held_one.maintenance
        to_begin += held_one.initial
    return Statement(
        account=account,
        margin_instrument=instrument,
        balance=balance,
        assets=assets,
        collateral=collateral,
        positions=positions,
        unrealized_pnl=unrealized,
        equity=collateral + unrealized,
        maintenance=required,
        initial=to_begin,
    )


def position_in(found: Statement, instrument: str) -> Position:
    """An open position of a margin account."""
    return found.positions[bisect_left(found.positions, instrument, key=_INSTRUMENT)]


def followed(state: "State", found: Statement, instrument: str) -> Statement:
    """The margin account after its position in an instrument and its settlement cash have changed.

    Nothing else of it may have: the other positions and the assets are taken as they were found. So
    an account of a thousand positions is closed one by one without being valued a thousand times.
    """
    journal = state.journal
    owner, kind = found.account, WALLET if found.margin_instrument is None else ISOLATED
    balance = journal.balance(owner, kind, found.margin_instrument, state.settlement.asset)
    positions = found.positions.copy()
    place = bisect_left(positions, instrument, key=_INSTRUMENT)
    before = positions[place]
    unrealized = found.unrealized_pnl - before.cost - before.value
    required, to_begin = found.maintenance - before.maintenance, found.initial - before.initial
    if instrument in journal.positions_of[owner]:
        now = positions[place] = position(state, owner, instrument)
        unrealized += now.cost + now.value
        required += now.maintenance
        to_begin += now.initial
    else:
        del positions[place]
    collateral = found.collateral - found.balance + balance
    return Statement(
        account=owner,
        margin_instrument=found.margin_instrument,
        balance=balance,
        assets=found.assets,
        collateral=collateral,
        positions=positions,
        unrealized_pnl=unrealized,
        equity=collateral + unrealized,
        maintenance=required,
        initial=to_begin,
    )


def position(state: "State", owner: str, instrument: str) -> Position:
    """An open position at the latest mark."""
    journal, terms = state.journal, state.instruments[instrument]
    quantity = journal.balances[journal.positions_of[owner][instrument]]
    cost = journal.balance(owner, VARIATION, instrument, state.settlement.asset)
    mark = state.marks.get(instrument)
    leverage = state.modes.get((owner, instrument), CROSS).leverage if state.modes else None
    if mark is None:
        tier = terms.tiers[0]
        return Position(terms, quantity, cost, None, 0, 1, -cost, tier, leverage, 0, 0, stale=True)
    signed, denominator = terms.value_fraction(quantity, mark.price)
    numerator = abs(signed)
    tier = tier_of(terms.tiers, numerator, denominator)
    return Position(
        terms,
        quantity,
        cost,
        mark.price,
        numerator,
        denominator,
        signed // denominator,
        tier,
        leverage,
        maintenance(tier, numerator, denominator),
        initial(tier, leverage, numerator, denominator),
        terms.price_max_age is not None and is_stale(state, terms),
    )


def collateral_of(state: "State", asset: str, balance: int) -> Collateral:
    """A balance of a collateral asset, and what it counts."""
    terms, price = state.assets[asset], state.asset_prices.get(asset)
    if price is None:
        return Collateral(terms, balance, None, 0)
    numerator, denominator = collateral_fraction(
        balance, price, terms.haircut, terms.scale, state.settlement.scale
    )
    return Collateral(terms, balance, price, numerator // denominator)
