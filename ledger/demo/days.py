"""Which days of the simulated exchange a database has seen; the file beside the demo's own books.

A day is written down before its first message goes out, so that a demo that was killed is known to
have begun it, and the next one plays it to its end.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import ConfigurationError


class Played(NamedTuple):
    """What these books have seen: seed, participants, and the size of each day.

    Attributes:
        days: Messages asked for, day by day.
        is_complete: Whether the last of these days was played to its end.
    """

    seed: int
    participants: int
    days: Sequence[int] = ()
    is_complete: bool = True

    @property
    def day(self) -> int:
        """Number of the last day, from 1; 0 before the first."""
        return len(self.days)

    def begin(self, events: int) -> "Played":
        """With the next day begun; a day that was not played to its end is begun again."""
        days = self.days if not self.is_complete else [*self.days, events]
        return self._replace(days=days, is_complete=False)

    def end(self) -> "Played":
        return self._replace(is_complete=True)


def require_same(known: Played, seed: int | None, participants: int | None) -> None:
    """The exchange of a database is the one that it began with.

    Raises:
        ConfigurationError: Another seed or number of participants was asked for.
    """
    if seed not in {None, known.seed} or participants not in {None, known.participants}:
        raise ConfigurationError(
            f"these books were begun with --seed {known.seed} --participants {known.participants},"
            " and go on with them: leave both out to play the next day, or start over with --fresh"
        )


class Days:
    """The file that says what was played where.

    Args:
        path: Of the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, url: str) -> Played | None:
        """What this database has seen; None: nothing."""
        row = self._all().get(url)
        return None if row is None else Played(*row)

    def keep(self, url: str, played: Played) -> None:
        """Write it down, whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".new")
        aside.write_text(json.dumps(self._all() | {url: list(played)}))
        aside.replace(self._path)

    def _all(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        found: dict[str, Any] = json.loads(self._path.read_text())
        return found
