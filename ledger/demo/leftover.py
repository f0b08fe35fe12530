"""What a killed demo left behind: an embedded PostgreSQL that still runs.

The embedded server counts the processes that use it in a file beside its files, and stops with the
last of them. A process that was killed never takes itself off that list, so the server would run on
for ever.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

_USERS = ".handle_pids.json"


def forget_dead(directory: Path) -> int:
    """Takes processes that are gone off the list of a server's users; returns how many.

    Args:
        directory: Of the server's files; it need not exist.
    """
    users = directory / _USERS
    if not users.exists():
        return 0
    with suppress(ValueError, PermissionError):
        known: list[int] = json.loads(users.read_text())
        living = [number for number in known if _lives(number)]
        if len(living) < len(known):
            users.write_text(json.dumps(living))
        return len(known) - len(living)
    return 0


def is_running(directory: Path) -> bool:
    """Whether a server of this directory runs now."""
    pid_file = directory / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        return _lives(int(pid_file.read_text().splitlines()[0]))
    return False


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
