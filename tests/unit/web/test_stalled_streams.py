"""A stream whose client takes nothing any more ends, and gives its place back."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from ledger.web.api.streams import CountedResponse
from ledger.web.server import UNTAKEN_S, listening

SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}, "method": "GET", "path": "/"}
SEND_S = 0.05


async def events() -> AsyncIterator[str]:
    while True:
        yield "data: 1\n\n"
        await asyncio.sleep(0)


async def never() -> Message:
    """The client does not leave."""
    await asyncio.Event().wait()
    raise AssertionError("nothing wakes it")


class Client:
    """Takes some messages, each after a while, and then no more."""

    def __init__(self, takes: int, each_s: float = 0) -> None:
        self.takes = takes
        self.each_s = each_s
        self.taken = 0

    async def send(self, _message: Message) -> None:
        await asyncio.sleep(self.each_s)
        if self.taken == self.takes:
            await asyncio.Event().wait()
        self.taken += 1


@pytest.mark.parametrize("version", ["2.3", "2.4"])
@pytest.mark.parametrize("takes", [0, 1, 7])
def test_a_stream_ends_when_its_client_takes_nothing_any_more(takes: int, version: str) -> None:
    ended: list[bool] = []
    client = Client(takes)
    response = CountedResponse(events(), lambda: ended.append(True), SEND_S)
    scope = {**SCOPE, "asgi": {"spec_version": version}}
    asyncio.run(asyncio.wait_for(response(scope, never, client.send), 20))
    assert ended == [True]
    assert client.taken == takes


def test_a_client_that_takes_a_little_at_a_time_is_not_cut_off() -> None:
    ended: list[bool] = []
    client = Client(8, SEND_S / 2)
    response = CountedResponse(events(), lambda: ended.append(True), SEND_S)
    asyncio.run(asyncio.wait_for(response(SCOPE, never, client.send), 20))
    assert client.taken == 8, "all that it would take, over longer than one sending may last"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such bound")
def test_a_connection_whose_other_end_takes_nothing_is_cut_by_the_system() -> None:
    with listening("127.0.0.1", 0) as taken, socket.create_connection(taken.getsockname()):
        accepted, _ = taken.accept()
        with accepted:
            bound = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert bound == 1000 * UNTAKEN_S


def test_a_fault_of_the_stream_itself_is_no_stalled_client() -> None:
    async def failing() -> AsyncIterator[str]:
        yield "data: 1\n\n"
        raise TimeoutError("of another kind")

    ended: list[bool] = []
    response = CountedResponse(failing(), lambda: ended.append(True), SEND_S)
    with pytest.raises(TimeoutError, match="of another kind"):
        asyncio.run(response(SCOPE, never, Client(9).send))
    assert ended == [True]
