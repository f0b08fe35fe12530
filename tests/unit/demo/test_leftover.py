"""A killed demo is taken off the list of those who use the embedded PostgreSQL."""

import json
import os
import subprocess
import sys
from pathlib import Path

from ledger.demo.leftover import forget_dead, is_running


def dead_process() -> int:
    """The id of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_the_dead_are_forgotten_and_the_living_stay(tmp_path: Path) -> None:
    users = tmp_path / ".handle_pids.json"
    users.write_text(json.dumps([dead_process(), os.getpid()]))
    assert forget_dead(tmp_path) == 1
    assert json.loads(users.read_text()) == [os.getpid()]
    assert forget_dead(tmp_path) == 0


def test_a_folder_without_a_server_has_nothing_to_forget(tmp_path: Path) -> None:
    assert forget_dead(tmp_path / "none") == 0
    assert not is_running(tmp_path / "none")


def test_a_server_runs_while_its_process_lives(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n/somewhere\n")
    assert is_running(tmp_path)
    (tmp_path / "postmaster.pid").write_text(f"{dead_process()}\n/somewhere\n")
    assert not is_running(tmp_path)
