"""The page on the API: its examples print what it says, its tables are those of the code."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.store.web.journals import Journal
from ledger.store.web.states import State
from ledger.store.web.sums import Sum
from ledger.web.api.asking import LIMIT_MAX
from ledger.web.api.catalogue import LISTINGS, Source
from ledger.web.api.listing import LIMIT
from ledger.web.console.routes import ACTS_MAX
from ledger.web.makers import GIVEN_UP_S, MAKERS, WAITING_MAX
from ledger.web.problems import TYPES
from ledger.web.settings import WebSettings
from ledger.web.tokens import BELIEVED_S
from tests.integration.pages import Shell, difference, steps
from tests.integration.web.servers import patient, serving

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"


@pytest.fixture
def example(database_url: str) -> Iterator[str]:
    """The address of a server over the books that the page names."""
    file = str(ROOT / "docs" / "examples" / "explained.jsonl")
    done = CliRunner().invoke(app, ["ingest", file, "--database-url", database_url])
    assert done.exit_code == 0
    with serving(patient(database_url)) as address:
        yield address


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl")
def test_the_examples_print_what_the_page_says(example: str, tmp_path: Path) -> None:
    shown = steps(PAGE)
    assert len(shown) >= 5
    with Shell(tmp_path, {"PATH": "/usr/bin:/bin:/usr/local/bin"}) as shell:
        for step in shown:
            printed = shell.run(step.command.replace(ADDRESS, example))
            told = difference(step.output, printed)
            assert told is None, f"{step.command}\n{told}"


def test_every_listing_is_described() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (yes|clock) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (name, _kind(one.source), _past(one.source), _filters(one.source))
        for name, one in LISTINGS.items()
    ]


def _kind(source: Source) -> str:
    match source:
        case Journal():
            return "journal"
        case State():
            return "state"
        case _:
            return "sum"


def _past(source: Source) -> str:
    return "clock" if isinstance(source, Sum) and source.is_of_clock else "yes"


def _filters(source: Source) -> str:
    own = ["account"] if isinstance(source, State) else []
    return ", ".join(f"`{name}`" for name in [*own, *source.filters]) or "—"


def test_every_problem_is_described() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d+) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (name, str(kind.status), kind.title, kind.remedy) for name, kind in TYPES.items()
    ]


def _connections(asked: WebSettings) -> int:
    """Of listings and pages, of tokens, of streams, of both kinds of sums, of acts on breaks."""
    return 2 * asked.connections_max + 1 + asked.stream_connections_max + 2 * MAKERS + ACTS_MAX


def test_the_bounds_are_those_that_the_page_says() -> None:
    asked = WebSettings("postgresql://")
    for said in (
        f"({asked.page_budget_ms} ms)",
        f"within {asked.tokens_kept_s:g} seconds",
        f"{asked.requests_per_minute:,} times a minute",
        f"{asked.requests_burst} times at once",
        f"longer than {asked.sum_wait_s:g} seconds",
        f"every {asked.heartbeat_s:g} seconds",
        f"There may be {asked.streams_max}, of one token {asked.caller_streams_max}.",
        f"goes by what it last read for {BELIEVED_S:g} seconds",
        f"nobody has asked for it in {GIVEN_UP_S:g} seconds",
        f"{WAITING_MAX} of all",
        f"holds {_connections(asked)} connections at most",
        f"({LIMIT}; {LIMIT_MAX:,} at most)",
    ):
        assert said in PAGE, said
