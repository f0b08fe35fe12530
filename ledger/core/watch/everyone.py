"""The slow oracle: everybody is examined after every event, and the watch must find the same."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ledger.core.margin.statements import MarginAccount, Statement
from ledger.core.watch.watcher import Watcher

if TYPE_CHECKING:  # the state holds its watch
    from ledger.core.outcome import Posting
    from ledger.core.state import State


class Everyone(Watcher):
    """The slow oracle: everybody is examined after every event."""

    def moved(self, state: "State", name: str, price: int) -> None:
        """Everybody is due anyway."""

    def posted(self, state: "State", postings: Sequence["Posting"]) -> None:
        """Everybody is due anyway."""

    def touch(self, accounts: Iterable[MarginAccount]) -> None:
        """Everybody is due anyway."""

    def proves_initial(self, account: MarginAccount) -> bool:
        """Nothing is known without looking."""
        del account
        return False

    def has_due(self) -> bool:
        """Everybody is."""
        return True

    def due(self, state: "State") -> set[MarginAccount]:
        """All margin accounts, and those whose call is open."""
        journal = state.journal
        owners = dict.fromkeys([*journal.wallet_owners(), *journal.positions_of])
        isolated = {pair for pair, terms in state.modes.items() if terms.mode == "isolated"}
        return {(owner, None) for owner in owners if owner[0] != "@"} | isolated

    def settle(self, state: "State", found: Statement) -> None:
        """Nothing is kept."""

    def event_ended(self) -> None:
        """Nothing is kept."""

    def event_undone(self, state: "State") -> None:
        """Nothing is kept."""
