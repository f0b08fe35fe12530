"""What is asked wrongly is told what was expected, and nothing can be written."""

from collections.abc import Mapping
from typing import Any

import httpx
import psycopg
import pytest

from ledger.errors import StoreError, StoreUnavailable
from ledger.store.web.connections import Busy, Readers, Role
from ledger.store.web.sums import Sum
from ledger.web.api.catalogue import LISTINGS
from ledger.web.api.cursors import cursor
from ledger.web.problems import PREFIX, TYPES
from tests.integration.web.servers import patient, serving

MAIN = "/api/v1/pools/main"


def problem(answer: httpx.Response) -> Mapping[str, Any]:
    """The problem that an answer tells, whole."""
    assert answer.headers["content-type"] == "application/problem+json"
    told: Mapping[str, Any] = answer.json()
    kind = TYPES[told["type"].removeprefix(PREFIX)]
    assert (told["status"], told["title"]) == (answer.status_code, kind.title)
    assert kind.status == answer.status_code
    assert told["request_id"] == answer.headers["x-request-id"]
    return told


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("/api/v1/nowhere", "not_found"),
        ("/api/v1/pools/nope/fees", "unknown_pool"),
        ("/api/v1/pools/nope/margin", "unknown_pool"),
        ("/api/v1/pools/nope/adl_queue", "unknown_pool"),
        ("/api/v1/pools/nope/checkpoints", "unknown_pool"),
        ("/api/v1/pools/nope/records/stream", "unknown_pool"),
        ("/api/v1/pools/nope/events/1/proof", "unknown_pool"),
        ("/api/v1/explain/L-1?pool=nope", "unknown_pool"),
        ("/api/v1/explain/L-99999", "not_found"),
        ("/api/v1/explain/event-1", "not_found"),
        (f"{MAIN}/events/1/proof", "not_found"),
        (f"{MAIN}/fees?limit=0", "invalid_parameter"),
        (f"{MAIN}/fees?limit=1001", "invalid_parameter"),
        (f"{MAIN}/fees?limit=ten", "invalid_parameter"),
        (f"{MAIN}/fees?acount=ada", "invalid_parameter"),
        (f"{MAIN}/fees?account=ada&account=ben", "invalid_parameter"),
        (f"{MAIN}/fees?account=%00", "invalid_parameter"),
        (f"{MAIN}/fees?at=yesterday", "invalid_parameter"),
        (f"{MAIN}/fees?at=2026-02-30T00:00:00Z", "invalid_parameter"),
        (f"{MAIN}/fees?at=2026-01-01", "invalid_parameter"),
        (f"{MAIN}/fees?at=99999999999999999999", "invalid_parameter"),
        (f"{MAIN}/breaks?at=3", "invalid_parameter"),
        (f"{MAIN}/fees?at=1000000", "not_there"),
        (f"{MAIN}/margin?at=1000000", "not_there"),
        (f"{MAIN}/margin?at=2020-01-01T00:00:00Z", "not_there"),
        (f"{MAIN}/trial_balance?at=1000000", "not_there"),
        (f"{MAIN}/fees?after=nonsense", "invalid_cursor"),
        (f"{MAIN}/fees?format=xml", "invalid_parameter"),
        (f"{MAIN}/records/stream?from=-1", "invalid_parameter"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    client: httpx.Client, path: str, type_: str
) -> None:
    assert problem(client.get(path))["type"] == f"{PREFIX}{type_}"


def test_the_parameters_that_are_wrong_are_named(client: httpx.Client) -> None:
    told = problem(client.get(f"{MAIN}/fees?limit=0&from=x"))
    assert [error["parameter"] for error in told["errors"]] == ["limit"]
    told = problem(client.get(f"{MAIN}/fees?acount=ada"))
    assert "account" in told["errors"][0]["says"]


def test_a_cursor_is_good_for_its_own_question_only(client: httpx.Client) -> None:
    word = client.get(f"{MAIN}/fees?limit=1").json()["next"].rpartition("after=")[2]
    assert client.get(f"{MAIN}/fees?limit=1&after={word}").status_code == 200
    for other in ("trades?limit=1", "fees?account=ada", "fees?at=300", "fees?newest_first=true"):
        answer = client.get(f"{MAIN}/{other}&after={word}")
        assert problem(answer)["type"] == f"{PREFIX}invalid_cursor"


@pytest.mark.parametrize("listing", ["adl_queue", "open_interest", "trial_balance", "breaks"])
def test_a_cursor_of_a_sum_that_was_written_by_hand_is_refused(
    client: httpx.Client, listing: str
) -> None:
    source = LISTINGS[listing].source
    assert isinstance(source, Sum)
    question: list[object] = [listing, "main", None, None, False, []]
    for sequence in ("abc", "", -1, 10**19):
        word = cursor(question, (sequence, *("x" for _ in source.key)))
        answer = client.get(f"{MAIN}/{listing}", params={"after": word})
        assert problem(answer)["type"] == f"{PREFIX}invalid_cursor", sequence
    word = cursor(question, (20, *("" for _ in source.key)))
    answer = client.get(f"{MAIN}/{listing}", params={"after": word})
    assert answer.status_code == 200, "and it is the question of this listing"


def test_nothing_but_reading_is_possible(client: httpx.Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = client.request(method, f"{MAIN}/fees")
        assert problem(answer)["type"] == f"{PREFIX}method_not_allowed"
        assert answer.headers["allow"] == "GET"


def test_no_format_of_ours_is_not_acceptable(client: httpx.Client) -> None:
    answer = client.get(f"{MAIN}/fees", headers={"Accept": "text/html"})
    assert problem(answer)["type"] == f"{PREFIX}not_acceptable"


def test_a_request_keeps_the_id_that_it_came_with(client: httpx.Client) -> None:
    kept = client.get("/api/v1/health", headers={"X-Request-ID": "from-elsewhere:17"})
    assert kept.headers["x-request-id"] == "from-elsewhere:17"
    made = client.get("/api/v1/health", headers={"X-Request-ID": "two words"})
    assert len(made.headers["x-request-id"]) == 32


def test_every_answer_has_the_headers_that_browsers_heed(client: httpx.Client) -> None:
    for path in ("/api/v1/health", "/api/v1/nowhere", f"{MAIN}/fees"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


@pytest.mark.parametrize("role", ["clearing_reader", "clearing_auditor"])
def test_a_lent_connection_writes_nothing(books_url: str, role: Role) -> None:
    readers = Readers(books_url, role, size=1, wait_s=0.1, statement_s=5)
    for statement in (
        "INSERT INTO back_office.run (pool) VALUES ('main')",
        "CREATE TABLE reporting.stranger (one integer)",
        "UPDATE ledger.shard SET epoch = 0",
    ):
        with pytest.raises(StoreError), readers.lent() as connection:
            connection.execute(statement.encode())
    with readers.lent() as connection:
        told = "SELECT current_user, current_setting('transaction_read_only')"
        assert connection.execute(told).fetchone() == (role, "on")
    readers.close()


def test_who_finds_all_connections_lent_is_told_to_come_again(books_url: str) -> None:
    readers = Readers(books_url, "clearing_reader", size=1, wait_s=0.05, statement_s=5)
    with readers.lent(), pytest.raises(Busy), readers.lent():
        pass
    with readers.lent() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    readers.close()


def test_a_connection_that_the_server_ended_is_made_anew(books_url: str) -> None:
    readers = Readers(books_url, "clearing_reader", size=1, wait_s=1, statement_s=5)
    with readers.lent() as connection:
        backend = connection.info.backend_pid
    with psycopg.connect(books_url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))
    with readers.lent() as connection:
        assert connection.info.backend_pid != backend
    readers.close()


def test_a_statement_that_takes_too_long_is_given_up(books_url: str) -> None:
    readers = Readers(books_url, "clearing_reader", size=1, wait_s=1, statement_s=1)
    with pytest.raises(StoreUnavailable), readers.lent() as connection:
        connection.execute("SELECT pg_sleep(30)")
    with readers.lent() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    readers.close()


def test_a_server_without_its_database_says_so_and_shows_nothing_of_it() -> None:
    hidden = "postgresql://somebody:secret@127.0.0.1:1/books"
    with serving(patient(hidden)) as address:
        assert httpx.get(f"{address}/api/v1/health").status_code == 200
        answer = httpx.get(f"{address}/api/v1/pools")
    assert problem(answer)["type"] == f"{PREFIX}unavailable"
    assert answer.headers["retry-after"] == "2"
    assert "secret" not in answer.text
    assert "somebody" not in answer.text
