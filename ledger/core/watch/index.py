"""The watch: which margin accounts an event may have brought to a border, found quickly.

How it works. When an account has been examined, its buffer over the border is split over what moves
it (positions, collateral assets: its *exposures*), and each gets a range of prices. `floor` is the
least that an exposure can contribute to `equity - requirement` while its price stays in the range.

    cash + sum(floor) >= 0     proves the account sound, whatever prices do inside their ranges
    cash + sum(ceiling) < 0    proves, for an account with a margin call, that the call stays open

A tick looks at two heaps of range ends, nothing else, unless it crosses one. A posting finds what
it moves by the number of its account, and re-computes that one exposure in the range that it has.
Where that is not enough (a range was left, a position is new), the exposure alone is given a new
range, for half of what the account has over its border. What still cannot be proved is *due*: it is
examined, exactly, and all its ranges are set anew. So ranges decide what is looked at, never what
is found; `ledger.core.watch.everyone` in its place examines everybody after every event, and must
find the same.

Which border: without a call, the initial margin (or the maintenance margin where that is larger);
with a call, the maintenance margin below and the initial margin above. An account that cannot be
proved at all (at its border, or held by the price guard) is examined at every price of its own.

Values and requirements are rounded to a unit each, and tiers may be off by one at their borders:
`SLACK` units an exposure cover that.

Cost: a tick that crosses nothing 0.1 us, at any number of positions; a posting about 0.4 us; a new
range about 6 us; an account that is examined about 6 us an exposure.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ledger.core.accounts import HOLD, ISOLATED, WALLET
from ledger.core.margin.statements import MarginAccount, Statement, margin_account, position
from ledger.core.watch.ends import RangeEnds
from ledger.core.watch.exposures import SLACK, Border, Exposure
from ledger.core.watch.guarded import Guarded
from ledger.core.watch.ranges import asset_range, position_range
from ledger.core.watch.watcher import Watcher

if TYPE_CHECKING:  # the state holds its watch
    from ledger.core.outcome import Posting
    from ledger.core.state import State


_CASH = (WALLET, ISOLATED)


def asset_name(asset: str) -> str:
    """The name of a collateral asset's price; no instrument can have it."""
    return f"${asset}"


class _Nobody:
    """Stands for the owner of an account that no margin depends on."""


_NOBODY = _Nobody()


class Watch(Watcher):
    """The price-bound index.

    Attributes:
        examined: How many accounts were handed out to be examined, ever.
    """

    def __init__(self) -> None:
        """Know nobody yet: each account is due when it is first touched."""
        self.examined = 0
        self._guarded: dict[MarginAccount, Guarded] = {}
        self._followed: list[Guarded | Exposure | _Nobody | None] = []
        """What the balance of an account moves, by its number: cash, or a position."""
        self._ends: dict[str, RangeEnds] = {}
        self._due: set[MarginAccount] = set()
        self._seen: list[MarginAccount] = []
        self._serial = 0

    def moved(self, state: "State", name: str, price: int) -> None:
        """Give a new range to whose range the price has left; make due who is restless."""
        ends = self._ends.get(name)
        if ends is None:
            return
        for serial, account in ends.crossed(price):
            known = self._guarded.get(account)
            exposure = None if known is None else known.exposures.get(name)
            if known is None or exposure is None or exposure.serial != serial:
                continue
            if not self._rebound(state, account, known, name):
                self._due.add(account)
        if ends.restless:
            self._due |= ends.restless

    def posted(self, state: "State", postings: Sequence["Posting"]) -> None:
        """Follow the postings; make due what they leave without proof."""
        if not postings:
            return
        balances, followed = state.journal.balances, self._followed
        missing = len(balances) - len(followed)
        if missing:
            followed += [None] * missing
        exposed: dict[Exposure, None] = {}
        strange: dict[int, None] = {}
        for posting in postings:
            number = posting[0]
            found = followed[number]
            if found is None:
                strange[number] = None
            elif found.__class__ is Exposure:
                exposed[found] = None
            elif found is not _NOBODY:
                self._paid(found, balances[number])  # type: ignore[arg-type]
        if strange:
            self._found(state, strange)
        for exposure in exposed:
            self._exposed(state, exposure.account, exposure, None)

    def touch(self, accounts: Iterable[MarginAccount]) -> None:
        """Make them due."""
        self._due.update(accounts)

    def proves_initial(self, account: MarginAccount) -> bool:
        """It has no call, and its proof holds."""
        known = self._guarded.get(account)
        return (
            known is not None
            and account not in self._due
            and known.border.has_lower
            and known.border.is_initial
            and known.holds()
        )

    def has_due(self) -> bool:
        """Somebody's proof does not hold."""
        return bool(self._due)

    def due(self, state: "State") -> set[MarginAccount]:
        """Hand out who is due."""
        del state
        due, self._due = self._due, set()
        self._seen += due
        self.examined += len(due)
        for account in due:  # no proof holds before it is settled
            known = self._guarded.get(account)
            if known is not None:
                known.is_proved = False
        return due

    def settle(self, state: "State", found: Statement) -> None:
        """Give the account new ranges."""
        account = found.key
        self._forget(account)
        if not found.positions and not found.assets and not found.balance:
            return
        border = Border.of(state, found)
        kind = WALLET if account[1] is None else ISOLATED
        number = state.journal.number(account[0], kind, account[1], state.settlement.asset)
        known = self._guarded[account] = Guarded(account, number, found.balance, border)
        self._place(number, known)
        slack = SLACK * (len(found.positions) + len(found.assets))
        buffer = found.equity - border.required(found) - slack
        room = found.initial - found.equity - slack
        weight = sum(p.numerator // p.denominator + 1 for p in found.positions)
        weight += sum(abs(a.value) + 1 for a in found.assets)
        exposures = known.exposures
        for p in found.positions:
            share = p.numerator // p.denominator + 1
            exposure = exposures[p.instrument] = position_range(
                state, account[0], p, border, buffer * share // weight, room * share // weight
            )
            self._follow(exposure)
        for a in found.assets:
            share = abs(a.value) + 1
            exposures[asset_name(a.asset.asset)] = asset_range(
                state, account, a, buffer * share // weight, room * share // weight
            )
        for exposure in exposures.values():
            known.floor += exposure.floor
            known.ceiling += exposure.ceiling
        known.is_proved = border.is_provable
        if known.holds():
            for name in exposures:
                self._keep_end(account, known, name)
        else:
            known.is_proved = False
            for name in exposures:
                self._ends_of(name).restless.add(account)

    def event_ended(self) -> None:
        """Nothing of this event can be taken back any more."""
        if self._seen:
            self._seen = []

    def event_undone(self, state: "State") -> None:
        """Whoever was looked at is due again, and known no longer: its accounts may be others."""
        for account in self._seen:
            self._forget(account)
        self._due.update(self._seen)
        self._seen = []
        del self._followed[len(state.journal.balances) :]

    def _found(self, state: "State", numbers: Iterable[int]) -> None:
        """Find out what the balances of these accounts move; follow the postings to them."""
        keys, balances = state.journal.keys, state.journal.balances
        exposed: dict[tuple[str, str], None] = {}
        for number in numbers:
            owner, kind, instrument, asset = keys[number]
            if owner[0] == "@" or kind == HOLD:
                self._followed[number] = _NOBODY
            elif kind not in _CASH:
                exposed[owner, instrument or ""] = None
            elif asset != state.settlement.asset:
                self._doubt((owner, None))
            else:
                known = self._guarded.get((owner, instrument))
                if known is None:
                    self._doubt((owner, instrument))
                else:
                    known.number = number
                    self._followed[number] = known
                    self._paid(known, balances[number])
        for owner, instrument in exposed:
            account = margin_account(state, owner, instrument)
            known = self._guarded.get(account)
            if known is None:
                self._doubt(account)
            else:
                self._exposed(state, account, known.exposures.get(instrument), instrument)

    def _doubt(self, account: MarginAccount) -> None:
        """Nothing proves it sound: it is due."""
        self._seen.append(account)
        self._due.add(account)

    def _paid(self, known: Guarded, cash: int) -> None:
        self._seen.append(known.account)
        change = cash - known.cash
        known.cash = cash
        known.floor += change
        known.ceiling += change
        if not known.holds():
            self._due.add(known.account)

    def _exposed(
        self, state: "State", account: MarginAccount, exposure: Exposure | None, name: str | None
    ) -> None:
        """Re-compute one exposure in the range that it has, or in a new one.

        Args:
            state: As the postings left it.
            account: A guarded one.
            exposure: What it has in the instrument so far.
            name: The instrument; None: the exposure tells.
        """
        self._seen.append(account)
        known = self._guarded[account]
        if exposure is not None:
            floor, ceiling = exposure.floor, exposure.ceiling
            if exposure.follow(state.journal.balances):
                known.floor += exposure.floor - floor
                known.ceiling += exposure.ceiling - ceiling
                if known.holds():
                    return
        if account in self._due:
            return
        if name is None:
            assert exposure is not None, "an exposure that is followed is there"
            name = state.journal.keys[exposure.position].instrument or ""
        if not self._rebound(state, account, known, name):
            self._due.add(account)

    def _rebound(self, state: "State", account: MarginAccount, known: Guarded, name: str) -> bool:
        """Give one exposure a new range for half of what is over the border; False: no proof."""
        self._seen.append(account)
        if not known.is_proved or not known.border.is_initial or name[0] == "$":
            return False
        old = known.exposures.pop(name, None)
        if old is not None:
            known.floor -= old.floor
            self._let_go(name, old)
        if name not in state.journal.positions_of.get(account[0], {}):
            known.is_proved = known.floor >= 0
            return known.is_proved
        held = position(state, account[0], name)
        over = known.floor + held.cost + held.value - max(held.initial, held.maintenance) - SLACK
        exposure = position_range(state, account[0], held, known.border, over // 2, 0)
        known.exposures[name] = exposure
        self._follow(exposure)
        known.floor += exposure.floor
        known.is_proved = over >= 0 and known.floor >= 0 and not exposure.is_restless
        if known.is_proved:
            self._keep_end(account, known, name)
        return known.is_proved

    def _forget(self, account: MarginAccount) -> None:
        known = self._guarded.pop(account, None)
        if known is None:
            return
        self._place(known.number, None)
        for name, exposure in known.exposures.items():
            self._let_go(name, exposure)

    def _let_go(self, name: str, exposure: Exposure) -> None:
        """Follow an exposure no longer."""
        self._place(exposure.position, None)
        self._place(exposure.variation, None)
        ends = self._ends_of(name)
        ends.restless.discard(exposure.account)
        if exposure.serial:
            ends.live -= 1

    def _follow(self, exposure: Exposure) -> None:
        """Find the exposure by the numbers of its accounts from now on."""
        self._place(exposure.position, exposure)
        self._place(exposure.variation, exposure)

    def _place(self, number: int, found: Guarded | Exposure | None) -> None:
        """Let an account stand for what its balance moves; 0 is no account."""
        if number:
            missing = number + 1 - len(self._followed)
            if missing > 0:
                self._followed += [None] * missing
            self._followed[number] = found

    def _keep_end(self, account: MarginAccount, known: Guarded, name: str) -> None:
        """Put the ends of an exposure's range among the others of its price."""
        exposure, ends = known.exposures[name], self._ends_of(name)
        self._serial += 1
        exposure.serial = self._serial
        if exposure.is_restless:
            ends.restless.add(account)
        ends.keep(exposure.low, exposure.high, self._serial, account)
        if ends.is_crowded:
            ends.weed(lambda serial, account: self._is_live(name, serial, account))

    def _is_live(self, name: str, serial: int, account: MarginAccount) -> bool:
        known = self._guarded.get(account)
        exposure = None if known is None else known.exposures.get(name)
        return exposure is not None and exposure.serial == serial

    def _ends_of(self, name: str) -> RangeEnds:
        ends = self._ends.get(name)
        if ends is None:
            ends = self._ends[name] = RangeEnds()
        return ends
