"""The runbooks, followed: each command of each page is run, and prints what the page shows.

Each takes some ten seconds, so that by itself the suite follows the one on restoring alone, and all
with CLEARING_RUNBOOKS set.

`python -m tests.integration.test_runbooks` writes what they print into the pages.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from consumers.embedded import EmbeddedBroker
from ledger.store import embedded
from tests.integration.pages import Shell, difference, steps
from tests.integration.test_auditors_day import ROOT, prepared
from tests.integration.test_commands import LATE, ZOE

OPERATING = ROOT / "docs" / "operating"
RUNBOOKS = ("broker", "keys", "move", "partitions", "redrive", "restore")
DATABASES = ("books", "moved", "restored")
LATER = {**LATE, "event_id": "later", "account": "alice"}


@contextmanager
def followed(folder: Path, server: embedded.Embedded) -> Iterator[Shell]:
    """A shell beside books of two pools on two partitions, and files that pages send."""
    for name, events in (
        *(("late", [LATE]), ("zoe", [ZOE]), ("later", [LATER])),
        ("usd-later", [{**LATER, "pool": "usd"}]),
    ):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    with ExitStack() as stack:
        broker, another = (stack.enter_context(EmbeddedBroker()) for _ in range(2))
        shell = stack.enter_context(prepared(folder, server))
        said: list[str] = []
        for command in (
            f"for name in {' '.join(DATABASES)}; do dropdb --if-exists --force $name; done",
            f"export CLEARING_KAFKA={broker.bootstrap_servers}",
            f"export NEW_KAFKA={another.bootstrap_servers}",
            "export CLEARING_DATABASE_URL=postgresql:///books",
            "createdb books && clearing migrate && clearing topics --create 2",
            'sed \'s/^{/{"pool": "usd", /\' docs/examples/first.jsonl > usd.jsonl',
            "clearing produce docs/examples/first.jsonl --quiet",
            "clearing produce usd.jsonl --quiet",
            "clearing run --drain --quiet --log-level error && echo ready",
        ):
            said = shell.run(command)
        assert said == ["ready"], said
        yield shell
        shell.run(f"for name in {' '.join(DATABASES)}; do dropdb --if-exists --force $name; done")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", RUNBOOKS if os.environ.get("CLEARING_RUNBOOKS") else ["restore"])
def test_every_command_of_a_runbook_prints_what_it_shows(
    postgres: embedded.Embedded, tmp_path: Path, page: str
) -> None:
    told = steps((OPERATING / f"{page}.md").read_text(encoding="utf-8"))
    assert len(told) > 5
    with followed(tmp_path, postgres) as shell:
        for step in told:
            differs = difference(step.output, shell.run(step.command))
            assert differs is None, f"$ {step.command}\n{differs}"


def main() -> None:
    """Write into the pages what their commands print."""
    for name in sys.argv[1:] or RUNBOOKS:
        page = OPERATING / f"{name}.md"
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="clearing-") as folder:
            server = embedded.start(Path(folder) / "postgres")
            inside = Path(folder) / "checkout"
            inside.mkdir()
            with followed(inside, server) as shell:
                at = 0
                for step in steps(text):
                    old = "\n".join([f"$ {step.command}", *step.output, ""])
                    new = "\n".join([f"$ {step.command}", *shell.run(step.command), ""])
                    at = text.index(old, at)
                    text = text[:at] + new + text[at + len(old) :]
                    at += len(new)
            server.stop()
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
