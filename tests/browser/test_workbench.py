"""A break worked in the browser from found to closed, by two people, and an adjustment proposed."""

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from ledger.recon.casework import working
from ledger.recon.casework.adjusting import line_of
from tests.browser.day import POOL
from tests.browser.served import Served

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(240)


def break_of(served: Served, type_: str) -> str:
    """The key of a break of this type that nobody has touched."""
    with psycopg.connect(served.url) as connection:
        row = connection.execute(
            "SELECT break_key FROM back_office.open_breaks"
            " WHERE type = %s AND events = 1 ORDER BY break_key LIMIT 1",
            (type_,),
        ).fetchone()
    assert row is not None, f"the engine's file has a fault of type {type_}"
    return str(row[0])


def act(page: "Page", act: str, **fields: str) -> None:
    """Fill one of the forms in, and send it."""
    form = page.locator(f"form[action$='/{act}']").last
    for name, value in fields.items():
        form.locator(f"[name={name}]").fill(value)
    form.get_by_role("button").click()


def become(page: "Page", name: str) -> None:
    """Work as this person from now on."""
    if page.get_by_role("button", name="sign out").count():
        back = page.url
        page.get_by_role("button", name="sign out").click()
        page.goto(back)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Go on as this person").click()
    page.get_by_text(f"You work as {name}.").wait_for()


def test_a_break_is_worked_from_found_to_closed(page: "Page", served: Served) -> None:
    key = break_of(served, "amount")
    page.goto(f"/pools/{POOL}/breaks")
    page.get_by_role("link", name=key).click()
    become(page, "maria")
    state = page.locator("#state")
    act(page, "assign", to="maria")
    act(page, "comment", words="asked the engine's desk")
    act(page, "explain", words="the engine rounds this instrument")
    assert "waiting for a checker" in state.inner_text()
    assert page.get_by_role("button", name="Approve").count() == 0, "she made it herself"
    become(page, "noor")
    act(page, "approve", words="seen their rounding rule")
    assert state.inner_text() == "explained"
    act(page, "close", words="agreed with the desk")
    assert state.inner_text() == "closed"
    life = page.locator(".life li b").all_inner_texts()
    assert life == ["found", "assigned", "commented", "explained", "approved", "closed"]
    with psycopg.connect(served.url) as connection:
        kept = connection.execute(
            "SELECT array_agg(made_by ORDER BY number) FROM back_office.break_lives"
            " WHERE break_key = %s",
            (key,),
        ).fetchone()
    assert kept == (["nightly", "maria", "maria", "maria", "noor", "noor"],)


def test_an_adjustment_has_a_maker_and_a_checker(page: "Page", served: Served) -> None:
    key = break_of(served, "missing_here")
    page.goto(f"/pools/{POOL}/breaks/{key}")
    become(page, "maria")
    lines = "@house suspense USDT -5\n@house fees USDT 5"
    act(page, "propose", words="fee of the trade that they have", lines=lines)
    assert "waiting for a checker" in page.locator("#state").inner_text()
    become(page, "noor")
    act(page, "approve", words="yes")
    adjustment = json.loads(page.locator("#adjustment + pre").inner_text())
    assert (adjustment["made_by"], adjustment["checked_by"]) == ("maria", "noor")
    assert [line["amount"] for line in adjustment["lines"]] == ["-5", "5"]


def test_lines_that_do_not_balance_are_refused_with_the_reason(
    page: "Page", served: Served, said: list[str]
) -> None:
    key = break_of(served, "missing_there")
    page.goto(f"/pools/{POOL}/breaks/{key}")
    become(page, "maria")
    act(page, "propose", words="half", lines="@house suspense USDT -5\n@house fees USDT 4")
    assert "sum to -1, expected 0" in page.get_by_role("alert").inner_text()
    assert page.locator("#state").inner_text() == "open"
    assert page.url.endswith(f"/breaks/{key}"), "and the browser is where it can look again"
    typed = page.locator("form[action$='/propose']").last
    assert typed.locator("[name=words]").input_value() == "half"
    assert typed.locator("[name=lines]").input_value().split("\n")[1] == "@house fees USDT 4"
    assert page.locator("#asof").get_attribute("action") == f"/pools/{POOL}/breaks/{key}"
    page.get_by_role("button", name="Colours").click()
    page.get_by_text("You work as maria.").wait_for()
    page.goto(f"/pools/{POOL}/breaks/{key}/propose")
    page.wait_for_url(f"**/breaks/{key}")
    said[:] = [line for line in said if "409" not in line]  # the browser tells of the refusal


def test_what_changed_under_a_checkers_eyes_is_not_approved(
    page: "Page", served: Served, said: list[str]
) -> None:
    key = break_of(served, "missing_there")
    working.propose(served.url, key, "maria", "five", worth(5))
    page.goto(f"/pools/{POOL}/breaks/{key}")
    become(page, "noor")
    working.do(served.url, key, "refused", "maria", "mistyped")
    working.propose(served.url, key, "maria", "five thousand", worth(5000))
    with page.expect_response(f"**/breaks/{key}/approve") as answer:
        act(page, "approve", words="five is right")
    assert answer.value.status == 409
    assert "has changed since you looked" in page.get_by_role("alert").inner_text()
    assert page.locator("#words-approve").input_value() == "five is right"
    assert "waiting for a checker" in page.locator("#state").inner_text()
    assert "5000" in page.locator(".life").inner_text(), "and the new page shows it"
    act(page, "approve", words="five thousand is right")
    assert page.locator("#state").inner_text() != "open"
    life = working.shown(served.url, key).life
    assert [event.kind for event in life][-2:] == ["proposed", "approved"]
    said[:] = [line for line in said if "409" not in line]


def worth(amount: int) -> working.Proposed:
    """An adjustment between two accounts of the house."""
    lines = (f"@house suspense USDT -{amount}", f"@house fees USDT {amount}")
    return working.Proposed([line_of(line) for line in lines])


def test_a_refused_act_stays_at_the_moment_that_was_looked_at(
    page: "Page", served: Served, said: list[str]
) -> None:
    key = break_of(served, "amount")
    page.goto(f"/pools/{POOL}/breaks/{key}?at=7")
    become(page, "maria")
    assert page.url.endswith("?at=7")
    act_at = page.locator("form[action*='/propose']").last
    act_at.locator("[name=words]").fill("half")
    act_at.locator("[name=lines]").fill("@house suspense USDT -5")
    act_at.get_by_role("button").click()
    page.get_by_role("alert").wait_for()
    assert page.url.endswith(f"/breaks/{key}?at=7")
    assert "past" in (page.locator("body").get_attribute("class") or "")
    said[:] = [line for line in said if "409" not in line]
