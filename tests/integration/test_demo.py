"""`clearing demo` as its user runs it: embedded servers, one day, then the next."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty CLEARING_HOME that the embedded server's own user can reach."""
    with tempfile.TemporaryDirectory(prefix="clearing-demo-") as folder:
        yield Path(folder)


@pytest.mark.timeout(240)
def test_two_days_of_the_demo_balance_and_meet_every_expectation(home: Path) -> None:
    first = _demo(home)
    assert first["day"] == 1
    assert first["balances"] is True
    assert first["surprises"] == []
    assert first["applied"] + first["duplicates"] + first["rejected"] == first["sent"]

    second = _demo(home)
    assert second["day"] == 2
    assert second["balances"] is True
    assert second["surprises"] == []


def _demo(home: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "demo", "--json"]
    command += ["--events", "10000", "--participants", "60", "--quiet"]
    environment = os.environ | {"CLEARING_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("CLEARING_DATABASE_URL", None)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown
