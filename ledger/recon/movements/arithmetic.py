"""The arithmetic of statements: what must hold before any line is compared with our books.

What is asked of the statements of one account and commodity, in their order:

* None stands there twice: the same number and beginning or, without number, the same in all. The
  other one is a break `duplicate` and is left out of what follows, whatever it says. Of two that
  say different things the one is taken whose sum holds, of those the one with more movements.
* Closing is opening plus the movements. Else a break `amount`: `ours` is the sum worked out,
  `theirs` the closing told.
* Opening is the closing of the one before. Else a break `opening`, with that closing as `ours`;
  where the numbers show that statements between the two are not there, it is the one break
  `missing_there` instead, also where the balances meet.

Order: by beginning where all tell one, then by number; of those that both have alike, each follows
the one that closes as it opens, else by what they say. Statements without numbers and beginnings
stay as given. A number counts up by one, or begins again below. It may have a page behind a
stroke (`12/1`). A balance that a source does not tell is not asked about. Sums are exact.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from itertools import pairwise
from typing import Any, NamedTuple

from ledger.recon.breaks import Break, BreakType, Severity
from ledger.recon.lines import Statement

SeverityOf = Callable[[BreakType, str, Decimal], Severity]
"""The severity of a break of this type, in this commodity, with this difference."""

_EXACT = Context(prec=400, traps=[Inexact])


class Number(NamedTuple):
    """A statement's number at its source; page 0 where it has none."""

    statement: int
    page: int


@dataclass(slots=True)
class Arithmetic:
    """What the arithmetic came to.

    Attributes:
        statements: Those to go on with: all but duplicates, by account and commodity, in order.
        breaks: In the same order.
        asked: Which links of two statements were looked at: what was asked (`opening`, or
            `missing_there` for the numbers between) and the name and account of the second one.
    """

    statements: list[Statement] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """The sum, with every digit.

    Raises:
        decimal.Inexact: It needs more than 400 digits.
    """
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def check(statements: Iterable[Statement], pool: str, severity: SeverityOf) -> Arithmetic:
    """Hold the statements of one source against themselves.

    Args:
        statements: Of any accounts, in any order.
        pool: Goes into the breaks.
        severity: As the rules have it.
    """
    found = Arithmetic()
    groups: dict[tuple[str, str, str], list[Statement]] = {}
    for each in statements:
        groups.setdefault((each.source, each.account, each.commodity), []).append(each)
    for key in sorted(groups):
        _Chain(groups[key], pool, severity, found).check()
    return found


def number_of(statement: Statement) -> Number | None:
    """Its number as one that counts; None where it is none."""
    first, _, page = statement.number.partition("/")
    if not (first.isdecimal() and (page.isdecimal() or not page)):
        return None
    return Number(int(first), int(page or 0))


def name_of(statement: Statement) -> str:
    """What the statement is called in a break: its number and the day it begins, as far as told."""
    day = "" if statement.begins is None else f"{statement.begins:%Y-%m-%d}"
    return " of ".join(part for part in (statement.number, day) if part) or "without number"


def movements_sum(statement: Statement) -> Decimal:
    """What all its movements come to."""
    return exact_sum(movement.amount for movement in statement.movements)


def worked_out(statement: Statement) -> Decimal:
    """Its opening and its movements."""
    return exact_sum([statement.opening or Decimal(0), movements_sum(statement)])


class _Chain:
    """The statements of one account and commodity."""

    def __init__(
        self, statements: Sequence[Statement], pool: str, severity: SeverityOf, found: Arithmetic
    ) -> None:
        self._statements = _ordered(statements)
        self._pool = pool
        self._severity = severity
        self._found = found

    def check(self) -> None:
        kept = self._without_duplicates()
        self._found.statements.extend(kept)
        for statement in kept:
            self._check_sum(statement)
        for before, after in pairwise(kept):
            self._check_link(before, after)

    def _without_duplicates(self) -> list[Statement]:
        kept: list[Statement] = []
        seen: dict[object, tuple[Statement, int]] = {}
        for statement in self._statements:
            key = (statement.number, statement.begins) if statement.number else _content(statement)
            first, times = seen.get(key, (statement, 0))
            seen[key] = first, times + 1
            if times:
                self._duplicate(first, statement, times + 1)
            else:
                kept.append(statement)
        return kept

    def _duplicate(self, first: Statement, second: Statement, time: int) -> None:
        same = _content(first) == _content(second)
        says = (
            "stands there a second time and says the same"
            if same
            else "stands there a second time and says something else; this one is left out"
        )
        subject = f"statement {name_of(second)}" + (f", time {time}" if time > 2 else "")  # noqa: PLR2004 - the second time needs no number
        self._break("duplicate", second, subject, says, first.closing, second.closing)

    def _check_sum(self, statement: Statement) -> None:
        if statement.opening is None or statement.closing is None:
            return
        total = worked_out(statement)
        if total != statement.closing:
            says = (
                f"opening {statement.opening:f} and {len(statement.movements)} movements come to"
                f" {total:f}, its closing balance is {statement.closing:f}"
            )
            subject = f"statement {name_of(statement)}"
            self._break("amount", statement, subject, says, total, statement.closing)

    def _check_link(self, before: Statement, after: Statement) -> None:
        gap = _gap(before, after)
        link = f"{name_of(after)}, {after.account}"
        if None not in {number_of(before), number_of(after)}:
            self._found.asked.append(f"missing_there {link}")
        if not gap and None not in {before.closing, after.opening}:
            self._found.asked.append(f"opening {link}")
        if gap:
            subject = f"statements {gap} before {name_of(after)}"
            says = f"comes after {name_of(before)}: {gap} not there"
            self._break("missing_there", after, subject, says, before.closing, after.opening)
        elif None not in {before.closing, after.opening} and before.closing != after.opening:
            says = (
                f"opens with {after.opening:f}, the one before ({name_of(before)}) closes with"
                f" {before.closing:f}"
            )
            subject = f"statement {name_of(after)}"
            self._break("opening", after, subject, says, before.closing, after.opening)

    def _break(
        self,
        kind: BreakType,
        statement: Statement,
        subject: str,
        says: str,
        ours: Decimal | None,
        theirs: Decimal | None,
    ) -> None:
        difference = exact_sum([ours or Decimal(0), (theirs or Decimal(0)).copy_negate()])
        lines = [f"line {movement.line}" for movement in statement.movements[:1]]
        self._found.breaks.append(
            Break(
                type=kind,
                severity=self._severity(kind, statement.commodity, difference),
                source=statement.source,
                pool=self._pool,
                subject=subject,
                account=statement.account,
                commodity=statement.commodity,
                ours=ours,
                theirs=theirs,
                our_references=(),
                their_references=(statement.number,) if statement.number else tuple(lines),
                at=statement.begins or statement.ends,
                says=f"The statement {name_of(statement)} {says}.",
            )
        )


def _ordered(statements: Sequence[Statement]) -> list[Statement]:
    numbers = [number_of(each) for each in statements]
    begins = [each.begins for each in statements]
    tied: dict[tuple[Any, ...], list[Statement]] = {}
    for at, (each, number, begin) in enumerate(zip(statements, numbers, begins, strict=True)):
        place: tuple[Any, ...] = (at,)
        if None not in begins:
            place = (begin, number or Number(0, 0))
        elif None not in numbers:
            place = (number,)
        tied.setdefault(place, []).append(each)
    found: list[Statement] = []
    for place in sorted(tied):
        found += _linked(sorted(tied[place], key=_rank), found[-1:])
    return found


def _linked(tied: list[Statement], before: Sequence[Statement]) -> Iterator[Statement]:
    """Statements of one place, each after the one that closes as it opens, if there is one."""
    closing = before[-1].closing if before else None
    while tied:
        closings = {each.closing for each in tied}
        following = [each for each in tied if closing is not None and each.opening == closing]
        firsts = [each for each in tied if each.opening not in closings]
        each = (following or firsts or tied)[0]
        tied.remove(each)
        closing = each.closing
        yield each


def _rank(statement: Statement) -> tuple[bool, int, str]:
    """Those whose sum holds first, then those that tell the most; then by what they say."""
    holds = None not in {statement.opening, statement.closing} and (
        worked_out(statement) == statement.closing
    )
    return not holds, -len(statement.movements), str(_content(statement))


def _gap(before: Statement, after: Statement) -> str:
    """The numbers between the two that are not there, in words; empty where they follow."""
    first, second = number_of(before), number_of(after)
    if first is None or second is None or second <= first:
        return ""
    if second.statement == first.statement:
        missing = (first.page + 1, second.page - 1)
        where = f"page {{}} of {first.statement}"
    elif second.page > 1:
        missing = (1, second.page - 1)
        where = f"page {{}} of {second.statement}"
    else:
        missing = (first.statement + 1, second.statement - 1)
        where = "{}"
    least, most = missing
    if least > most:
        return ""
    return where.format(least if least == most else f"{least} to {most}")


def _content(statement: Statement) -> tuple[object, ...]:
    """All that it says, but where in a file."""
    movements = [movement._replace(line=0) for movement in statement.movements]
    return (*statement._replace(movements=()), *movements)
