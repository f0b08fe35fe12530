"""Headers of pages are said once, by one policy; and no page leads back to where forms are sent."""

import re

import httpx
import pytest

STRICT = "default-src 'none'; script-src 'self'; style-src 'self';"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/pools/main",
        "/pools/main/fund.json",
        "/pools/main/events/99999",
        "/pools/nope",
        "/nowhere",
        "/static/console.js",
        "/static/console.css",
    ],
)
def test_one_policy_is_said_once(console: httpx.Client, path: str) -> None:
    answer = console.get(path)
    policies = answer.headers.get_list("content-security-policy")
    assert len(policies) == 1
    assert policies[0].startswith(STRICT)
    assert "unsafe" not in policies[0]
    for name in ("x-content-type-options", "x-frame-options", "referrer-policy"):
        assert len(answer.headers.get_list(name)) == 1, name


def test_pages_are_kept_by_nobody_and_tell_other_sites_nothing(console: httpx.Client) -> None:
    answer = console.get("/pools/main")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("came", "leads"),
    [
        ("{base}/pools/main/fund?at=9", "/pools/main/fund?at=9"),
        ("", "/"),
        ("{base}//evil.example/", "/"),
        ("https://elsewhere.example/pools/main", "/"),
        ("http://[", "/"),
    ],
)
def test_a_page_after_a_form_leads_to_where_the_form_was(
    console: httpx.Client, came: str, leads: str
) -> None:
    console.get("/sign-in")
    form = {"token": console.cookies["clearing_form"], "name": "not a name", "back": "/"}
    headers = {"Referer": came.format(base=str(console.base_url).rstrip("/"))} if came else {}
    answer = console.post("/name", data=form, headers=headers)
    assert answer.status_code == 400
    assert re.findall(r'name="back" value="([^"]*)"', answer.text) == [leads]
    assert re.findall(r'<body data-here="([^"]*)"', answer.text) == [leads]
    assert console.get(leads).status_code == 200
