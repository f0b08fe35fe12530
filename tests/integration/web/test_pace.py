"""Windows grow with what earlier ones cost, and sums go on being made while callers come again."""

import time

import httpx
import pytest

from ledger.store.web_pace import FIRST_EVENTS, GROWS, Pace
from ledger.store.web_sums import Sum
from ledger.web.api.sums import KEPT_TIMES, KeptSums
from ledger.web.app import create_app
from ledger.web.problems import PREFIX
from tests.integration.web.servers import patient, serving


def test_the_first_window_of_a_kind_is_narrow_and_the_next_ones_grow() -> None:
    pace = Pace()
    assert pace.width("kind", 100, 0.1) == FIRST_EVENTS
    pace.learn("kind", FIRST_EVENTS, 0.001, 0, FIRST_EVENTS)
    assert pace.width("kind", 100, 0.1) == GROWS * FIRST_EVENTS
    assert pace.width("other", 100, 0.1) == FIRST_EVENTS


def test_a_window_is_no_wider_than_the_time_that_is_left() -> None:
    pace = Pace()
    pace.learn("kind", 1_000, 0.1, 0, 1_000)
    assert pace.width("kind", 100, 0.05) == 500


def test_a_window_is_no_wider_than_the_rows_that_are_missing() -> None:
    pace = Pace()
    pace.learn("kind", 1_000, 0.001, 1_000, 500)
    assert pace.width("kind", 100, 10) == 75


def test_where_a_window_is_dear_to_begin_it_is_wide_enough_to_be_worth_it() -> None:
    pace = Pace()
    pace.learn("kind", 1_000, 0.101, 0, 1_000)
    pace.learn("kind", 3_000, 0.103, 0, 3_000)
    assert pace.width("kind", 100, 0.0) == GROWS * 3_000


def test_a_sum_goes_on_being_made_while_its_caller_comes_again(books_url: str) -> None:
    with (
        serving(patient(books_url, sum_wait_s=0)) as address,
        httpx.Client(base_url=address) as client,
    ):
        first = client.get("/api/v1/pools/main/adl_queue")
        assert first.json()["type"] == f"{PREFIX}being_made"
        assert first.headers["retry-after"] == "5"
        ends = time.monotonic() + 30
        while (answer := client.get("/api/v1/pools/main/adl_queue")).status_code == 503:
            assert time.monotonic() < ends, "it is never made"
            time.sleep(0.05)
    assert answer.json()["rows"]


def test_a_sum_is_kept_for_a_multiple_of_what_it_took(books_url: str) -> None:
    times = iter([0.0, 2.0, 2.0 + 2 * KEPT_TIMES - 1])  # begun, made, asked for once more
    app = create_app(patient(books_url))
    sums = KeptSums(app.state.readers, 30, lambda: next(times))
    source = Sum("trial_balance", "reporting", ("commodity",), {})
    made = sums.rows(source, "main", None, {})
    assert made.rows.rows
    assert sums.rows(source, "main", None, {}) is made
    sums.close()


@pytest.mark.parametrize("at", [None, 300])
def test_a_sum_of_an_unknown_pool_is_refused_each_time(books_url: str, at: int | None) -> None:
    with serving(patient(books_url)) as address, httpx.Client(base_url=address) as client:
        query = "" if at is None else f"?at={at}"
        for _ in range(2):
            answer = client.get(f"/api/v1/pools/nope/trial_balance{query}")
            assert answer.json()["type"] == f"{PREFIX}unknown_pool"
