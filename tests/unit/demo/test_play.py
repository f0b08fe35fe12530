"""Rounds, and how a day goes on after the demo was killed: no surprise, and the very same books."""

from collections.abc import Sequence

import pytest

from ledger.demo.exchange import Exchange
from ledger.demo.play import Kept, play, remember
from ledger.demo.records import Published
from ledger.demo.wire import WireMessage
from ledger.store.log.memory import MemoryLog
from tests.unit.demo.books import Books

EVENTS = 11_000


class Killed(Exception):
    """The demo ends here."""


class Mortal(Books):
    """Books whose exchange dies in its n-th slot, after half of it is booked."""

    def __init__(self, slots: int, *, whole: bool) -> None:
        super().__init__()
        self._left = slots
        self._whole = whole

    def clear(self, messages: Sequence[WireMessage]) -> list[Published]:
        self._left -= 1
        if self._left > 0:
            return super().clear(messages)
        self.take(messages if self._whole else messages[: len(messages) // 2])
        raise Killed


def all_records(log: MemoryLog) -> list[Published]:
    return Books(log.reopen()).new_records()


@pytest.fixture(scope="module")
def undisturbed() -> list[Published]:
    books = Books()
    play(Exchange(5, 60), EVENTS, Kept([]), books)
    return all_records(books.log)


@pytest.mark.parametrize(("slots", "whole"), [(1, False), (40, False), (55, True), (98, False)])
def test_a_day_broken_off_is_played_to_its_end_without_surprise(
    *, slots: int, whole: bool, undisturbed: list[Published]
) -> None:
    first = Mortal(slots, whole=whole)
    with pytest.raises(Killed):
        play(Exchange(5, 60), EVENTS, Kept([]), first)
    again = Books(first.log.reopen())
    again.writer.assign([0])
    kept = Kept(again.new_records())
    expected = play(Exchange(5, 60), EVENTS, kept, again)
    assert (again.applied, again.duplicates) == (expected.applied.total(), expected.duplicates)
    assert again.refused == expected.rejected
    before = [each[3:] for each in undisturbed]
    assert [each[3:] for each in all_records(first.log)] == before


def test_the_next_day_stands_on_the_days_before_it() -> None:
    """An exchange that remembers day 1 plays day 2 as the one that never stopped."""
    one, books = Exchange(5, 60), Books()
    play(one, EVENTS, Kept([]), books)
    other, copy = Exchange(5, 60), Books()
    play(Exchange(5, 60), EVENTS, Kept([]), copy)
    kept = Kept(all_records(copy.log))
    remember(other, [EVENTS], kept)
    assert other.take_tally().sent == 0
    copy.new_records()
    sent = [(books, play(one, EVENTS, Kept([]), books)), (copy, play(other, EVENTS, kept, copy))]
    assert sent[0][1].applied == sent[1][1].applied
    assert all_records(books.log) == all_records(copy.log)


def test_a_day_that_is_in_the_books_is_not_sent_again() -> None:
    books = Books()
    play(Exchange(5, 60), EVENTS, Kept([]), books)
    applied = books.applied
    expected = play(Exchange(5, 60), EVENTS, Kept(all_records(books.log)), books)
    assert expected.sent == 0
    assert books.applied == applied
