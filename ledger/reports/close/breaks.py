"""Breaks that were not closed, by age: how old, how grave, who works on them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.errors import ConfigurationError
from ledger.reports.model import Column, Section, Table, table
from ledger.reports.taken import moment
from ledger.store.reports import breaks as books_of
from ledger.store.reports.books import ReportBooks

AGES = (("under a day", 0), ("1 to 7 days", 7), ("8 to 30 days", 30), ("over 30 days", None))
"""Words, and whole days at the most."""

SEVERITIES = ("critical", "high", "medium", "low")


class Breaks(NamedTuple):
    """The tables.

    Attributes:
        words: For what the report was taken at.
        option: That makes the report again with the same breaks.
    """

    section: Section
    words: dict[str, str]
    option: str


def read(books: ReportBooks, at: datetime | None, pool_time: datetime) -> Breaks:
    """Read them as they stood at a moment of the clock.

    Args:
        books: Of the pool.
        at: None for now. A pool that was not reconciled by now has no breaks at any moment before,
            so the report takes its own pool time then, and is the same whenever it is made.
        pool_time: After the last event of the report.

    Raises:
        ConfigurationError: The moment has not come yet.
    """
    now = books_of.now(books)
    if at is not None and at > now:
        raise ConfigurationError(
            f"--breaks-at {moment(at)} has not come yet: it is {moment(now)}, and what is found"
            " until then is not known"
        )
    asked = at or (now if books_of.last_run(books, now) else min(now, pool_time))
    run = books_of.last_run(books, asked)
    found = table(
        "breaks",
        "Breaks that are not closed, the oldest first",
        (
            Column("break_key", "Break"),
            Column("found_at", "First found", "moment"),
            Column("age_days", "Days", "count"),
            Column("opened_at", "Last opened", "moment"),
            Column("severity", "Severity"),
            Column("state", "State"),
            Column("assignee", "Assignee"),
            Column("type", "Type"),
            Column("source", "Source"),
            Column("subject", "Subject"),
            Column("account", "Account"),
            Column("commodity", "Commodity"),
            Column("ours", "Ours", "amount"),
            Column("theirs", "Theirs", "amount"),
            Column("difference", "Difference", "amount"),
            Column("says", "In words"),
        ),
        books_of.open_breaks(books, asked),
    )
    words = {"Reconciliation": "none had been made of this pool by then, so no breaks are known"}
    if run is not None:
        number, sequence, made_at, version, result = run
        words["Reconciliation"] = (
            f"run {number} of {moment(made_at)}, up to event {sequence}, rules {version}, result"
            f" {result}"
        )
    words["Breaks as of"] = moment(asked)
    section = Section("Breaks", [_by_age(found), found])
    return Breaks(section, words, f" --breaks-at {moment(asked)}")


def _by_age(found: Table) -> Table:
    columns = [
        Column("age", "Age"),
        *(Column(name, name.capitalize(), "count", summed=True) for name in SEVERITIES),
        Column("breaks", "Breaks", "count", summed=True),
    ]
    return table("breaks_by_age", "Breaks by age and severity", columns, _aged(found))


def _aged(found: Table) -> Iterator[Sequence[str | int]]:
    counts = {words: dict.fromkeys(SEVERITIES, 0) for words, _ in AGES}
    for row in found.rows:
        days = row[2]
        assert isinstance(days, int)
        age = next(words for words, last in AGES if last is None or days <= last)
        counts[age][str(row[4])] += 1
    for words, each in counts.items():
        yield (words, *each.values(), sum(each.values()))
