"""A file of events is read to its end, or the reader is told that it was not."""

import gzip
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from ledger.files import messages
from ledger.quarantine import Order

WHOLE = gzip.compress(b"\n".join(b'{"number": %d}' % number for number in range(5_000)))


@pytest.mark.parametrize(
    "packed",
    [
        WHOLE[:-9],
        WHOLE[:200],
        WHOLE[:40] + b"\xff" * 20 + WHOLE[60:],
        WHOLE[:5],
        WHOLE[:-8] + b"0" * 8,
    ],
    ids=["no end", "cut off", "damaged", "no header", "wrong sum"],
)
def test_a_packed_file_that_is_cut_off_or_damaged_is_named(tmp_path: Path, packed: bytes) -> None:
    file = tmp_path / "events.jsonl.gz"
    file.write_bytes(packed)
    with pytest.raises(ConfigurationError, match=r"events\.jsonl\.gz to its end"):
        list(messages(file))


def test_a_packed_file_that_is_whole_is_read(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl.gz"
    file.write_bytes(WHOLE)
    assert sum(1 for _ in messages(file)) == 5_000


def test_another_spelling_of_a_name_is_no_second_person() -> None:
    with pytest.raises(ConfigurationError, match="two different people"):
        Order("maria", "Maria", "incident 7").require_sound()
    Order("maria", "noor", "incident 7").require_sound()
