"""A stream never begins beside history that was detached: it says so, and where the rest begins."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ledger.audit.archive.detach import detach_archived
from ledger.web.problems import PREFIX
from tests.integration.test_detaching import LEAF, archived, deposits, live
from tests.integration.web.servers import patient, serving
from tests.integration.web.test_streams import listening
from tests.unit.desk import BEGINNING, said

STREAM = "/api/v1/pools/main/records/stream"
FIRST_HELD = LEAF + 1


@pytest.fixture
def client(database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """Of a server over books whose first partition was detached."""
    live(
        database_url,
        [*BEGINNING, *deposits(1, "anna", "ben", "ben"), said("account", "r5", account="cora")],
    )
    live(database_url, deposits(5, "ben", "ben", "ben"), 9)
    archived(database_url, tmp_path / "kept")
    detach_archived(database_url, "main", 1, tmp_path / "kept")
    with serving(patient(database_url)) as address, httpx.Client(base_url=address) as opened:
        yield opened


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?from=1", {}),
        ("?from=0", {}),
        (f"?from={LEAF}", {}),
        ("", {"Last-Event-ID": "2.1"}),
        ("", {"Last-Event-ID": f"{LEAF}.1"}),
    ],
)
def test_a_stream_from_detached_history_is_refused(
    client: httpx.Client, query: str, headers: dict[str, str]
) -> None:
    answer = client.get(f"{STREAM}{query}", headers=headers)
    assert answer.status_code == 410
    assert answer.json()["type"] == f"{PREFIX}detached"
    assert f"they go on at event {FIRST_HELD}" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "headers"),
    [("", {}), (f"?from={FIRST_HELD}", {}), ("", {"Last-Event-ID": f"{FIRST_HELD}.1"})],
)
def test_a_stream_from_what_is_held_begins(
    client: httpx.Client, query: str, headers: dict[str, str]
) -> None:
    with listening(client, f"{STREAM}{query}", **headers) as events:
        assert "retry" in next(events).fields
