"""The postings that a figure leads to are those that it is made of."""

import html
import re
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import Request

from ledger.store.console import pools as console_pools
from ledger.store.console import postings as console_postings
from ledger.store.web.connections import Readers
from ledger.web.console.pages import overview
from ledger.web.console.worked.patience import Ready

COLUMNS = {"owed": 0, "custody": 1, "rest": 2}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("asset", ["USD", "BTC"])
def test_zero_sums_lead_to_the_postings_that_they_are_made_of(
    console: httpx.Client, books_url: str, asset: str, column: str
) -> None:
    page = console.get("/pools/main").text
    (row,) = re.findall(rf'<tr><th scope="row">{asset}</th>(.*?)</tr>', page, re.DOTALL)
    link, shown = re.findall(r'<a class="num" href="([^"]+)">(.*?)</a>', row)[COLUMNS[column]]
    query = {name: one[0] for name, one in parse_qs(urlsplit(html.unescape(link)).query).items()}
    wanted = console_postings.Filter(kind=query["kind"], asset=query["asset"])
    readers = Readers(books_url, "clearing_auditor", size=1, wait_s=1, statement_s=10)
    with readers.lent() as connection:
        pool = next(one for one in console_pools.heads(connection) if one.name == "main")
        found = console_postings.page(connection, pool.shard, wanted, None, 100_000)
    readers.close()
    assert found.legs
    assert sum(leg.amount for leg in found.legs) == Decimal(re.sub("<[^>]+>", "", shown))
    answer = console.get(html.unescape(link))
    assert answer.status_code == 200
    assert f'<option value="{query["kind"]}" selected>' in answer.text or (
        f"<option selected>{query['kind']}</option>" in answer.text
    )


def test_a_figure_says_of_which_event_it_is_where_it_is_not_the_page_s(
    console: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def behind(_request: Request, _shard: int, at: int, *, is_now: bool) -> Ready:
        return Ready(at - (7 if is_now else 0), [])

    monkeypatch.setattr(overview, "summed", behind)
    now = console.get("/pools/main").text
    assert len(re.findall(r"<dt>(?:Insurance fund|Deficit|Zero sums) <small>after event", now)) == 3
    then = console.get("/pools/main?at=200").text
    assert "<dt>Insurance fund</dt>" in then


def test_a_count_that_ended_says_so(console: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_pools, "REFUSED_COUNTED_MAX", 3)
    for path in ("/", "/pools/main"):
        page = console.get(path).text
        assert re.search(r'/refused"><span class="n"><span class="g">3</span></span>\+</a>', page)
