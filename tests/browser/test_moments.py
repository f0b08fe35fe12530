"""Through time in a real browser: nothing of another moment stays, and nothing dead looks alive."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.day import POOL

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

OVERVIEW = f"/pools/{POOL}"
AT = 500

pytestmark = pytest.mark.timeout(240)


def slide(page: "Page", at: int) -> None:
    page.locator("#asof-range").evaluate(
        "(range, at) => { range.value = at; range.dispatchEvent(new Event('input')); }", at
    )


def failing(route: "Route") -> None:
    problem = '{"type": "urn:clearing:problem:busy", "status": 503}'
    route.fulfill(status=503, content_type="application/problem+json", body=problem)


def hidden(page: "Page", form: str, name: str) -> str | None:
    """The value that a form sends without being asked."""
    fields = page.locator(f"{form} input[type=hidden][name={name}]")
    return fields.first.get_attribute("value") if fields.count() else None


def test_nothing_of_the_moment_before_is_left_behind(page: "Page") -> None:
    page.goto(f"{OVERVIEW}/fund")
    assert hidden(page, ".find", "at") is None
    slide(page, AT)
    page.wait_for_url(f"**/fund?at={AT}")
    page.locator(".asof .now").wait_for()
    assert hidden(page, ".find", "at") == str(AT)
    assert hidden(page, "#theme", "back") == f"{OVERVIEW}/fund?at={AT}"
    assert page.locator("#asof-at").input_value() == str(AT)
    spoken = page.locator("#asof-range").get_attribute("aria-valuetext") or ""
    assert re.match(rf"event {AT} of \d+, 2025-01-06 \d\d:\d\d:\d\d UTC", spoken)
    page.get_by_role("button", name="One event back").click()
    page.wait_for_url(f"**/fund?at={AT - 1}")
    assert page.evaluate("document.activeElement.dataset.step") == "-1"
    page.locator("#find").fill("F-1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/explain/F-1?at=*")
    page.go_back()
    page.locator(".asof .now").click()
    page.wait_for_url(f"**{OVERVIEW}/fund")
    assert page.locator(".asof .now").count() == 0


def test_the_title_is_that_of_what_is_shown(page: "Page", said: list[str]) -> None:
    page.goto(f"{OVERVIEW}/events/{AT}?at={AT}")
    assert page.title().startswith(f"Event {AT} ·")
    slide(page, AT - 1)
    page.get_by_role("heading", name=f"Event {AT}", exact=True).wait_for()
    assert "It came later" in page.locator("#page").inner_text()
    slide(page, AT)
    page.get_by_role("heading", name="Message").wait_for()
    assert all("404" in each for each in said)
    said.clear()


def test_a_refusal_is_not_shown_as_the_past(page: "Page", said: list[str]) -> None:
    page.goto(f"{OVERVIEW}/fund")
    page.get_by_text("Drawing…").wait_for(state="hidden")
    before = page.locator("#page").inner_text()
    page.route("**/fund?at=*", failing)
    slide(page, AT)
    page.locator("#lost:visible").wait_for()
    assert "The server said 503. The page still stands after event" in (
        page.locator("#lost").inner_text()
    )
    assert page.locator("#page").inner_text() == before
    assert "at=" not in page.url
    assert page.locator("#asof-at").input_value() == ""
    page.unroute("**/fund?at=*")
    slide(page, AT)
    page.wait_for_url(f"**/fund?at={AT}")
    page.locator("#lost").wait_for(state="hidden")
    assert all("503" in each for each in said)
    said.clear()


def test_a_page_that_is_not_renewed_any_more_says_so(page: "Page", said: list[str]) -> None:
    page.goto(OVERVIEW, wait_until="networkidle")
    page.route(f"**{OVERVIEW}", failing)
    page.locator("#lost:visible").wait_for(timeout=30_000)
    assert re.search(
        r"The server said 503\. The figures stand still since \d\d:\d\d:\d\dZ\.",
        page.locator("#lost").inner_text(),
    )
    assert "still" in (page.locator("body").get_attribute("class") or "")
    page.unroute(f"**{OVERVIEW}")
    page.locator("#lost").wait_for(state="hidden", timeout=30_000)
    assert "follow the books again" in page.locator("#told").inner_text()
    said.clear()


def test_the_bar_of_a_live_page_follows_the_books(page: "Page") -> None:
    page.goto(OVERVIEW, wait_until="networkidle")
    head = int(page.locator("#asof").get_attribute("data-head") or 0)

    def later(route: "Route") -> None:
        answer = route.fetch()
        told = answer.text().replace(f'data-head="{head}"', f'data-head="{head + 5}"')
        route.fulfill(response=answer, body=told.replace(f'max="{head}"', f'max="{head + 5}"'))

    page.route(f"**{OVERVIEW}", later)
    page.locator(f'#asof[data-head="{head + 5}"]').wait_for()
    assert page.locator("#asof-range").get_attribute("max") == str(head + 5)


def test_a_part_that_cannot_be_fetched_says_why(page: "Page", said: list[str]) -> None:
    def refusing(route: "Route") -> None:
        body = '<p class="bad">the token grafana opens reporting; this page needs auditor</p>'
        route.fulfill(status=403, content_type="text/html", body=body)

    page.route("**/explain/L-1", refusing)
    page.goto(f"{OVERVIEW}/liquidations/L-1")
    line = page.locator("#explanation .fine")
    line.wait_for()
    assert "this page needs auditor" in line.inner_text()
    assert page.get_by_role("link", name="Explain L-1").count() == 1
    said.clear()


def test_the_table_of_a_chart_has_a_name_and_takes_the_keyboard(page: "Page") -> None:
    page.goto(f"{OVERVIEW}/fund", wait_until="networkidle")
    page.locator(".plot-table summary").click()
    table = page.locator(".plot-table table")
    table.wait_for()
    assert "after its movements" in (table.locator("caption").text_content() or "")
    box = page.locator(".plot-table .scroll")
    assert box.get_attribute("tabindex") == "0"
    assert "Figures of" in (box.get_attribute("aria-label") or "")


def test_a_verification_is_told_once_and_stop_keeps_the_focus(page: "Page") -> None:
    page.goto(f"{OVERVIEW}/audit")
    page.get_by_label("Mode").select_option("rederive")
    page.get_by_role("button", name="Verify").click()
    stop = page.get_by_role("button", name="Stop")
    stop.wait_for()
    stop.focus()
    marked = page.locator("#run").element_handle()
    page.wait_for_function("(old) => !old.isConnected", arg=marked, timeout=60_000)
    if stop.count():
        assert page.evaluate("document.activeElement.id") == "stop"
    page.get_by_text("Good: nothing is wrong").first.wait_for(timeout=120_000)
    page.wait_for_function(
        "document.getElementById('told').textContent"
        ".includes('The verification ended: nothing is wrong')"
    )
