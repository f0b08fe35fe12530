"""Each page of the console in a real browser: it opens, fits, complains of nothing, is exact."""

import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from tests.browser.day import POOL
from tests.browser.served import Served

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (1280, 390)
OF_POOL = (
    "",
    "/participants",
    "/participants/{account}",
    "/postings",
    "/postings?kind=fees",
    "/events/{event}",
    "/liquidations",
    "/liquidations/{liquidation}",
    "/explain/{liquidation}",
    "/fund",
    "/adl?instrument={instrument}&side=short",
    "/instruments",
    "/instruments/{instrument}",
    "/refused",
    "/breaks",
    "/breaks/{break_key}",
    "/audit",
)
ADDRESSES = ("/", "/sign-in", *(f"/pools/{POOL}{path}" for path in OF_POOL))

pytestmark = pytest.mark.timeout(240)


def asked(served: Served, query: str, *values: object) -> Any:  # noqa: ANN401 - of the query
    """One value of the books."""
    with psycopg.connect(served.url) as connection:
        row = connection.execute(query.encode(), values).fetchone()
    assert row is not None, query
    return row[0]


@pytest.fixture(scope="module")
def names(served: Served) -> dict[str, object]:
    """What the addresses name: things that are in these books."""
    of_liquidation = "SELECT {} FROM reporting.liquidations WHERE pool = %s ORDER BY sequence"
    return {
        "account": asked(served, of_liquidation.format("account"), POOL),
        "event": asked(served, of_liquidation.format("sequence"), POOL),
        "liquidation": asked(served, of_liquidation.format("liquidation_id"), POOL),
        "instrument": asked(served, of_liquidation.format("instrument"), POOL),
        "break_key": asked(served, "SELECT break_key FROM back_office.open_breaks LIMIT 1"),
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_opens_and_fits(
    page: "Page", names: dict[str, object], address: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    answer = page.goto(address.format(**names), wait_until="networkidle")
    assert answer is not None
    assert answer.status == 200
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.locator("table:not(:has(caption), .u-legend)").count() == 0
    assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_answers_as_of_an_earlier_event(
    page: "Page", names: dict[str, object], address: str
) -> None:
    at = "2025-01-06T14:00:00Z"
    path = address.format(**names)
    answer = page.goto(f"{path}{'&' if '?' in path else '?'}at={at}", wait_until="networkidle")
    assert answer is not None
    assert answer.status == 200
    if "/pools/" in path:
        assert "past" in (page.locator("body").get_attribute("class") or "")
        overview = page.get_by_role("link", name="Overview", exact=True)
        assert "at=" in (overview.get_attribute("href") or "")


def test_the_slider_asks_for_the_figures_after_that_event(
    page: "Page", served: Served, names: dict[str, object]
) -> None:
    account, at = names["account"], int(str(names["event"])) - 1
    page.goto(f"/pools/{POOL}/participants/{account}")
    page.locator("#asof-range").evaluate(
        "(range, at) => { range.value = at; range.dispatchEvent(new Event('input')); }", at
    )
    page.wait_for_url(f"**/participants/{account}?at={at}")
    shown = page.locator(".margin .figures dd").first.inner_text()
    exact = asked(
        served,
        "SELECT equity FROM reporting.margin_at(%s, %s::bigint, %s) ORDER BY margin_mode",
        *(POOL, at, account),
    )
    assert Decimal(shown) == exact
    assert f"event {at}" in page.locator("#told").inner_text()


def test_a_figure_leads_to_the_postings_that_it_is_made_of(
    page: "Page", names: dict[str, object]
) -> None:
    page.goto(f"/pools/{POOL}/participants/{names['account']}")
    figure = page.locator("#balances ~ .scroll tbody tr").first.locator("td.num a").first
    balance = Decimal(figure.inner_text())
    figure.click()
    page.wait_for_url("**/postings?**")
    newest = page.locator("main tbody tr").first.locator("td").last
    assert Decimal(newest.inner_text()) == balance


def test_what_is_copied_of_a_figure_is_the_number_itself(
    page: "Page", names: dict[str, object]
) -> None:
    page.goto(f"/pools/{POOL}/participants/{names['account']}")
    copied = page.evaluate(
        "() => { const figure = document.querySelector('.figures .n');"
        " getSelection().selectAllChildren(figure); return getSelection().toString(); }"
    )
    assert re.fullmatch(r"-?[0-9]+\.[0-9]{6}", copied)


def test_a_liquidation_is_explained_and_its_proof_holds(
    page: "Page", names: dict[str, object], tmp_path: Path
) -> None:
    page.goto(f"/pools/{POOL}/liquidations/{names['liquidation']}")
    page.locator("#explanation .ok").first.wait_for()
    assert "figures agree with the books" in page.locator("#explanation").inner_text()
    with page.expect_download() as proof:
        page.get_by_role("link", name=f"Proof of event {names['event']}").first.click()
    proof.value.save_as(tmp_path / "proof.json")
    with page.expect_download() as explanation:
        page.get_by_role("link", name="Explanation as a file").click()
    explanation.value.save_as(tmp_path / "explanation.json")
    page.goto(f"/pools/{POOL}/audit")
    with page.expect_download() as checkpoint:
        page.get_by_role("link", name="Checkpoint", exact=True).first.click()
    checkpoint.value.save_as(tmp_path / "checkpoint.jsonl")
    kept = ("--checkpoint", str(tmp_path / "checkpoint.jsonl"))
    check("check_proof", tmp_path / "proof.json", *kept)
    check("check_explanation", tmp_path / "explanation.json")


def check(tool: str, file: Path, *options: str) -> None:
    """Have one of the programs that know nothing of ours check a file."""
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / f"{tool}.py", file, *options],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_verification_runs_and_tells_its_verdict(page: "Page", tmp_path: Path) -> None:
    page.goto(f"/pools/{POOL}/audit")
    page.get_by_label("Mode").select_option("chain")
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("Good: nothing is wrong").wait_for(timeout=90_000)
    with page.expect_download() as report:
        page.get_by_role("link", name="Download the report").click()
    report.value.save_as(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "good"


def test_the_keyboard_skips_to_the_page(page: "Page") -> None:
    page.goto(f"/pools/{POOL}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "page"


def test_light_and_dark_are_chosen_and_kept(page: "Page") -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"/pools/{POOL}")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Colours").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    dark = page.evaluate(paper)
    assert dark != light
    page.goto(f"/pools/{POOL}/fund")
    assert page.evaluate(paper) == dark


def test_without_javascript_a_page_still_goes_through_time(
    page: "Page", served: Served, names: dict[str, object]
) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(base_url=served.address, java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"/pools/{POOL}/participants/{names['account']}")
    plain.get_by_label("Event or time").fill("2025-01-06T12:00:00Z")
    plain.get_by_role("button", name="Show").click()
    assert "As of" in plain.locator("#asof-state").inner_text()
    assert plain.locator(".asof .now").count() == 1
    context.close()


def test_a_form_from_elsewhere_changes_nothing(served: Served, names: dict[str, object]) -> None:
    events = "SELECT count(*) FROM back_office.break_event"
    before = asked(served, events)
    path = f"{served.address}/pools/{POOL}/breaks/{names['break_key']}/comment"
    forged = {"token": "guessed", "words": "hello"}
    assert httpx.post(path, data=forged).status_code == 403
    foreign = {"Origin": "https://elsewhere.example"}
    assert httpx.post(path, data=forged, headers=foreign).status_code == 403
    assert asked(served, events) == before
