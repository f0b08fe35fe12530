"""The page on reports, as it is told: each command is run, and prints what the page shows.

`python -m tests.integration.reports.test_reports_page` writes what they print into the page.
"""

import tempfile
from pathlib import Path

import pytest

from ledger.store import embedded
from tests.integration.pages import difference, steps
from tests.integration.test_auditors_day import ROOT, prepared

PAGE = ROOT / "docs" / "operating" / "reports.md"
DROP = "dropdb --if-exists --force books"


@pytest.mark.timeout(300)
def test_every_command_of_the_page_prints_what_it_shows(
    postgres: embedded.Embedded, tmp_path: Path
) -> None:
    told = steps(PAGE.read_text(encoding="utf-8"))
    assert len(told) > 10
    with prepared(tmp_path, postgres) as shell:
        shell.run(DROP)
        for step in told:
            differs = difference(step.output, shell.run(step.command))
            assert differs is None, f"$ {step.command}\n{differs}"
        shell.run(DROP)


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
                old = "\n".join([f"$ {step.command}", *step.output, ""])
                new = "\n".join([f"$ {step.command}", *shell.run(step.command), ""])
                at = text.index(old, at)
                text = text[:at] + new + text[at + len(old) :]
                at += len(new)
        server.stop()
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
