"""Explanations, checkpoints and proofs over HTTP are those that the commands make."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ledger.audit.explanation.explain import explained
from ledger.store.audit.evidence import evidence
from ledger.web import proofs
from ledger.web.problems import PREFIX
from ledger.web.settings import WebSettings
from tests.integration import sealed_books
from tests.integration.web.servers import patient, serving

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def sealed(database_url: str) -> Iterator[httpx.Client]:
    """A client of a server over books with checkpoints, two pools and lost messages."""
    sealed_books.write(database_url)
    with serving(patient(database_url)) as address, httpx.Client(base_url=address) as opened:
        yield opened


def test_an_explanation_is_that_of_the_command(client: httpx.Client, books_url: str) -> None:
    for id_ in ("L-1", "D-1", "C-1", "F-1"):
        found = client.get(f"/api/v1/explain/{id_}")
        assert found.status_code == 200
        assert found.json() == json.loads(json.dumps(explained(books_url, "main", id_).as_json()))
        assert found.json()["agrees"]


def test_checkpoints_and_proofs_are_those_of_the_books(
    sealed: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    first = sealed.get("/api/v1/pools/main/checkpoints?limit=1").json()
    second = sealed.get(first["next"]).json()
    found = [row["sequence"] for row in first["rows"] + second["rows"]]
    with evidence(database_url, "main") as books:
        expected = [each.sequence for each in books.checkpoints(1)]
    assert found == expected[:2]
    proof = sealed.get(f"/api/v1/pools/main/events/{found[0]}/proof")
    file = tmp_path / "proof.json"
    file.write_bytes(proof.content)
    published = tmp_path / "checkpoint.jsonl"
    published.write_text(json.dumps(first["rows"][0]) + "\n", encoding="utf-8")
    checker = [sys.executable, "-I", str(ROOT / "tools" / "check_proof.py"), str(file)]
    checker += ["--checkpoint", str(published)]
    done = subprocess.run(checker, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_proof_over_too_many_events_is_left_to_the_command(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed_books.write(database_url)
    with evidence(database_url, "main") as books:
        first, second = [each.sequence for each in books.checkpoints(1)][:2]
    monkeypatch.setattr(proofs, "PROOF_EVENTS_MAX", first)
    with (
        serving(WebSettings(database_url, is_open=True)) as address,
        httpx.Client(base_url=address) as opened,
    ):
        page, api = "/pools/main/events", "/api/v1/pools/main/events"
        proved = opened.get(f"{page}/1/proof")
        assert proved.json() == opened.get(f"{api}/1/proof").json()
        assert opened.get(f"{page}/1/proof?checkpoint={first}").json() == proved.json()
        for path in (f"{page}/1/proof?checkpoint={second}", f"{page}/{second}/proof"):
            refused = opened.get(path)
            assert refused.status_code == 422
            assert "use `clearing prove event" in refused.text
        assert opened.get(f"{api}/{second}/proof").json()["type"] == f"{PREFIX}too_large"
        for path in (f"{first + 1}/proof?checkpoint={first}", f"1/proof?checkpoint={first + 1}"):
            assert opened.get(f"{page}/{path}").status_code == 404


def test_what_has_no_pool_is_found_under_its_shard(sealed: httpx.Client) -> None:
    names = [row["pool"] for row in sealed.get("/api/v1/pools").json()["rows"]]
    lost = next(name for name in names if name.startswith("@unrouted"))
    rows = sealed.get(f"/api/v1/pools/{lost.replace('/', '~')}/rejections").json()["rows"]
    assert {row["pool"] for row in rows} == {lost}
