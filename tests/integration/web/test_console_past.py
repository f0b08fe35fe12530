"""As of an event, or a moment, a page tells what was known then, and nothing that came later."""

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from ledger.ports import Message
from ledger.store.console import participants as console_participants
from ledger.store.console import pools as console_pools
from ledger.store.console.pools import Connection
from ledger.store.log.postgres import PostgresLog
from ledger.web.console.pages import overview
from ledger.web.console.place import Place, placed
from ledger.web.settings import WebSettings
from ledger.writer import Writer
from tests.integration.leveraged_books import FILE, START
from tests.integration.web.servers import serving

AT = "/pools/main"


def asked(url: str, query: str) -> tuple[object, ...]:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


@pytest.fixture(scope="module")
def liquidation(books_url: str) -> tuple[str, int, int]:
    """The last liquidation with a takeover: its id, its event, and that of its newest record."""
    found = asked(
        books_url,
        "SELECT l.subject, l.sequence, max(r.sequence) FROM ledger.record l"
        " JOIN ledger.record r ON r.shard = l.shard AND r.subject = l.subject"
        " WHERE l.kind = 'liquidation' AND r.kind IN ('takeover', 'liquidation')"
        " GROUP BY l.subject, l.sequence HAVING bool_or(r.kind = 'takeover')"
        " ORDER BY l.sequence DESC LIMIT 1",
    )
    return str(found[0]), int(str(found[1])), int(str(found[2]))


def text_of(page: httpx.Response) -> str:
    found = re.search(r'<main id="page".*?</main>', page.text, re.DOTALL)
    assert found is not None, page.text
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", found[0])).split())


def test_a_liquidation_of_later_is_not_told_but_where_it_is(
    console: httpx.Client, liquidation: tuple[str, int, int]
) -> None:
    number, sequence, _ = liquidation
    page = console.get(f"{AT}/liquidations/{number}?at={sequence - 1}")
    assert page.status_code == 404
    assert f"It came later, at event {sequence}" in text_of(page)
    assert "equity" not in text_of(page)
    (there,) = re.findall(rf'href="({AT}/liquidations/{number}\?at=\d+)"', page.text)
    assert console.get(there).status_code == 200
    assert 'class="past"' in page.text, "and one may go on through time from there"


def test_the_price_of_a_liquidation_knows_nothing_of_later(
    console: httpx.Client, liquidation: tuple[str, int, int], books_url: str
) -> None:
    number, sequence, _ = liquidation
    (instrument,) = asked(
        books_url,
        "SELECT convert_from(body, 'UTF8')::json ->> 'instrument' FROM ledger.record"
        f" WHERE kind = 'takeover' AND subject = '{number}'",
    )
    path = f"{AT}/liquidations/{number}/price.json?instrument={instrument}"
    assert console.get(f"{path}&at={sequence - 1}").status_code == 404
    assert console.get(f"{path}&at={sequence}").status_code == 200


def test_an_event_of_later_is_not_told_but_where_it_is(console: httpx.Client) -> None:
    page = console.get(f"{AT}/events/300?at=10")
    assert page.status_code == 404
    assert "It came later, at event 300" in text_of(page)
    assert "Message" not in text_of(page)
    assert f'href="{AT}/events/300?at=300"' in page.text
    last = console.get(f"{AT}/events/10?at=10")
    assert last.status_code == 200
    assert 'rel="next"' not in last.text


def test_an_explanation_of_later_is_not_told_but_where_it_is(
    console: httpx.Client, liquidation: tuple[str, int, int]
) -> None:
    number, sequence, _ = liquidation
    page = console.get(f"{AT}/explain/{number}?at={sequence - 1}")
    assert page.status_code == 404
    assert f'href="{AT}/explain/{number}?at={sequence}"' in page.text
    assert console.get(f"{AT}/explain/{number}?at={sequence}").status_code == 200


@pytest.fixture(scope="module")
def comings(books_url: str) -> dict[str, int]:
    """The event with which each participant came, by id."""
    with psycopg.connect(books_url) as connection:
        rows = connection.execute(
            "SELECT a.owner, min(p.sequence) FROM ledger.account a"
            " JOIN ledger.posting p USING (shard, account)"
            " WHERE left(a.owner, 1) <> '@' GROUP BY a.owner ORDER BY a.owner"
        ).fetchall()
    return {str(owner): int(sequence) for owner, sequence in rows}


def test_participants_that_came_later_are_not_listed(
    console: httpx.Client, comings: dict[str, int]
) -> None:
    assert len(set(comings.values())) > 2
    for at in (1, *sorted(set(comings.values()))):
        page = console.get(f"{AT}/participants?at={at}")
        listed = re.findall(r'<th scope="row"><a [^>]*>([^<]+)</a>', page.text)
        assert listed == [name for name, came in comings.items() if came <= at], at
    assert "No participant after event 1" in text_of(console.get(f"{AT}/participants?at=1"))
    everybody = console.get(f"{AT}/participants")
    assert re.findall(r'<th scope="row"><a [^>]*>([^<]+)</a>', everybody.text) == [*comings]


def test_a_participant_that_came_later_is_not_told_but_where_it_is(
    console: httpx.Client, comings: dict[str, int]
) -> None:
    for name, came in comings.items():
        page = console.get(f"{AT}/participants/{name}?at={came - 1}")
        assert page.status_code == 404
        assert f"It came later, at event {came}" in text_of(page)
        assert "0.00" not in text_of(page)
        assert console.get(f"{AT}/participants/{name}?at={came}").status_code == 200


@pytest.mark.parametrize("rows", [1, 2, 50])
@pytest.mark.parametrize("budget_s", [0.0, 10.0])
def test_pages_of_an_earlier_event_have_everybody_who_was_there_once(
    books_url: str, comings: dict[str, int], rows: int, budget_s: float
) -> None:
    at = sorted(comings.values())[len(comings) // 2]
    seen: list[str] = []
    with psycopg.connect(books_url) as connection:
        after: str | None = ""
        while after is not None:
            found = console_participants.page(
                connection, 1, at, after, "", rows=rows, budget_s=budget_s
            )
            assert len(found.held) <= rows
            seen += found.held
            after = found.following
    assert seen == [name for name, came in comings.items() if came <= at]


def test_breaks_say_that_they_are_of_now(console: httpx.Client) -> None:
    assert "stand as they are now" not in text_of(console.get(f"{AT}/breaks"))
    assert "stand as they are now" in text_of(console.get(f"{AT}/breaks?at=10"))


def written(url: str, messages: list[dict[str, object]]) -> None:
    """Have a writer take messages, in the order given."""
    taken = [
        Message(*(FILE, 0, number, 0, None), json.dumps(message).encode())
        for number, message in enumerate(messages)
    ]
    log = PostgresLog.connect(url, "test")
    Writer(log).take(taken)
    log.close()


def pool_of(name: str, day: int) -> list[dict[str, object]]:
    """A pool, and a deposit into it, of one day of January."""
    common = {"pool": name, "occurred_at": f"2026-01-{day:02}T12:00:00Z"}
    terms = {
        "settlement_asset": "USD", "scale": 2, "liquidation": "off", "penalty_rate": "0",
        "partial_buffer": "0.1", "insurance_floor": "0", "adl_policy": "bitmex",
        "loss_policy": "open",
    }  # fmt: skip
    deposit = {"kind": "deposit", "account": "..", "asset": "USD", "amount": "5"}
    return [
        {"event_id": f"pool-{name}", "kind": "pool", **common, **terms},
        {"event_id": f"account-{name}", "kind": "account", "account": "..", **common},
        {"event_id": f"deposit-{name}", **common, **deposit},
    ]


@pytest.fixture
def several(database_url: str) -> Iterator[tuple[str, httpx.Client]]:
    """Books with twelve pools, one begun each day, and what belongs to none; and a client."""
    pools = [f"p{number:02}" for number in range(1, 13)]
    messages = [each for day, name in enumerate(pools, 1) for each in pool_of(name, day)]
    written(database_url, [*messages, {"kind": "deposit", "event_id": "lost", "pool": "!"}])
    settings = WebSettings(database_url, is_open=True, requests_burst=10**9)
    with serving(settings) as address, httpx.Client(base_url=address) as client:
        yield database_url, client


def rows_of(page: httpx.Response) -> list[str]:
    """The rows of the table of pools, as text."""
    (body,) = re.findall(r"<caption>Pools:.*?<tbody>(.*?)</tbody>", page.text, re.DOTALL)
    rows = re.findall("<tr>(.*?)</tr>", body, re.DOTALL)
    return [" ".join(html.unescape(re.sub("<[^>]+>", " ", row)).split()) for row in rows]


def test_a_pool_of_later_does_not_hide_the_past_of_others(
    several: tuple[str, httpx.Client],
) -> None:
    page = several[1].get("/?at=2026-01-02T18:00:00Z")
    assert page.status_code == 200
    rows = rows_of(page)
    assert rows[0].startswith("p01 3 – 2026-01-01 12:00:00")
    assert rows[1].startswith("p02 3 – 2026-01-02 12:00:00")
    assert rows[2] == "p03 no event yet at that moment"
    assert len(rows) == 13
    assert several[1].get("/?at=3").status_code == 400
    before = several[1].get("/?at=2025-01-02T18:00:00Z")
    assert before.status_code == 200
    *pools, unrouted = rows_of(before)
    assert all(row.endswith("no event yet at that moment") for row in pools)
    assert unrouted == "@unrouted/0 messages for no pool have no pool time"


def test_the_first_page_places_no_more_pools_than_it_shows(
    several: tuple[str, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[str] = []
    found = placed

    def counted(connection: Connection, pool: str, *others: Any) -> Place:  # noqa: ANN401 - as given
        asked_for.append(pool)
        return found(connection, pool, *others)

    heads: list[object] = []
    listed = console_pools.heads

    def counting(connection: Connection) -> list[console_pools.PoolHead]:
        heads.append(connection)
        return listed(connection)

    monkeypatch.setattr(overview, "placed", counted)
    monkeypatch.setattr(console_pools, "heads", counting)
    page = several[1].get("/")
    assert len(rows_of(page)) == 13
    assert len(asked_for) == overview.POOLS_SUMMED_MAX
    assert len(heads) == 1, "the pools are listed once"
    assert "4 more pools" in page.text


PAGES = ("", "/refused", "/postings", "/events/1", "/audit", "/participants", "/liquidations",
         "/fund", "/adl", "/instruments", "/breaks", "/pace.json", "/fund.json")  # fmt: skip


def test_what_came_for_no_pool_has_pages_too(several: tuple[str, httpx.Client]) -> None:
    client = several[1]
    first = client.get("/")
    assert 'href="#"' not in first.text
    assert 'href="/pools/@unrouted~0"' in first.text
    for path in PAGES:
        assert client.get(f"/pools/@unrouted~0{path}").status_code == 200, path
    page = client.get("/pools/@unrouted~0/refused")
    assert "No message was refused" not in page.text
    (event,) = re.findall(r'href="(/pools/@unrouted~0/events/1)"', page.text)
    assert "lost" in client.get(event).text


def test_an_account_whose_name_leads_upwards_has_a_page(several: tuple[str, httpx.Client]) -> None:
    client = several[1]
    page = client.get("/pools/p01/participants")
    (address,) = set(re.findall(r'href="(/pools/p01/participants/[^"?]+)"', page.text))
    assert address == "/pools/p01/participants/~.."
    found = client.get(address)
    assert found.status_code == 200
    assert str(found.url).endswith(address)
    assert "5 .00" in text_of(found), "the zeros are apart"


def test_what_was_refused_later_is_not_counted_at_a_moment(
    console: httpx.Client, books_url: str
) -> None:
    moment = (START + timedelta(minutes=15)).isoformat().replace("+00:00", "Z")
    sequence, refused, pool_time = asked(
        books_url,
        f"SELECT e.sequence, (SELECT count(*) FROM ledger.event r WHERE r.shard = e.shard"
        " AND r.rejection IS NOT NULL AND r.sequence <= e.sequence), e.pool_time"
        " FROM ledger.event e JOIN ledger.shard s USING (shard) WHERE s.name = 'main'"
        f" AND e.sequence = ledger.sequence_at(s.shard, '{moment}')",
    )
    (later,) = asked(books_url, "SELECT count(*) FROM ledger.event WHERE rejection IS NOT NULL")
    assert int(str(refused)) < int(str(later))
    said = rows_of(console.get("/", params={"at": moment}))[0]
    cells = said.split()
    assert cells[:2] == ["main", str(sequence)]
    assert str(refused) in cells
    assert str(later) not in cells
    assert f"{pool_time:%Y-%m-%d %H:%M:%S}" in said
    page = text_of(console.get(f"{AT}?at={sequence}"))
    assert f"Refused {refused}" in page


def test_a_pool_whose_name_leads_upwards_has_pages(database_url: str) -> None:
    written(database_url, pool_of("..", 1))
    settings = WebSettings(database_url, is_open=True)
    with serving(settings) as address, httpx.Client(base_url=address) as client:
        assert 'href="/pools/~.."' in client.get("/").text
        assert "<h1>.. <small>settles in USD" in client.get("/pools/~..").text
        listed = client.get("/api/v1/pools/~../balances").json()["rows"]
        assert {row["account"] for row in listed} == {"..", "@house"}
