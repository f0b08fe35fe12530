"""Postings as the server packs them are the bytes that are hashed, and read as what was written."""

import random

import psycopg
import pytest

from ledger.codec.canonical import posting_bytes
from ledger.codec.lines import in_order
from ledger.core.outcome import Posting
from ledger.errors import StoreError
from ledger.store.audit.copied import POSTING, POSTINGS, lines

HEADER = 19
BOUND = 10**36

AMOUNTS = sorted(
    {
        *(
            sign * (10**power + off)
            for sign in (1, -1)
            for power in range(37)
            for off in (-1, 0, 1)
        ),
        *(
            sign * (2**power + off)
            for sign in (1, -1)
            for power in range(120)
            for off in (-1, 0, 1)
        ),
        *(random.Random(7).randrange(-BOUND, BOUND) for _ in range(200)),
    }
    - {0}
)
MADE = """
    (SELECT 1 AS shard, 7::int8 AS sequence, line::int4 AS line, (line %% 3 + 1)::int4 AS account,
            ((line + 2) / 3)::int8 AS account_sequence, 3::int4 AS commodity, 4::int2 AS purpose,
            amount::numeric(38, 0) AS amount, (-amount)::numeric(38, 0) AS balance
       FROM unnest(%s::numeric[]) WITH ORDINALITY AS made (amount, line)
      ORDER BY line DESC)"""
WRITTEN = [
    (line, Posting(line % 3 + 1, (line + 2) // 3, 3, 4, amount, -amount))
    for line, amount in enumerate(AMOUNTS, start=1)
]


def row(url: str) -> bytes:
    asked = (POSTINGS % (1, 7, 7)).replace("FROM ledger.posting", f"FROM {MADE} AS posting")
    with (
        psycopg.connect(url) as connection,
        connection.cursor().copy(asked.encode(), (AMOUNTS,)) as copy,
    ):
        return b"".join(bytes(part) for part in copy)[HEADER:-2]


def test_postings_come_as_they_are_hashed_in_order_of_lines(postgres_url: str) -> None:
    sequence, found = lines(row(postgres_url))
    packed = posting_bytes([posting for _, posting in WRITTEN])
    assert sequence == 7
    assert (found.numbers, found.packed) == (in_order(len(AMOUNTS)), packed)
    assert found.are(packed)


def test_postings_of_any_size_read_as_they_were_written(postgres_url: str) -> None:
    assert lines(row(postgres_url))[1].split() == WRITTEN


def test_accounts_with_their_first_posting_are_told(postgres_url: str) -> None:
    assert lines(row(postgres_url))[1].opened == [1, 2, 3]


def test_a_row_with_anything_missing_or_more_is_refused(postgres_url: str) -> None:
    whole = row(postgres_url)
    for length in (*range(60), *range(60, len(whole), 97), len(whole) - 1):
        with pytest.raises(StoreError):
            lines(whole[:length])
    with pytest.raises(StoreError):
        lines(whole + b"\x00")


@pytest.mark.parametrize("number", ["'NaN'", "'Infinity'"])
def test_a_number_that_is_not_whole_is_refused_by_the_server(
    postgres_url: str, number: str
) -> None:
    asked = f"""
        SELECT {POSTING} FROM (SELECT 1 AS account, 1::int8 AS account_sequence, 1 AS commodity,
                                      1::int2 AS purpose, 1::numeric AS balance,
                                      {number}::numeric AS amount) AS made"""
    with (
        psycopg.connect(postgres_url) as connection,
        pytest.raises((psycopg.DataError, psycopg.NotSupportedError)),
    ):
        connection.execute(asked.encode())
