"""A real browser, and a console to look at; both once for all tests that ask for them."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.served import Served, a_day

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NEEDED = "needs Playwright and Chromium: `make browser` installs both"


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """Debian's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason=NEEDED)
    program = shutil.which("chromium")
    if program is None:
        pytest.skip(NEEDED)
    with playwright.sync_playwright() as running:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = running.chromium.launch(executable_path=program, args=root)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(chromium: "Browser") -> Iterator[Served]:
    """A day of the demo, an engine's file held against it, and the console over both."""
    assert chromium.is_connected()
    with a_day() as found:
        yield found


@pytest.fixture
def said() -> list[str]:
    """What pages complained of."""
    return []


@pytest.fixture
def page(chromium: "Browser", served: Served, said: list[str]) -> "Iterator[Page]":
    """A fresh browser window; at the end no page may have complained, or asked elsewhere."""
    context = chromium.new_context(
        base_url=served.address, viewport={"width": 1280, "height": 900}, accept_downloads=True
    )
    context.set_default_timeout(15_000)
    window = context.new_page()

    def hear(message: Any) -> None:  # noqa: ANN401 - of Playwright
        if message.type in {"error", "warning"}:
            said.append(f"{window.url}: {message.text}")

    def look(request: Any) -> None:  # noqa: ANN401 - of Playwright
        if not request.url.startswith((served.address, "blob:", "data:")):
            said.append(f"{window.url} asked {request.url}")

    window.on("console", hear)
    window.on("pageerror", lambda fault: said.append(f"{window.url}: {fault}"))
    window.on("request", look)
    yield window
    context.close()
    assert not said, "\n".join(said)
