"""The watch: which margin accounts an event may have brought to a border, found quickly.

How it works. When an account has been examined, three quarters of its buffer over the border are
split over what moves it (positions, collateral assets: its *exposures*), and each gets a range of
prices. `floor` is the least that an exposure can contribute to `equity - requirement` while its
price stays in the range. The last quarter is for whose range is left first: without it every range
that is left has the whole account examined (of 15 positions 165 us a crossing, with it 56 us).

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
from typing import TYPE_CHECKING, Final, final

from ledger.core.accounts import HOLD, ISOLATED, VARIATION, WALLET
from ledger.core.margin.statements import MarginAccount, Statement, margin_account, position
from ledger.core.watch.ends import RangeEnds
from ledger.core.watch.exposures import SLACK, UNCALLED, Exposure, border_of
from ledger.core.watch.guarded import Guarded, asset_name
from ledger.core.watch.ranges import range_asset, range_position
from ledger.core.watch.watcher import Watcher

if TYPE_CHECKING:  # the state holds its watch
    from ledger.core.outcome import Posting
    from ledger.core.state import State


class _Nobody:
    """Stands for the owner of an account that no margin depends on."""


_NOBODY: Final = _Nobody()


@final
class Watch(Watcher):
    """The price-bound index.

    Attributes:
        crossed: How many ranges prices have left, ever.
        examined: How many accounts were handed out to be examined, ever.
    """

    def __init__(self) -> None:
        """Know nobody yet: each account is due when it is first touched."""
        self.crossed = 0
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
        for exposure in ends.crossed(price):
            self.crossed += 1
            if not self._rebound(state, exposure.guarded, exposure, name):
                self._due.add(exposure.guarded.account)
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
            elif isinstance(found, Exposure):
                exposed[found] = None
            elif isinstance(found, Guarded):
                self._paid(found, balances[number])
        if strange:
            self._found(state, strange)
        for exposure in exposed:
            if followed[exposure.position] is exposure:  # not let go among the strange ones
                self._exposed(state, exposure.guarded, exposure, exposure.ends.name)

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
        if not found.positions and not found.assets and not found.balance:
            self._forget(found.key)
            return
        known = self._known(state, found)
        border = known.border = border_of(state, known.account)
        exposures = known.exposures
        slack = SLACK * len(exposures)
        buffer = found.equity - border.required(found) - slack
        if border.is_initial:
            buffer = buffer * 3 // 4
        room = found.initial - found.equity - slack
        weight = 0
        for p in found.positions:
            weight += p.numerator // p.denominator + 1
        for a in found.assets:
            weight += abs(a.value) + 1
        known.cash = floor = ceiling = found.balance
        for place, p in enumerate(found.positions):
            exposure = exposures[place]
            if not exposure.variation:
                self._place_variation(state, exposure)
            share = p.numerator // p.denominator + 1
            range_position(exposure, p, border, buffer * share // weight, room * share // weight)
        for place, a in enumerate(found.assets, len(found.positions)):
            share = abs(a.value) + 1
            of_buffer, of_room = buffer * share // weight, room * share // weight
            range_asset(exposures[place], state, a, of_buffer, of_room)
        for exposure in exposures:
            floor += exposure.floor
            ceiling += exposure.ceiling
        known.floor, known.ceiling = floor, ceiling
        known.is_proved = border.is_provable(found)
        if known.holds():
            for exposure in exposures:
                self._keep_ends(exposure)
        else:
            known.is_proved = False
            for exposure in exposures:
                exposure.ends.let_go(exposure)
                exposure.ends.restless.add(known.account)

    def _known(self, state: "State", found: Statement) -> Guarded:
        """The account with an exposure for all that it has: the one that was there, or another."""
        account = found.key
        known = self._guarded.get(account)
        if known is not None and known.has_exposures_of(found):
            return known
        self._forget(account)
        known = self._guarded[account] = Guarded(account, UNCALLED)
        kind = WALLET if account[1] is None else ISOLATED
        known.number = state.journal.number(account[0], kind, account[1], state.settlement.asset)
        self._place(known.number, known)
        for held in found.positions:
            self._expose(state, known, held.terms.instrument)
        for asset in found.assets:
            known.exposures.append(Exposure(known, self._ends_of(asset_name(asset.asset.asset))))
        return known

    def _expose(self, state: "State", known: Guarded, instrument: str) -> Exposure:
        """Let a position move the account from now on, and find it by the number of its own."""
        journal, owner = state.journal, known.account[0]
        exposure = Exposure(known, self._ends_of(instrument))
        known.exposures.append(exposure)
        exposure.position = journal.positions_of[owner][instrument]
        self._place(exposure.position, exposure)
        self._place_variation(state, exposure)
        return exposure

    def _place_variation(self, state: "State", exposure: Exposure) -> None:
        """Find an exposure by the number of the account that has its cost, once there is one."""
        owner, asset = exposure.guarded.account[0], state.settlement.asset
        exposure.variation = state.journal.number(owner, VARIATION, exposure.ends.name, asset)
        self._place(exposure.variation, exposure)

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
            elif kind not in (WALLET, ISOLATED):
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
                self._exposed(state, known, known.exposure(instrument), instrument)

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
        self, state: "State", known: Guarded, exposure: Exposure | None, name: str
    ) -> None:
        """Re-compute one exposure in the range that it has, or in a new one.

        Args:
            state: As the postings left it.
            known: The account.
            exposure: What it has in the instrument so far.
            name: The instrument.
        """
        account = known.account
        self._seen.append(account)
        if exposure is not None:
            floor, ceiling = exposure.floor, exposure.ceiling
            if exposure.follow(state.journal.balances):
                known.floor += exposure.floor - floor
                known.ceiling += exposure.ceiling - ceiling
                if known.holds():
                    return
        if account not in self._due and not self._rebound(state, known, exposure, name):
            self._due.add(account)

    def _rebound(
        self, state: "State", known: Guarded, exposure: Exposure | None, name: str
    ) -> bool:
        """Give one exposure a new range for half of what is over the border; False: no proof."""
        account = known.account
        self._seen.append(account)
        if not known.is_proved or not known.border.is_initial or name[0] == "$":
            return False
        if exposure is not None:
            known.floor -= exposure.floor
        if name not in state.journal.positions_of.get(account[0], {}):
            if exposure is not None:
                known.exposures.remove(exposure)
                self._let_go(exposure)
            known.is_proved = known.floor >= 0
            return known.is_proved
        if exposure is None:
            exposure = self._expose(state, known, name)
        elif not exposure.variation:
            self._place_variation(state, exposure)
        held = position(state, account[0], name)
        over = known.floor + held.cost + held.value - max(held.initial, held.maintenance) - SLACK
        range_position(exposure, held, known.border, over // 2, 0)
        known.floor += exposure.floor
        known.is_proved = over >= 0 and known.floor >= 0 and not exposure.is_restless
        if known.is_proved:
            self._keep_ends(exposure)
        return known.is_proved

    def _forget(self, account: MarginAccount) -> None:
        known = self._guarded.pop(account, None)
        if known is None:
            return
        self._place(known.number, None)
        for exposure in known.exposures:
            self._let_go(exposure)
        known.exposures.clear()

    def _let_go(self, exposure: Exposure) -> None:
        """Follow an exposure no longer."""
        self._place(exposure.position, None)
        self._place(exposure.variation, None)
        exposure.ends.let_go(exposure)

    def _place(self, number: int, found: Guarded | Exposure | None) -> None:
        """Let an account stand for what its balance moves; 0 is no account."""
        if number:
            missing = number + 1 - len(self._followed)
            if missing > 0:
                self._followed += [None] * missing
            self._followed[number] = found

    def _keep_ends(self, exposure: Exposure) -> None:
        """Put the ends of an exposure's range among the others of its price."""
        ends, account = exposure.ends, exposure.guarded.account
        if exposure.is_restless:
            ends.restless.add(account)
        elif ends.restless:
            ends.restless.discard(account)
        self._serial += 1
        ends.keep(exposure, self._serial)

    def _ends_of(self, name: str) -> RangeEnds:
        ends = self._ends.get(name)
        if ends is None:
            ends = self._ends[name] = RangeEnds(name)
        return ends
