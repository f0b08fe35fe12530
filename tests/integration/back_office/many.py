"""What many breaks cost: `python -m tests.integration.back_office.many 100000`, on its own server.

Of each step it prints the seconds on the wall, and this program's own processor time.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ledger.recon.casework import working
from ledger.recon.casework.keeping import keep
from ledger.store import embedded
from ledger.store.back_office import breaks as stored
from ledger.store.migrate import migrate
from tests.integration.back_office.found import difference, result, rules


def measured(url: str, count: int) -> None:
    """Find so many breaks, see them again, miss half of them, list and show some."""
    breaks = [difference(f"B-{number}", theirs=number + 1) for number in range(count)]

    def listed() -> object:
        with stored.opened(url, "many") as connection:
            return stored.listed(connection, stored.Filter(limit=100))

    _timed("found", lambda: keep(url, result(*breaks), rules(), "rosa"))
    _timed("seen again", lambda: keep(url, result(*breaks), rules(), "rosa"))
    _timed("half gone", lambda: keep(url, result(*breaks[::2]), rules(), "rosa"))
    _timed("first 100 listed", listed)
    _timed("one shown", lambda: working.shown(url, breaks[0].key))


def _timed(name: str, act: Callable[[], object]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    act()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    sys.stdout.write(f"{name}: {wall:.2f} s, {processor:.2f} s of this program\n")
    sys.stdout.flush()


def main() -> None:
    """Measure on an embedded server."""
    with tempfile.TemporaryDirectory(prefix="clearing-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            measured(server.url, int(sys.argv[1]))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
