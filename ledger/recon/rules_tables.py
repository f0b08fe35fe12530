"""Tables of a rules file, read key by key, with faults that name file, key, found and expected."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from ledger.errors import ConfigurationError


class Table:
    """One table of a TOML file; what nobody asked for is a fault at the end (`finish`).

    Attributes:
        key: Its own name, without those of the tables around it.
    """

    def __init__(self, file: str, path: str, content: Mapping[str, object]) -> None:
        self.key = path.rpartition(".")[2]
        self._file = file
        self._path = path
        self._content = content
        self._asked: set[str] = set()

    def text(self, name: str, default: str | None) -> str:
        """Text that is not empty; without a default it must be there."""
        found = self._found(name, default)
        if isinstance(found, str) and found:
            return found
        raise self._wrong(name, found, "text")

    def texts(self, name: str) -> Sequence[str]:
        """A list of texts, empty where there is none."""
        found = self._found(name, [])
        if isinstance(found, list) and all(isinstance(each, str) and each for each in found):
            return tuple(found)
        raise self._wrong(name, found, "a list of texts")

    def choice(self, name: str, choices: Sequence[str], default: str | None) -> str:
        """One of these."""
        found = self._found(name, default)
        if isinstance(found, str) and found in choices:
            return found
        raise self._wrong(name, found, f"one of {', '.join(choices)}")

    def whole(self, name: str, default: int | None, most: int | None = None) -> int:
        """A whole number from zero; to `most`, where there is one."""
        found = self._found(name, default)
        if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
            if most is None or found <= most:
                return found
            raise self._wrong(name, found, f"a whole number from 0 to {most}")
        raise self._wrong(name, found, "a whole number from 0")

    def flag(self, name: str) -> bool:
        """True or false; false where nothing is said."""
        found = self._found(name, default=False)
        if isinstance(found, bool):
            return found
        raise self._wrong(name, found, "true or false")

    def amount(self, name: str) -> Decimal:
        """An exact amount from zero, written as text or as a number."""
        return self._amount(name, self._found(name, None))

    def amounts(self) -> dict[str, Decimal]:
        """All keys of this table as amounts."""
        self._asked.update(self._content)
        return {name: self._amount(name, found) for name, found in self._content.items()}

    def names(self) -> dict[str, str]:
        """All keys of this table as names for names."""
        return {name: self.text(name, None) for name in self._content}

    def table(self, name: str) -> "Table":
        """The table of this name, empty where there is none."""
        return Table(self._file, self._below(name), self.raw(name))

    def tables(self) -> list["Table"]:
        """All keys of this table as tables, by name."""
        return [self.table(name) for name in sorted(self._content)]

    def listed(self, name: str) -> list["Table"]:
        """A list of tables, empty where there is none."""
        found = self._found(name, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._wrong(name, found, "tables, [[...]]")
        return [
            Table(self._file, f"{self._below(name)}[{at}]", each)
            for at, each in enumerate(found, start=1)
        ]

    def raw(self, name: str) -> dict[str, object]:
        """The table of this name as it stands, empty where there is none."""
        found = self._found(name, {})
        if isinstance(found, dict):
            return found
        raise self._wrong(name, found, "a table")

    def finish(self) -> None:
        """Nothing may be left that nobody asked for.

        Raises:
            ConfigurationError: It names the first such key, and those that there are.
        """
        unknown = sorted(set(self._content) - self._asked)
        if unknown:
            raise ConfigurationError(
                f"{self._file}: {self._below(unknown[0])} is unknown;"
                f" here may stand {', '.join(sorted(self._asked))}"
            )

    def below(self, name: str) -> str:
        """File and key, for messages."""
        return f"{self._file}: {self._below(name)}"

    def _found(self, name: str, default: object) -> object:
        self._asked.add(name)
        found = self._content.get(name, default)
        if found is None:
            raise ConfigurationError(f"{self._file}: {self._below(name)} is missing")
        return found

    def _amount(self, name: str, found: object) -> Decimal:
        if isinstance(found, str) or (isinstance(found, int) and not isinstance(found, bool)):
            try:
                amount = Decimal(found)
            except InvalidOperation:
                amount = Decimal(-1)
            if amount.is_finite() and amount >= 0:
                return amount
        raise self._wrong(name, found, 'an amount from 0, as in "0.01"')

    def _wrong(self, name: str, found: object, expected: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._file}: {self._below(name)}: found {found!r}, expected {expected}"
        )

    def _below(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
