"""Numbers in the addresses of pages are bounded: none makes the database read a whole journal."""

import json

import httpx
import psycopg
import pytest

from ledger.store.console import postings as console_postings
from ledger.web.console.place import NUMBER_MAX

TWENTY = "9" * 20
BEYOND = [
    f"postings?first={TWENTY}",
    f"postings?last={TWENTY}",
    f"postings?after={TWENTY}.1",
    f"postings?after=1.{TWENTY}",
    "postings?after=%C2%B2.1",
    f"events/{TWENTY}",
    f"events/-{TWENTY}",
    f"liquidations?before=-{TWENTY}",
    f"fund?before={TWENTY}",
    f"refused?before=-{TWENTY}",
    f"audit?before=-{TWENTY}",
    f"audit/checkpoint/{TWENTY}",
    f"events/1/proof?checkpoint={TWENTY}",
]


@pytest.mark.parametrize("path", BEYOND)
def test_a_number_that_no_index_takes_is_refused(console: httpx.Client, path: str) -> None:
    answer = console.get(f"/pools/main/{path}")
    assert answer.status_code == 400, answer.text
    assert "<h1>Bad Request</h1>" in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"postings?first={NUMBER_MAX}", 200),
        (f"postings?last={NUMBER_MAX}", 200),
        (f"postings?after={NUMBER_MAX}.1", 200),
        (f"events/{NUMBER_MAX}", 404),
        (f"liquidations?before={NUMBER_MAX}", 200),
        (f"fund?before={NUMBER_MAX}", 200),
        (f"refused?before={NUMBER_MAX}", 200),
        (f"audit?before={NUMBER_MAX}", 200),
        ("audit?before=0", 200),
    ],
)
def test_the_largest_number_is_answered(console: httpx.Client, path: str, status: int) -> None:
    assert console.get(f"/pools/main/{path}").status_code == status


@pytest.mark.parametrize("asked", [TWENTY, "\u00b2", "L-\u00b2", f"L-{TWENTY}"])
def test_what_only_looks_like_a_number_is_looked_for_as_a_name(
    console: httpx.Client, asked: str
) -> None:
    answer = console.get("/pools/main/find", params={"q": asked}, follow_redirects=True)
    assert answer.status_code == 200
    assert answer.url.path == "/pools/main/participants"


@pytest.mark.parametrize("first", [1, NUMBER_MAX, 10**19])
def test_the_first_event_of_a_filter_is_a_condition_of_an_index(books_url: str, first: int) -> None:
    asked = {"shard": 1, "sequence": 100, "line": 0, "first": first, "walked": 10}
    with psycopg.connect(books_url) as connection:
        connection.execute("SET enable_seqscan = off")  # so few rows would else be read whole
        query = f"EXPLAIN (FORMAT JSON) {console_postings._WALK}".encode()
        if first > 2**63:
            with pytest.raises(psycopg.errors.NumericValueOutOfRange):
                connection.execute(query, asked)
            return
        (plan,) = connection.execute(query, asked).fetchall()[0]
    assert "sequence)::numeric" not in json.dumps(plan)
