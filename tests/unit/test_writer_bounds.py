"""A batch that leads to many postings is written in several transactions, to the same books."""

from collections.abc import Sequence

import pytest

from ledger.ports import Message, ShardBatch
from ledger.store.log.memory import MemoryLog
from ledger.writer import POSTINGS_MAX, Taken, Writer
from tests.unit.desk import BEGINNING, ROLES, TRANSFERS, Desk, said

POSTINGS_OF_A_DEPOSIT = 2


class Witness(MemoryLog):
    """Notes what each transaction gained: events and postings of all shards."""

    def __init__(self, log: MemoryLog, seen: list[tuple[int, int]]) -> None:
        vars(self).update(vars(log))
        self._seen = seen

    def append(self, batch: Sequence[ShardBatch]) -> None:
        super().append(batch)
        postings = sum(len(lines) for part in batch for _, lines in part.postings)
        self._seen.append((sum(len(part.events) for part in batch), postings))


def mixed(desk: Desk) -> list[Message]:
    """Deposits with a duplicate, a conflict, a message of no pool, and one that is refused."""
    values = [said("deposit", f"d{number}") for number in range(7)]
    values.insert(3, said("deposit", "d1"))
    values.insert(5, said("deposit", "d0", amount="3"))
    values.insert(6, said("deposit", "lost", pool="nowhere"))
    values.append(said("deposit", "d9", amount="1.001"))
    return [desk.message(value, TRANSFERS) for value in values]


def written(postings_max: int) -> tuple[Desk, Taken, list[tuple[int, int]]]:
    desk = Desk()
    desk.take(*BEGINNING)
    seen: list[tuple[int, int]] = []
    log = Witness(desk.log.reopen(), seen)
    writer = Writer(log, roles=ROLES, postings_max=postings_max)
    writer.assign([0])
    seen.clear()
    return desk, writer.take(mixed(desk)), seen


def test_a_batch_within_the_bound_is_one_transaction() -> None:
    _, taken, seen = written(POSTINGS_MAX)
    assert (taken.applied, taken.duplicates, taken.rejected) == (7, 1, 3)
    assert len(seen) == 1


@pytest.mark.parametrize("bound", range(1, 17))
def test_the_books_are_the_same_however_many_transactions_they_take(bound: int) -> None:
    whole, expected, _ = written(POSTINGS_MAX)
    desk, taken, seen = written(bound)
    assert taken == expected
    assert desk.log.shards() == whole.log.shards()
    assert desk.log.offsets() == whole.log.offsets()
    assert [desk.rows(name) for name in ("main", "@unrouted/0")] == [
        whole.rows(name) for name in ("main", "@unrouted/0")
    ]
    assert max(postings for _, postings in seen) < bound + POSTINGS_OF_A_DEPOSIT
    assert len(seen) >= 7 * POSTINGS_OF_A_DEPOSIT // (bound + 1)


def test_an_event_with_more_postings_than_the_bound_is_a_transaction_of_its_own() -> None:
    _, _, seen = written(1)
    assert [postings for _, postings in seen] == [2] * 7 + [0]
