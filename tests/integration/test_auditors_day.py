"""The auditor's day, as its page tells it: each command is run, and prints what the page shows.

`python -m tests.integration.test_auditors_day` writes what they print into the page.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from ledger.store import embedded
from tests.integration.pages import Shell, difference, steps

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operating" / "auditors-day.md"
SIGNING_KEY = "17" * 32
DATABASES = ("books", "audit", "again", "rebuilt")


def prepared(folder: Path, server: embedded.Embedded) -> Shell:
    """A shell in a folder that looks like a checkout, with the ledger's programs on its path."""
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (
        ("clearing", '-c "from ledger.cli import main; main()"'),
        ("python", ""),
    ):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        script.chmod(0o755)
    for name in ("docs", "tools"):
        (folder / name).symlink_to(ROOT / name)
    host = server.url.partition("host=")[2]
    path = os.pathsep.join([str(programs), str(server.binaries), os.environ["PATH"]])
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ") if name in os.environ}
    return Shell(
        folder,
        {
            **kept,
            "PATH": path,
            "PGHOST": host,
            "PGUSER": "postgres",
            "PYTHONPATH": str(ROOT),
            "CLEARING_HOME": str(folder / "home"),
            "CLEARING_SIGNING_KEY": SIGNING_KEY,
        },
    )


@pytest.mark.timeout(300)
def test_every_command_of_the_page_prints_what_it_shows(
    postgres: embedded.Embedded, tmp_path: Path
) -> None:
    told = steps(PAGE.read_text(encoding="utf-8"))
    assert len(told) > 25
    with prepared(tmp_path, postgres) as shell:
        shell.run(f"for name in {' '.join(DATABASES)}; do dropdb --if-exists $name; done")
        for step in told:
            differs = difference(step.output, shell.run(step.command))
            assert differs is None, f"$ {step.command}\n{differs}"
        shell.run(f"for name in {' '.join(DATABASES)}; do dropdb --force $name; done")


def test_a_page_that_shows_something_else_is_found() -> None:
    said = ["good: 3 events", "...", "by 00112233445566778899aabbccddeeff"]
    right = ["good: 3 events", "more", "by ffeeddccbbaa99887766554433221100"]
    assert difference(said, right) is None
    assert difference(said, ["good: 4 events", *right[1:]]) is not None
    assert difference(said, [*right, "and more"]) is not None
    assert difference([], ["something"]) is not None


def main() -> None:
    """Write into the page what its commands print."""
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="clearing-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        inside = Path(folder) / "checkout"
        inside.mkdir()
        with prepared(inside, server) as shell:
            at = 0
            for step in steps(text):
                printed = shell.run(step.command)
                old = "\n".join([f"$ {step.command}", *step.output, ""])
                at = text.index(old, at)
                if step.output and difference(step.output, printed) is None:
                    printed = step.output
                new = "\n".join([f"$ {step.command}", *printed, ""])
                text = text[:at] + new + text[at + len(old) :]
                at += len(new)
        server.stop()
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
