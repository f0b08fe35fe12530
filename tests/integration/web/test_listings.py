"""Every listing says what its view says, page by page, now and as of the past, in each format."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg
import pyarrow as pa
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from ledger.store.web.journals import Journal
from ledger.store.web.states import State
from ledger.store.web.sums import Sum
from ledger.web.api.catalogue import LISTINGS
from ledger.web.api.formats import plain
from tests.integration.web.servers import patient, serving

JOURNALS = [name for name, one in LISTINGS.items() if isinstance(one.source, Journal)]
STATES = [name for name, one in LISTINGS.items() if isinstance(one.source, State)]
SUMS = ["trial_balance", "open_interest", "adl_queue"]
OF_ACCOUNTS = [
    *STATES,
    *(name for name in JOURNALS if "account" in LISTINGS[name].source.filters),
]
MIDDLE = 333

Row = dict[str, Any]


def rows_of(url: str, query: str, *values: object) -> list[Row]:
    """What the database says, as JSON has it."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        cursor.execute("SET ROLE clearing_reader")
        cursor.execute("SET timezone = 'UTC'")
        rows = cursor.execute(sql.SQL(query), values).fetchall()
        return [{name: plain(value) for name, value in row.items()} for row in rows]


def pages(client: httpx.Client, path: str, **parameters: object) -> Iterator[Mapping[str, Any]]:
    """All pages, following `next`."""
    query = urlencode(parameters)
    following: str | None = f"/api/v1/{path}?{query}"
    while following is not None:
        answer = client.get(following)
        assert answer.status_code == 200, answer.text
        page: Mapping[str, Any] = answer.json()
        yield page
        following = page["next"]


def listed(client: httpx.Client, name: str, **parameters: object) -> list[Row]:
    """All rows of all pages, in order."""
    found = pages(client, f"pools/main/{name}", **parameters)
    return [row for page in found for row in page["rows"]]


def same(found: list[Row], expected: list[Row]) -> bool:
    """The same rows, in any order; and there are some."""
    return bool(expected) and sorted(map(repr, found)) == sorted(map(repr, expected))


@pytest.mark.parametrize("name", [*JOURNALS, *STATES, *SUMS])
def test_all_pages_together_are_the_view(client: httpx.Client, books_url: str, name: str) -> None:
    expected = rows_of(books_url, f"SELECT * FROM reporting.{name} WHERE pool = 'main'")
    found = listed(client, name, limit=97)
    assert same(found, expected)


@pytest.mark.parametrize("name", [JOURNALS[0], STATES[0], "open_interest"])
def test_a_head_says_of_a_page_what_the_page_says(client: httpx.Client, name: str) -> None:
    path = f"/api/v1/pools/main/{name}?limit=5&at={MIDDLE}"
    page, head = client.get(path), client.head(path)
    varies = ("date", "x-request-id", "content-length", "link")  # a page may be short
    assert page.status_code == head.status_code == 200
    assert [one for one in head.headers.items() if one[0] not in varies] == [
        one for one in page.headers.items() if one[0] not in varies
    ]
    assert int(head.headers["content-length"]) > 0
    assert head.content == b""


@pytest.mark.parametrize("name", JOURNALS)
def test_a_journal_is_in_order_both_ways(client: httpx.Client, name: str) -> None:
    source = LISTINGS[name].source
    assert isinstance(source, Journal)
    upwards = listed(client, name, limit=89)
    downwards = listed(client, name, limit=89, newest_first=True)
    sequences = [row[source.sequence] for row in upwards]
    assert sequences == sorted(sequences)
    assert [row[source.sequence] for row in downwards] == sorted(sequences, reverse=True)
    assert same(downwards, upwards)


@pytest.fixture(scope="module")
def hasty(books_url: str) -> Iterator[httpx.Client]:
    """Of a server that has no time at all for a page."""
    with (
        serving(patient(books_url, page_budget_ms=0)) as address,
        httpx.Client(base_url=address) as opened,
    ):
        yield opened


@pytest.mark.parametrize("name", [*JOURNALS, *STATES])
def test_pages_that_end_when_time_is_up_leave_nothing_out(
    hasty: httpx.Client, client: httpx.Client, name: str
) -> None:
    found = list(pages(hasty, f"pools/main/{name}", limit=64))
    assert len(found) > 1 or name in STATES
    assert [row for page in found for row in page["rows"]] == listed(client, name, limit=1000)


@pytest.mark.parametrize("name", STATES)
def test_a_state_as_of_an_event_is_what_the_function_says(
    client: httpx.Client, books_url: str, name: str
) -> None:
    expected = rows_of(books_url, f"SELECT * FROM reporting.{name}_at('main', %s::bigint)", MIDDLE)
    assert same(listed(client, name, at=MIDDLE, limit=11), expected)


@pytest.mark.parametrize("name", STATES)
def test_a_state_as_of_a_moment_is_that_of_the_last_event_of_that_moment(
    client: httpx.Client, books_url: str, name: str
) -> None:
    moment = "2026-01-01T00:15:00Z"
    query = f"SELECT * FROM reporting.{name}_at('main', %s::timestamptz)"
    assert same(listed(client, name, at=moment), rows_of(books_url, query, moment))


def test_sums_as_of_an_event_are_those_of_the_books_then(
    client: httpx.Client, books_url: str
) -> None:
    held = rows_of(books_url, "SELECT * FROM reporting.positions_at('main', %s::bigint)", MIDDLE)
    longs = {row["instrument"] for row in held if not row["quantity"].startswith("-")}
    interest = listed(client, "open_interest", at=MIDDLE)
    assert {row["instrument"] for row in interest} == longs
    sums = listed(client, "trial_balance", at=MIDDLE)
    assert all(row["debit"] == row["credit"] for row in sums)
    assert sums != listed(client, "trial_balance")


@pytest.mark.parametrize("name", JOURNALS)
def test_a_journal_ends_at_the_event_asked_for(client: httpx.Client, name: str) -> None:
    source = LISTINGS[name].source
    assert isinstance(source, Journal)
    whole = listed(client, name, limit=1000)
    part = listed(client, name, limit=1000, at=MIDDLE)
    rest = listed(client, name, limit=1000, **{"from": MIDDLE + 1})
    assert [row[source.sequence] for row in part + rest] == [row[source.sequence] for row in whole]
    assert all(row[source.sequence] <= MIDDLE for row in part)


def test_from_a_moment_are_the_events_after_it(client: httpx.Client, books_url: str) -> None:
    moment = "2026-01-01T00:15:00Z"
    expected = rows_of(
        books_url,
        "SELECT * FROM reporting.postings"
        " WHERE pool = 'main' AND sequence > reporting.sequence_at('main', %s::timestamptz)",
        moment,
    )
    assert same(listed(client, "postings", limit=1000, **{"from": moment}), expected)


def test_as_of_the_past_a_margin_call_does_not_tell_what_ended_it_later(
    client: httpx.Client,
) -> None:
    then = listed(client, "margin_calls", at=MIDDLE, limit=1000)
    ended = {row["call_id"]: row["closed_sequence"] for row in listed(client, "margin_calls")}
    later = [row for row in then if (ended[row["call_id"]] or 0) > MIDDLE]
    assert later
    assert all(
        row["closed_sequence"] is row["closed_at"] is row["end_reason"] is None for row in later
    )


@pytest.mark.parametrize("name", OF_ACCOUNTS)
def test_a_filter_by_account_gives_the_rows_of_the_account(
    client: httpx.Client, books_url: str, name: str
) -> None:
    columns = ("buyer", "seller") if name == "trades" else ("account",)
    for account in ("ada", "gus", "@liquidation"):
        condition = " OR ".join(f"{column} = '{account}'" for column in columns)
        query = f"SELECT * FROM reporting.{name} WHERE pool = 'main' AND ({condition})"
        expected = rows_of(books_url, query)
        found = listed(client, name, account=account, limit=53)
        assert sorted(map(repr, found)) == sorted(map(repr, expected))


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("balances", "kind", "wallet"),
        ("positions", "instrument", "LIN-A"),
        ("postings", "commodity", "BTC"),
        ("adl_queue", "side", "long"),
        ("liquidations", "instrument", "INV-B"),
        ("rejections", "kind", "withdrawal"),
        ("insurance_fund", "cause", "close_out"),
    ],
)
def test_a_filter_gives_the_rows_with_that_value(
    client: httpx.Client, name: str, column: str, value: str
) -> None:
    expected = [row for row in listed(client, name, limit=1000) if row[column] == value]
    assert same(listed(client, name, limit=5, **{column: value}), expected)


@pytest.mark.parametrize("name", ["postings", "margin", "adl_queue", "rejections", "trades"])
def test_csv_and_arrow_say_what_json_says(client: httpx.Client, name: str) -> None:
    path = f"/api/v1/pools/main/{name}?limit=50"
    rows = client.get(path).json()["rows"]
    text = client.get(path, headers={"Accept": "text/csv"})
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(csv.DictReader(io.StringIO(text.text, newline=""))) == [
        {column: _cell(value) for column, value in row.items()} for row in rows
    ]
    stream = client.get(path, headers={"Accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(stream.content).read_all()
    assert [
        {column: _unpadded(value) for column, value in row.items()} for row in table.to_pylist()
    ] == rows


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


def _unpadded(value: Any) -> Any:  # noqa: ANN401 - of any column
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if hasattr(value, "as_tuple"):
        return f"{value:f}".rstrip("0").rstrip(".")
    return value


def test_other_formats_lead_to_the_next_page_by_a_header(client: httpx.Client) -> None:
    path = "/api/v1/pools/main/trades?limit=5&format=csv"
    first = client.get(path)
    second = client.get(first.links["next"]["url"])
    assert second.headers["content-type"].startswith("text/csv")
    found = [
        row["sequence"]
        for text in (first.text, second.text)
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]
    assert found == [str(row["sequence"]) for row in listed(client, "trades", limit=10)[:10]]


@pytest.mark.parametrize(
    ("accept", "type_"),
    [
        ("*/*", "application/json"),
        ("text/csv, application/json;q=0.5", "text/csv"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/*;q=0.2, text/csv;q=0.1", "application/json"),
        ("application/json;q=0, */*;q=0.3", "text/csv"),
    ],
)
def test_the_format_is_the_one_that_is_accepted_most(
    client: httpx.Client, accept: str, type_: str
) -> None:
    answer = client.get("/api/v1/pools/main/margin", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(type_)


def test_a_listing_says_as_of_which_event_it_is(client: httpx.Client) -> None:
    (pool,) = client.get("/api/v1/pools").json()["rows"]
    for name, listing in LISTINGS.items():
        answer = client.get(f"/api/v1/pools/main/{name}")
        assert answer.json()["sequence"] == pool["sequence"]
        assert answer.headers["clearing-sequence"] == str(pool["sequence"])
        assert answer.json()["listing"] == listing.name
    assert client.get("/api/v1/pools/main/margin?at=99").json()["sequence"] == 99


def test_breaks_and_reconciliations_are_listed_though_there_are_none(client: httpx.Client) -> None:
    for name, listing in LISTINGS.items():
        if isinstance(listing.source, Sum) and listing.source.schema == "back_office":
            assert client.get(f"/api/v1/pools/main/{name}").json()["rows"] == []


@pytest.mark.parametrize("name", ["trades", "funding_payments", "fees", "realized_pnl"])
def test_a_window_of_a_journal_is_found_by_index(books_url: str, name: str) -> None:
    with psycopg.connect(books_url) as connection:
        connection.execute("SET enable_seqscan = off")  # so few rows would else be read whole
        connection.execute("SET enable_bitmapscan = off")
        (plan,) = connection.execute(
            f"EXPLAIN (FORMAT JSON) SELECT * FROM reporting.{name} WHERE pool = 'main'"
            " AND sequence BETWEEN 100 AND 200 ORDER BY sequence LIMIT 10".encode()
        ).fetchall()[0]
    read = [
        scan["Index Cond"]
        for scan in _scans(plan[0]["Plan"])
        if scan["Relation Name"].startswith(("posting_", "event_"))
    ]
    assert read
    assert all("sequence" in condition for condition in read)


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every scan of a table in a plan."""
    if "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)
