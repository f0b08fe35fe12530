"""`python -m docs.figures.console`: pictures of the console over a day of the demo.

Writes `console-*.png` beside this file. Needs Playwright and Chromium, as `make browser` has them.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import psycopg
from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.browser.day import POOL
from tests.browser.served import Served, a_day

HERE = Path(__file__).parent
EVENTS, PARTICIPANTS = 40_000, 300
BYTES_MAX = 200_000
SIZE: ViewportSize = {"width": 1280, "height": 760}


class Picture(NamedTuple):
    """One picture.

    Attributes:
        name: Of its file, behind `console-`.
        address: Of the page; names in braces are things of the books.
        theme: light or dark.
        to: What is scrolled to, if anything.
    """

    name: str
    address: str
    theme: str
    to: str | None = None


PICTURES = (
    Picture("overview", f"/pools/{POOL}", "light"),
    Picture("participant", f"/pools/{POOL}/participants/{{winner}}?at={{at}}", "dark"),
    Picture("liquidation", f"/pools/{POOL}/liquidations/{{liquidation}}", "light"),
    Picture("queue", f"/pools/{POOL}/liquidations/{{liquidation}}", "dark", "#adl"),
    Picture("break", f"/pools/{POOL}/breaks/{{break_key}}", "light"),
)


def main() -> int:
    """Take them all. Exit code 1: one is larger than it may be."""
    program = shutil.which("chromium")
    if program is None:
        sys.stderr.write("Chromium is missing: `make browser` installs it\n")
        return 1
    too_large = []
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with a_day(EVENTS, PARTICIPANTS) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=root)
        names = found(served)
        for picture in PICTURES:
            page = browser.new_context(base_url=served.address, viewport=SIZE).new_page()
            path = HERE / f"console-{picture.name}.png"
            take(page, picture, names, path)
            sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")
            if path.stat().st_size > BYTES_MAX:
                too_large.append(path.name)
        browser.close()
    return 1 if too_large else 0


def found(served: Served) -> dict[str, object]:
    """Things of these books that are worth a picture."""
    with psycopg.connect(served.url) as connection:
        deleveraged = connection.execute(
            "SELECT liquidation_id, sequence, account FROM reporting.deleveragings"
            " WHERE pool = %s ORDER BY realized_pnl DESC LIMIT 1",
            (POOL,),
        ).fetchone()
        opened = connection.execute(
            "SELECT break_key FROM back_office.open_breaks WHERE type = 'amount' LIMIT 1"
        ).fetchone()
    assert deleveraged is not None
    assert opened is not None
    liquidation, sequence, account = deleveraged
    return {
        "liquidation": liquidation,
        "at": sequence,
        "winner": account,
        "break_key": opened[0],
    }


def take(page: Page, picture: Picture, names: dict[str, object], path: Path) -> None:
    """Open the page, wait until it is drawn, and take it."""
    page.emulate_media(color_scheme="dark" if picture.theme == "dark" else "light")
    page.goto(picture.address.format(**names), wait_until="networkidle")
    if page.get_by_label("Your name").count():
        page.get_by_label("Your name").fill("maria")
        page.get_by_role("button", name="Go on as this person").click()
        page.wait_for_load_state("networkidle")
    if picture.to is not None:
        page.locator(picture.to).evaluate("part => part.scrollIntoView()")
    page.wait_for_timeout(700)
    page.screenshot(path=path)


if __name__ == "__main__":
    sys.exit(main())
