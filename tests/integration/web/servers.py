"""Real servers for tests: uvicorn in a thread, on a free port of this machine."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI

from ledger.web.app import create_app
from ledger.web.server import listening, server
from ledger.web.settings import WebSettings

WAIT_S = 20


def patient(url: str, **others: Any) -> WebSettings:  # noqa: ANN401 - any setting
    """Settings of an open server without the console, whose limits nobody meets."""
    given = {"is_open": True, "requests_per_minute": 10**9, "requests_burst": 10**9, **others}
    return WebSettings(url, with_console=False, **given)


@contextmanager
def serving(settings: WebSettings) -> Iterator[str]:
    """The address of a server, for as long as the block runs."""
    with serving_app(create_app(settings)) as address:
        yield address


@contextmanager
def serving_app(app: FastAPI, host: str = "127.0.0.1") -> Iterator[str]:
    """The same, of an application at hand; on `::` as well, asked over IPv4."""
    with listening(host, 0) as taken:
        made = server(app)
        thread = threading.Thread(target=made.run, kwargs={"sockets": [taken]})
        thread.start()
        ends = time.monotonic() + WAIT_S
        try:
            while not made.started:
                assert thread.is_alive(), "the server did not start"
                assert time.monotonic() < ends, "the server does not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            made.should_exit = True
            thread.join(WAIT_S)
            assert not thread.is_alive(), "the server does not stop"
