"""Rows as COPY hands them out read as the same values as the driver reads."""

import random

import psycopg
import pytest

from ledger.errors import StoreError
from ledger.store.copied import WHOLE, posting

HEADER = 19
BOUND = 10**36

AMOUNTS = sorted(
    {
        0,
        *(
            sign * (10**power + off)
            for sign in (1, -1)
            for power in range(36)
            for off in (-1, 0, 1)
        ),
        *(random.Random(7).randrange(-BOUND, BOUND) for _ in range(200)),
    }
)
ROWS = f"""
    COPY (SELECT 7::int8, line::int4, 2::int4, 5::int8, 3::int4, 4::int2,
                 {WHOLE.format("amount")}, {WHOLE.format("(-amount)")}
            FROM unnest(%s::numeric[]) WITH ORDINALITY AS made (amount, line) ORDER BY line)
      TO STDOUT (FORMAT BINARY)"""


def rows(url: str) -> list[bytes]:
    with psycopg.connect(url) as connection, connection.cursor().copy(ROWS, (AMOUNTS,)) as copy:
        whole = b"".join(bytes(part) for part in copy)
    return pieces(whole[HEADER:])


def pieces(whole: bytes) -> list[bytes]:
    """Rows of eight columns, one behind the other."""
    found, at = [], 0
    while whole[at : at + 2] != b"\xff\xff":
        end = at + 2
        for _ in range(8):
            end += 4 + int.from_bytes(whole[end : end + 4], "big", signed=True)
        found.append(whole[at:end])
        at = end
    return found


def test_amounts_of_any_size_read_as_they_were_written(postgres_url: str) -> None:
    read = [posting(row) for row in rows(postgres_url)]
    assert read == [
        (7, (line, (2, 5, 3, 4, amount, -amount))) for line, amount in enumerate(AMOUNTS, start=1)
    ]


def test_a_row_with_anything_missing_or_more_is_refused(postgres_url: str) -> None:
    row = rows(postgres_url)[17]
    for length in range(len(row)):
        with pytest.raises(StoreError):
            posting(row[:length])
    with pytest.raises(StoreError):
        posting(row + b"\x00")


@pytest.mark.parametrize("number", ["'NaN'", "'Infinity'", "1e20 + 0.5"])
def test_a_number_that_is_not_whole_is_refused(postgres_url: str, number: str) -> None:
    asked = f"""
        COPY (SELECT 7::int8, 1, 2, 5::int8, 3, 4::int2,
                     {WHOLE.format("amount")}, int8send(1)
                FROM (SELECT ({number})::numeric AS amount) AS made)
          TO STDOUT (FORMAT BINARY)"""
    with (
        psycopg.connect(postgres_url) as connection,
        connection.cursor().copy(asked.encode()) as copy,
    ):
        whole = b"".join(bytes(part) for part in copy)
    with pytest.raises(StoreError):
        posting(pieces(whole[HEADER:])[0])
