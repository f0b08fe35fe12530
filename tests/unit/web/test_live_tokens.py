"""Live tokens are read by one for all, and believed for a bounded while without the database."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import StoreUnavailable
from ledger.store.web.tokens import LiveToken
from ledger.web.tokens import ANSWER_S, BELIEVED_S, RETRY_S, Caller, Tokens, token_hash

KEPT_S = 3.0
LATER = datetime.now(UTC) + timedelta(days=1)


class Books:
    """Tokens as a database would tell them, a clock, and how often it was asked."""

    def __init__(self) -> None:
        self.now = 100.0
        self.live: Sequence[LiveToken] = [
            LiveToken(7, "grafana", ["reporting"], token_hash("clr_7"), LATER)
        ]
        self.is_away = False
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()

    def read(self) -> Sequence[LiveToken]:
        self.asked += 1
        assert self.answers.wait(20), "nobody let it answer"
        if self.is_away:
            raise StoreUnavailable("away")
        return self.live


def with_tokens(test: Callable[[Books, Tokens], Awaitable[None]]) -> None:
    """Run a test in an event loop of its own."""
    books = Books()
    tokens = Tokens(books.read, KEPT_S, lambda: books.now)

    async def run() -> None:
        try:
            await asyncio.wait_for(test(books, tokens), 20)
        finally:
            books.answers.set()
            tokens.close()

    asyncio.run(run())


def test_a_token_is_believed_for_a_while_where_the_database_is_away_and_then_no_longer() -> None:
    async def test(books: Books, tokens: Tokens) -> None:
        assert await tokens.caller("clr_7") is not None
        books.is_away = True
        books.now += BELIEVED_S - 1
        assert await tokens.caller("clr_7") is not None
        assert await tokens.caller("clr_8") is None
        books.now += 1
        with pytest.raises(StoreUnavailable):
            await tokens.caller("clr_7")
        books.is_away = False
        books.now += RETRY_S
        assert await tokens.caller("clr_7") is not None

    with_tokens(test)


def test_a_database_that_failed_is_left_in_peace_for_a_second() -> None:
    async def test(books: Books, tokens: Tokens) -> None:
        books.is_away = True
        for _ in range(5):
            with pytest.raises(StoreUnavailable):
                await tokens.caller("clr_7")
        assert books.asked == 1
        books.now += RETRY_S
        with pytest.raises(StoreUnavailable):
            await tokens.caller("clr_7")
        assert books.asked == 2

    with_tokens(test)


def test_one_reads_for_all_who_come_before_anything_is_known() -> None:
    async def test(books: Books, tokens: Tokens) -> None:
        books.answers.clear()
        coming = [asyncio.ensure_future(tokens.caller("clr_7")) for _ in range(40)]
        await asyncio.sleep(0.05)
        books.answers.set()
        found = await asyncio.gather(*coming)
        assert {one.name for one in found if one} == {"grafana"}
        assert None not in found
        assert books.asked == 1

    with_tokens(test)


def test_a_token_that_was_taken_back_opens_nothing_to_any_of_a_burst() -> None:
    async def test(books: Books, tokens: Tokens) -> None:
        await tokens.caller("clr_7")
        books.live = []
        books.now += KEPT_S
        books.answers.clear()
        coming = [asyncio.ensure_future(tokens.caller("clr_7")) for _ in range(12)]
        await asyncio.sleep(0.05)
        assert not any(one.done() for one in coming), "all wait for the reading under way"
        books.answers.set()
        assert await asyncio.gather(*coming) == [None] * 12
        assert books.asked == 2

    with_tokens(test)


def test_where_a_reading_takes_long_all_go_by_the_list_that_there_is() -> None:
    async def test(books: Books, tokens: Tokens) -> None:
        await tokens.caller("clr_7")
        books.now += KEPT_S
        books.answers.clear()
        coming = [asyncio.ensure_future(tokens.caller("clr_7")) for _ in range(3)]
        found = await asyncio.wait_for(asyncio.gather(*coming), 5 * ANSWER_S)
        assert [one is not None for one in found] == [True] * 3
        assert books.asked == 2

    with_tokens(test)


def test_a_list_that_becomes_too_old_while_one_waits_opens_nothing() -> None:
    async def test(books: Books, tokens: Tokens) -> None:
        await tokens.caller("clr_7")
        books.now += BELIEVED_S - 1
        books.answers.clear()
        coming = asyncio.ensure_future(tokens.caller("clr_7"))
        await asyncio.sleep(0.05)
        books.now += 1
        with pytest.raises(StoreUnavailable, match="in time"):
            await coming

    with_tokens(test)


def test_a_caller_is_known_no_more_once_the_token_is_gone() -> None:
    async def test(books: Books, tokens: Tokens) -> None:
        caller = await tokens.caller("clr_7")
        assert caller is not None
        assert await tokens.has(caller)
        assert not await tokens.has(Caller("grafana", "token 8", caller.scopes))
        books.live = []
        assert await tokens.has(caller), "as of a moment ago"
        books.now += KEPT_S
        assert not await tokens.has(caller)

    with_tokens(test)
