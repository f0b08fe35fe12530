"""Pages within one long event skip to their rows, and leave none out."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import psycopg
import pytest

from ledger.store.web import journals as web_journals
from ledger.store.web.journals import Place, Wanted
from ledger.store.web.pace import Pace
from ledger.store.web.rows import fetched
from ledger.web.api.catalogue import LISTINGS
from tests.integration.web.test_listings import listed, pages

POSTINGS = LISTINGS["postings"].source


@pytest.fixture(scope="module")
def longest(books_url: str) -> tuple[int, int]:
    """The event with the most postings, and how many."""
    with psycopg.connect(books_url) as connection:
        row = connection.execute(
            "SELECT sequence, count(*) FROM reporting.postings WHERE pool = 'main'"
            " GROUP BY sequence ORDER BY 2 DESC LIMIT 1"
        ).fetchone()
    assert row is not None
    assert row[1] > 8
    return int(row[0]), int(row[1])


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("parameters", [{}, {"account": "@house"}, {"account_kind": "position"}])
def test_pages_of_one_event_leave_nothing_out(
    client: httpx.Client,
    longest: tuple[int, int],
    newest_first: bool,  # noqa: FBT001 - a parameter
    parameters: dict[str, str],
) -> None:
    sequence, _ = longest
    span = {"from": sequence - 1, "at": sequence + 1, "newest_first": newest_first, **parameters}
    whole = listed(client, "postings", limit=1000, **span)
    assert whole
    for limit in (1, 3):
        found = [each for page in pages(client, "pools/main/postings", limit=limit, **span)
                 for each in page["rows"]]  # fmt: skip
        assert found == whole


def scans(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from scans(part)


def test_a_page_at_the_end_of_an_event_names_no_posting_before_it(
    books_url: str, longest: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence, count = longest
    plans: list[Mapping[str, Any]] = []

    def explaining(connection: psycopg.Connection, query: Any, values: Any) -> Any:  # noqa: ANN401 - as given
        text = b"EXPLAIN (ANALYZE, FORMAT JSON) " + query.as_bytes(connection)
        plans.append(connection.execute(text, values).fetchall()[0][0][0]["Plan"])
        return fetched(connection, query, values)

    monkeypatch.setattr(web_journals, "fetched", explaining)
    start = Place(sequence, count - 2)
    wanted = Wanted(
        "main", sequence, sequence, newest_first=False, start=start, filters={}, rows=10, budget_s=9
    )
    assert isinstance(POSTINGS, web_journals.Journal)
    with psycopg.connect(books_url) as connection:
        page = web_journals.page(connection, POSTINGS, wanted, Pace())
    assert len(page.rows) == 2
    assert page.next is None
    (plan,) = plans
    read = [one for one in scans(plan) if one.get("Relation Name", "").startswith("posting_")]
    assert read
    found = sum(one["Actual Rows"] * one["Actual Loops"] for one in read)
    assert 2 <= found <= 4 < count, "the two, and what names their instrument"
