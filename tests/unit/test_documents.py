"""The reference pages name everything that the code has, and the first example books as it says."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from typer.main import get_command

from ledger import settings
from ledger.cli import app
from ledger.codec.decoding import Decoded, decode
from ledger.codec.records import BODIES
from ledger.codec.wire import MODELS, kind_of
from ledger.core.accounts import KINDS_OF_HOUSE, KINDS_OF_PARTICIPANT
from ledger.core.invariants import broken
from ledger.core.machine import decide
from ledger.core.outcome import Outcome, Purpose
from ledger.core.rejections import Code
from ledger.core.state import State

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(name: str) -> dict[str, str]:
    """Table rows of a page by the words in code quotes of their first cell; the last row wins."""
    found: dict[str, str] = {}
    for line in page(name).splitlines():
        if line.startswith("|") and len(cells := line.split("|")) > 3:
            for word in re.findall(r"`([^`]+)`", cells[1]):
                found[word] = line
    return found


def test_every_kind_of_event_is_described_with_every_field() -> None:
    described = rows("reference/events.md")
    common = {"kind", "event_id", "pool", "occurred_at", "version"}
    same_fields = {"withdrawal_settled", "withdrawal_cancelled"}
    for models in MODELS.values():
        for model in models:
            kind = kind_of(model)
            fields = set() if kind in same_fields else set(model.model_fields) - common
            line = described[kind]
            assert not {field for field in fields if f"`{field}`" not in line}, kind


def test_every_code_of_refusal_is_described_in_order_of_precedence() -> None:
    refusals = page("reference/events.md").partition("## Refusals")[2]
    codes = re.findall(r"^\| `([a-z0-9_]+)` \|", refusals, re.MULTILINE)
    assert codes == [code.value for code in Code]


def test_it_is_described_which_refusals_may_pass_later() -> None:
    refusals = page("reference/events.md").partition("## Refusals")[2]
    again = re.findall(r"^\| `([a-z0-9_]+)` \|.*\| yes \|$", refusals, re.MULTILINE)
    assert again == [code.value for code in Code if code.is_transient]


def test_every_kind_of_account_and_every_purpose_is_described() -> None:
    described = rows("reference/accounts.md")
    assert described.keys() >= KINDS_OF_HOUSE | KINDS_OF_PARTICIPANT
    purposes = re.findall(
        r"^\| (\d+) \| `([a-z_]+)` \|", page("reference/accounts.md"), re.MULTILINE
    )
    assert purposes == [(str(purpose.value), purpose.name.lower()) for purpose in Purpose]


def test_every_kind_of_record_is_described_with_every_field() -> None:
    described = rows("reference/records.md")
    for body in BODIES:
        line = described[body.kind]
        assert not {field for field in body.model_fields if f"`{field}`" not in line}, body.kind


def test_the_commands_described_are_those_of_the_console_script() -> None:
    commands = getattr(get_command(app), "commands", {})
    described = re.findall(r"^\| `clearing ([a-z]+)", page("reference/commands.md"), re.MULTILINE)
    assert sorted(described) == sorted(commands)


def test_every_command_of_the_console_script_has_an_example_in_its_help() -> None:
    commands = getattr(get_command(app), "commands", {})
    assert commands
    assert not [name for name, command in commands.items() if "Example: " not in command.help]


def test_every_variable_of_the_environment_is_described() -> None:
    source = Path(settings.__file__).read_text(encoding="utf-8")
    read = set(re.findall(r"\"(CLEARING_[A-Z_]+)\"", source))
    assert read
    assert read <= rows("reference/settings.md").keys()


def test_the_numbers_that_settings_of_a_run_default_to_are_those_of_the_command() -> None:
    options = {
        name: str(option.default)
        for option in getattr(get_command(app), "commands", {})["run"].params
        for name in option.opts
    }
    table = re.findall(
        r"^\| `(--[a-z-]+)` \| (\d+) \|", page("reference/settings.md"), re.MULTILINE
    )
    assert table
    assert dict(table) == {name: options[name] for name, _ in table}


@pytest.fixture(scope="module")
def journal() -> tuple[list[tuple[str, str, str]], State]:
    """The postings of the first example as `(account, amount, balance)`, and the state after it."""
    state = State("main")
    postings = []
    for line in (DOCS / "examples" / "first.jsonl").read_bytes().splitlines():
        decoded = decode(line)
        assert isinstance(decoded, Decoded), decoded
        outcome = decide(state, decoded.event)
        assert isinstance(outcome, Outcome), outcome
        for number, _, commodity, _, amount, balance in outcome.postings:
            unit = 10 ** state.journal.commodities[commodity].scale
            key = state.journal.keys[number]
            account = f"{key.owner} {key.kind}"
            postings.append((account, str(Fraction(amount, unit)), str(Fraction(balance, unit))))
    return postings, state


def test_the_first_example_posts_what_the_page_says(
    journal: tuple[list[tuple[str, str, str]], State],
) -> None:
    table = re.findall(
        r"^\| `?([@a-z]+)`? ([a-z]+) \| ([-+0-9,.]+) \| ([-0-9,.]+) \|",
        page("concepts/double-entry.md"),
        re.MULTILINE,
    )
    figures = [
        (f"{owner} {kind}", plain(amount), plain(balance)) for owner, kind, amount, balance in table
    ]
    withdrawal = journal[0][-2:]
    assert figures == journal[0][:-2]
    assert withdrawal == [
        ("alice wallet", "-100", plain("10,077.07")),
        ("@house custody", "100", "-19900"),
    ]


def plain(figure: str) -> str:
    return str(Fraction(figure.replace(",", "")))


def test_the_first_example_leaves_sound_books(
    journal: tuple[list[tuple[str, str, str]], State],
) -> None:
    assert not broken(journal[1])
