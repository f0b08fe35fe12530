"""The console served over the books of `tests/browser/day.py`, as whoever runs it has it."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ledger.store import embedded
from tests.browser import day


class Served(NamedTuple):
    """A console that answers.

    Attributes:
        address: `http://127.0.0.1:PORT`.
        url: Of its books.
    """

    address: str
    url: str


@contextmanager
def serving(url: str) -> Iterator[Served]:
    """`clearing serve` over some books, on a free port, for as long as the block runs."""
    command = [*day.CLEARING, "serve", "--port", "0", "--quiet"]
    with subprocess.Popen(
        [*command, "--requests-per-minute", "60000", "--database-url", url],
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr is not None
            said = []
            for line in server.stderr:
                said.append(line)
                if found := re.search(r"serving on (http://[^/]+)/", line):
                    yield Served(found[1], url)
                    break
            else:
                raise AssertionError("".join(said))
        finally:
            server.terminate()


@contextmanager
def a_day(events: int = day.EVENTS, participants: int = day.PARTICIPANTS) -> Iterator[Served]:
    """A day of the demo with breaks, served."""
    with tempfile.TemporaryDirectory(prefix="clearing-console-") as folder:
        home = Path(folder)
        server = embedded.start(day.play(home, events, participants))
        try:
            day.reconciled(server.url, home)
            with serving(server.url) as served:
                yield served
        finally:
            server.stop()
