"""Postings packed as they are hashed are the same ones when they are taken apart again."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec.lines import Lines, in_order
from ledger.core.outcome import Posting

U31, U63, I127 = 2**31 - 1, 2**63 - 1, 2**127
amounts = st.integers(-I127, I127 - 1)
postings = st.lists(
    st.builds(
        Posting,
        st.integers(1, U31),
        st.integers(1, U63) | st.just(1),
        st.integers(1, U31),
        st.integers(0, 2**15 - 1),
        amounts,
        amounts,
    ),
    max_size=100,
)


@given(postings)
def test_what_was_packed_is_taken_apart_as_it_was(made: list[Posting]) -> None:
    numbered = list(enumerate(made, start=1))
    lines = Lines.of(numbered)
    assert lines.count == len(made)
    assert lines.split() == numbered
    assert lines.are(lines.packed)
    assert lines.opened == sorted({one.account for one in made if one.account_sequence == 1})


@given(postings, st.lists(st.integers(-(2**31), U31), min_size=1, max_size=100))
def test_lines_with_other_numbers_are_not_those(made: list[Posting], numbers: list[int]) -> None:
    numbered = list(zip(numbers, made, strict=False))
    lines = Lines.of(numbered)
    assert lines.split() == numbered
    assert lines.are(lines.packed) == (lines.numbers == in_order(len(numbered)))
    assert not lines.are(lines.packed + b"\x00" * 50)


@pytest.mark.parametrize("count", [0, 1, 64, 65, 1_000])
def test_numbers_count_from_one(count: int) -> None:
    assert in_order(count) == b"".join(struct.pack(">i", line) for line in range(1, count + 1))


def test_a_posting_that_its_columns_cannot_hold_is_refused() -> None:
    with pytest.raises(struct.error):
        Lines.of([(1, Posting(-1, 1, 1, 1, 1, 1))])
