"""The venue's files imported once, their books and their expectations, shared by the tests."""

import pytest

from ledger.importers import ImportReport, import_events
from tests.importers.books import Books
from tests.importers.venue import (
    GAPPY,
    HISTORIES,
    NODE_TRADES,
    Expectations,
    gappy_expectations,
    history_expectations,
    node_expectations,
    venue_file,
)

ACCOUNT = "account"

Imported = tuple[Books, ImportReport, Expectations]


def _imported(name: str, expected: Expectations) -> Imported:
    run = import_events("hyperliquid", venue_file(name))
    return Books(run), run.report, expected


@pytest.fixture(scope="session")
def node() -> Imported:
    """Every trade of 620 blocks, both sides."""
    return _imported(NODE_TRADES, node_expectations())


@pytest.fixture(scope="session")
def histories() -> Imported:
    """Two accounts from zero, four gaps."""
    return _imported(HISTORIES, history_expectations())


@pytest.fixture(scope="session")
def gappy() -> Imported:
    """One account, 199 gaps."""
    return _imported(GAPPY, gappy_expectations(ACCOUNT))


@pytest.fixture(params=["node", "histories", "gappy"])
def imported(request: pytest.FixtureRequest) -> Imported:
    """Each of the three."""
    made: Imported = request.getfixturevalue(request.param)
    return made
