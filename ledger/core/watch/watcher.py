"""What decides which margin accounts an event has examined: the watch, or its slow oracle.

A base class and not a protocol: compiled, a call through a protocol costs ten times as much.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ledger.core.margin.statements import MarginAccount, Statement

if TYPE_CHECKING:  # the state holds its watch
    from ledger.core.outcome import Posting
    from ledger.core.state import State


class Watcher(ABC):
    """Who decides which margin accounts are examined."""

    @abstractmethod
    def moved(self, state: "State", name: str, price: int) -> None:
        """The price of an instrument, or of an asset by `asset_name`, is this now."""

    @abstractmethod
    def posted(self, state: "State", postings: Sequence["Posting"]) -> None:
        """These postings were made."""

    @abstractmethod
    def touch(self, accounts: Iterable[MarginAccount]) -> None:
        """Something else changed that these accounts depend on."""

    @abstractmethod
    def proves_initial(self, account: MarginAccount) -> bool:
        """The account is known to have its initial margin, without being examined."""

    @abstractmethod
    def has_due(self) -> bool:
        """Somebody is to be examined."""

    @abstractmethod
    def due(self, state: "State") -> set[MarginAccount]:
        """The accounts to be examined now; they are due no longer."""

    @abstractmethod
    def settle(self, state: "State", found: Statement) -> None:
        """The account was examined and left so."""

    @abstractmethod
    def event_ended(self) -> None:
        """The event was accepted."""

    @abstractmethod
    def event_undone(self, state: "State") -> None:
        """All that was told since the last event was taken back, in the state too."""
