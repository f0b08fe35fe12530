"""Two connections to the books, of which one writes: what is left of them when it fails."""

from collections.abc import Sequence
from typing import Any

import pytest

from ledger.ports import ShardBatch
from ledger.store.log.memory import MemoryLog
from ledger.store.log.overlapping import OverlappingLog


class Failing(MemoryLog):
    """A log that fails as nobody foresaw, and knows whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def append(self, batch: Sequence[ShardBatch]) -> None:
        raise OverflowError(f"{len(batch)} shards")

    def close(self) -> None:
        self.closed = True


def test_both_connections_are_given_back_though_the_batch_failed_as_nobody_foresaw() -> None:
    writing, reading = Failing(), Failing()
    log = OverlappingLog(writing, reading)
    log.append([])
    with pytest.raises(OverflowError, match="0 shards"):
        log.close()
    assert (writing.closed, reading.closed) == (True, True)


def test_the_writing_connection_is_given_back_though_the_other_one_is_broken() -> None:
    writing, reading = Failing(), Failing()

    def broken() -> Any:  # noqa: ANN401 - it never returns
        raise OSError("broken")

    vars(reading)["close"] = broken
    with pytest.raises(OSError, match="broken"):
        OverlappingLog(writing, reading).close()
    assert writing.closed
