"""A worksheet: every figure of an explanation worked again, beside the one that was recorded.

Rules of this file:

* A step works one figure from named inputs. It stands at a *place*: a path into the inputs where
  the recorded figure is (`records/0/body/equity`), or a name of its own (`=notional`) where the
  record keeps none.
* What a step takes comes from a place as well, so that whoever reads the export can follow it back.
* A step agrees when the worked figure equals the recorded one exactly; there is no tolerance.
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.audit.explanation.arithmetic import decimal, number

Value = Fraction | str | int | bool | None
"""A figure, or a word, a count, a flag, or nothing."""


class Step(NamedTuple):
    """One figure, worked.

    Attributes:
        name: In words.
        formula: With the names of the inputs.
        inputs: What was put in, by name.
        places: Where each input stands, by name.
        place: Where the figure stands.
        result: What comes out.
        recorded: What the books say; None where nothing was recorded.
        unit: Of the figure.
        agrees: They are equal, or nothing was recorded.
        is_carried: It is only carried over from elsewhere in the books, nothing is calculated.
    """

    name: str
    formula: str
    inputs: Mapping[str, Value]
    places: Mapping[str, str]
    place: str
    result: Value
    recorded: Value
    unit: str
    agrees: bool
    is_carried: bool = False


class Heading(NamedTuple):
    """Begins a section."""

    text: str


class Note(NamedTuple):
    """A sentence between the figures."""

    text: str


class Table(NamedTuple):
    """Rows of equal keys, shown aligned."""

    rows: Sequence[Mapping[str, object]]


class Missing(Exception):
    """A figure that should be in the inputs is not; names the place."""


class Worksheet:
    """What an explanation is written on."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        """Start with the inputs, a tree of dicts, lists and plain values."""
        self.inputs = inputs
        self.parts: list[Step | Heading | Note | Table] = []
        self._worked: dict[str, Value] = {}

    @property
    def steps(self) -> list[Step]:
        """The steps, in order."""
        return [part for part in self.parts if isinstance(part, Step)]

    @property
    def agrees(self) -> bool:
        """Every step does."""
        return all(step.agrees for step in self.steps)

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.parts.append(Heading(text))

    def note(self, text: str) -> None:
        """Say something."""
        self.parts.append(Note(text))

    def table(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Show rows."""
        if rows:
            self.parts.append(Table(rows))

    def at(self, place: str) -> Any:  # noqa: ANN401 - a tree of JSON
        """What stands at a place of the inputs.

        Raises:
            Missing: Nothing stands there.
        """
        found: Any = self.inputs
        for name in place.split("/"):
            try:
                found = found[int(name)] if isinstance(found, list | tuple) else found[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Missing(place) from None
        return found

    def figure(self, place: str) -> Fraction:
        """The number at a place."""
        if place.startswith("="):
            worked = self._worked[place]
            assert isinstance(worked, Fraction)
            return worked
        return number(self.at(place))

    def work(
        self,
        place: str,
        name: str,
        formula: str,
        inputs: Mapping[str, str],
        result: Value,
        unit: str = "",
    ) -> Value:
        """Write a step down; returns the result.

        Args:
            place: Of the figure: a path into the inputs, or a name that begins with `=`.
            name: In words.
            formula: With the names of the inputs.
            inputs: By name: the place where it stands.
            result: What comes out.
            unit: Of the figure.
        """
        values = {key: self._value(given) for key, given in inputs.items()}
        recorded: Value = None
        agrees = True
        if place.startswith("="):
            self._worked[place] = result
        else:
            recorded = _like(result, self.at(place))
            agrees = recorded == result and (recorded is None) == (result is None)
        step = Step(name, formula, values, inputs, place, result, recorded, unit, agrees)
        self.parts.append(step)
        return result

    def claim(
        self,
        place: str,
        name: str,
        formula: str,
        inputs: Mapping[str, str],
        *,
        holds: bool,
    ) -> None:
        """Write down something that must hold; `place` is a name of its own."""
        self.work(place, name, formula, inputs, holds)
        step = self.parts[-1]
        assert isinstance(step, Step)
        self.parts[-1] = step._replace(recorded=True, agrees=holds)

    def carry(self, place: str, name: str, source: str, formula: str = "as in the books") -> None:
        """Hold a figure against another place that it was taken from."""
        found = self.at(source)
        wanted = self.at(place)
        result = _like(Fraction(0), found)
        recorded = _like(Fraction(0), wanted)
        agrees = result == recorded
        values = {"there": result}
        places = {"there": source}
        self.parts.append(
            Step(
                name,
                formula,
                values,
                places,
                place,
                result,
                recorded,
                "",
                agrees,
                is_carried=True,
            )
        )

    def keep(self, place: str, figure: Fraction) -> str:
        """Let a figure that was worked elsewhere stand at a name of its own, without a step."""
        assert place.startswith("=")
        self._worked[place] = figure
        return place

    def _value(self, given: str) -> Value:
        if given.startswith("="):
            return self._worked[given]
        found = self.at(given)
        return _like(Fraction(0), found)


@lru_cache(maxsize=2**16)
def _figure_or_word(text: str) -> Fraction | str:
    return Fraction(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else text


def _like(result: Value, found: object) -> Value:
    """What was recorded, as a figure where it is one."""
    if isinstance(found, bool) or found is None:
        return found
    if isinstance(found, int):
        return Fraction(found) if isinstance(result, Fraction) else found
    if isinstance(found, str):
        if not isinstance(result, Fraction) and result is not None:
            return found
        return _figure_or_word(found)
    return f"{type(found).__name__} of {len(found)}" if isinstance(found, list) else str(found)


def shown(value: Value, scale: int | None = None) -> str:
    """A value as it is printed and exported."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction):
        return decimal(value, scale)
    return "none" if value is None else str(value)


def counted(count: int, thing: str) -> str:
    """So many of a thing, in words."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def exported(value: Value) -> object:
    """A value as it stands in the JSON: figures as decimal strings, exact fractions as `a/b`."""
    if isinstance(value, Fraction):
        text = decimal(value)
        return text if Fraction(text) == value else f"{value.numerator}/{value.denominator}"
    return value


def substituted(step: Step) -> str:
    """The formula with its figures put in."""

    def put_in(found: re.Match[str]) -> str:
        if found[0] not in step.inputs:
            return found[0]
        value = shown(step.inputs[found[0]])
        after_sign = step.formula[: found.start()].rstrip().endswith(("+", "-", "*", "/"))
        return f"({value})" if value.startswith("-") and after_sign else value

    return re.sub(r"[A-Za-z_][A-Za-z0-9_]*", put_in, step.formula)
