"""When a run gives up: after so many failures without a message that was decided."""

from consumers.run import Progress
from ledger.writer import Taken


def test_a_batch_that_moved_the_books_ends_a_row_of_failures() -> None:
    progress = Progress()
    for taken in (Taken(1, 0, 0, ()), Taken(0, 1, 0, ()), Taken(0, 0, 1, ())):
        progress.failures = 3
        progress.add(taken)
        assert progress.failures == 0


def test_messages_that_were_there_before_or_wait_for_a_halted_pool_do_not() -> None:
    progress = Progress()
    progress.failures = 3
    progress.add(Taken(0, 0, 0, (), waiting=2))
    assert progress.failures == 3
