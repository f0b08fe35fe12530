"""What the demo tells people to type."""

from pathlib import Path

import pytest

from ledger.cli.demo_page import program


@pytest.mark.parametrize(
    ("called", "on_the_path", "typed"),
    [
        (".venv/bin/clearing", [], ".venv/bin/clearing"),
        (".venv/bin/clearing", ["clearing"], "clearing"),
        ("/usr/bin/pytest", [], "clearing"),
    ],
)
def test_the_program_is_named_by_its_path_only_where_its_name_would_not_be_found(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    called: str,
    on_the_path: list[str],
    typed: str,
) -> None:
    for name in on_the_path:
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [called])
    assert program() == typed
