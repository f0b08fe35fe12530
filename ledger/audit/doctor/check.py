"""A check of `clearing doctor`: what was looked at, what was found, and what to do."""

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How it stands. Only `BAD` makes the whole deployment bad."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    SKIPPED = "skipped"


class Check(NamedTuple):
    """One line of the report.

    Attributes:
        name: What was looked at.
        verdict: How it stands.
        found: What was found, or why it was not looked at.
        todo: What to do; empty where nothing is to be done.
    """

    name: str
    verdict: Verdict
    found: str
    todo: str = ""


def ok(name: str, found: str) -> Check:
    """As it should be."""
    return Check(name, Verdict.OK, found)


def warn(name: str, found: str, todo: str) -> Check:
    """Works, but will not always."""
    return Check(name, Verdict.WARN, found, todo)


def bad(name: str, found: str, todo: str) -> Check:
    """A promise is broken, or about to be."""
    return Check(name, Verdict.BAD, found, todo)


def skipped(name: str, why: str, todo: str = "") -> Check:
    """Not looked at."""
    return Check(name, Verdict.SKIPPED, why, todo)


def listed(names: list[str], at_most: int = 5) -> str:
    """A few of many, and how many more there are."""
    more = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {more} more" if more > 0 else "")
