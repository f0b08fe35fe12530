"""A day's work on breaks, as its page tells it: each command is run, and prints what it shows.

The ledger's own commands run in this process, for there are many of them; the others in a shell.
`python -m tests.integration.back_office.test_reconcile_page` writes what they print into the page.
"""

import re
import shlex
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.errors import LedgerError
from ledger.store import embedded
from tests.conftest import url_of
from tests.integration.pages import Shell, difference, steps
from tests.integration.test_auditors_day import prepared

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operating" / "reconcile.md"
_AGE = re.compile(r"\b[0-9]m\b")


class Desk:
    """Runs the commands of the page in its folder."""

    def __init__(self, shell: Shell, folder: Path, database: str) -> None:
        self._shell = shell
        self._folder = folder
        self._database = database

    def run(self, command: str) -> list[str]:
        """What a command prints, on either output."""
        if not command.startswith("clearing "):
            return self._shell.run(command)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self._folder)
            patch.setenv("CLEARING_DATABASE_URL", self._database)
            done = CliRunner().invoke(app, shlex.split(command)[1:])
        lines = [line.rstrip() for line in done.output.splitlines()]
        if isinstance(done.exception, LedgerError):
            return [*lines, f"clearing: {done.exception}"]
        assert isinstance(done.exception, SystemExit | None), done.exception
        return lines


def compared(said: list[str], printed: list[str]) -> str | None:
    """Where a page differs from what was printed, but for ages of minutes."""
    return difference(*([_AGE.sub("AGE", line) for line in lines] for lines in (said, printed)))


def test_every_command_of_the_page_prints_what_it_shows(
    postgres: embedded.Embedded, tmp_path: Path
) -> None:
    told = steps(PAGE.read_text(encoding="utf-8"))
    assert len(told) > 25
    with prepared(tmp_path, postgres) as shell:
        shell.run("dropdb --if-exists desk")
        desk = Desk(shell, tmp_path, url_of(postgres, "desk"))
        for step in told:
            differs = compared(step.output, desk.run(step.command))
            assert differs is None, f"$ {step.command}\n{differs}"
        shell.run("dropdb --force desk")


def written(text: str, desk: Desk) -> str:
    """The page with what its commands print now."""
    at = 0
    for step in steps(text):
        printed = desk.run(step.command)
        old = "\n".join([f"$ {step.command}", *step.output, ""])
        at = text.index(old, at)
        if step.output and compared(step.output, printed) is None:
            printed = step.output
        new = "\n".join([f"$ {step.command}", *printed, ""])
        text = text[:at] + new + text[at + len(old) :]
        at += len(new)
    return text


def main() -> None:
    """Write into the page what its commands print."""
    with tempfile.TemporaryDirectory(prefix="clearing-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        inside = Path(folder) / "checkout"
        inside.mkdir()
        with prepared(inside, server) as shell:
            desk = Desk(shell, inside, url_of(server, "desk"))
            text = written(PAGE.read_text(encoding="utf-8"), desk)
        server.stop()
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
