"""Runs the commands that a page shows, in its order and in one shell, and compares what they print.

    ```
    $ command
    what it prints
    ```

Only the shape is compared: hashes, times and durations differ from run to run. A line `...` stands
for any number of lines. Blocks without a line that begins with `$ ` are not run.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

_END = "-- end of command --"
_BLOCK = re.compile(r"^```\n(\$ .*?)^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = "..."
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{32,}\b"), "HASH"),
    (re.compile(r"\bleaf \d+ of\b"), "leaf N of"),
    (re.compile(r'"seconds": [0-9.]+'), '"seconds": N'),
    (re.compile(r'"ledger": "[^"]*"'), '"ledger": VERSION'),
)


class Step(NamedTuple):
    """A command of a page and what the page says it prints."""

    command: str
    output: list[str]


def steps(page: str) -> list[Step]:
    """All commands of a page, in order."""
    found = []
    for block in _BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            length = 1 + next(n for n, line in enumerate(lines) if not line.endswith("\\"))
            found.append(Step("\n".join(lines[:length]), lines[length:]))
    return found


class Shell:
    """One bash that keeps its folder and variables from command to command."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it in a folder."""
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bash.communicate("exit\n")

    def run(self, command: str) -> list[str]:
        """What a command prints, on either output."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{command}\n_code=$?; printf '\\n%s\\n' '{_END}'; (exit $_code)\n")
        self._bash.stdin.flush()
        found: list[str] = []
        for line in self._bash.stdout:
            if line.rstrip("\n") == _END:
                if found and not found[-1]:
                    found.pop()
                return [each.rstrip() for each in found]
            found.append(line.rstrip("\n"))
        raise AssertionError(f"the shell ended in {command!r}: {found}")


def shape(lines: list[str]) -> list[str]:
    """Lines with all that differs from run to run replaced."""
    found = []
    for line in lines:
        said = line.rstrip()
        for pattern, name in _VARIES:
            said = pattern.sub(name, said)
        found.append(said)
    return found


def difference(said: list[str], printed: list[str]) -> str | None:
    """Where a page's lines do not have the shape of what was printed; None if they do."""
    parts: list[list[str]] = [[]]
    for line in shape(said):
        if line.strip() == _LEFT_OUT:
            parts.append([])
        else:
            parts[-1].append(line)
    lines = shape(printed)
    if len(parts) == 1:
        return None if parts[0] == lines else _told(parts[0], lines)
    first, *middle, last = parts
    if lines[: len(first)] != first or (last and lines[-len(last) :] != last):
        return _told([*first, _LEFT_OUT, *last], lines)
    for part in middle:
        if not any(lines[at : at + len(part)] == part for at in range(len(lines))):
            return _told(part, lines)
    return None


def _told(said: list[str], printed: list[str]) -> str:
    return "\n".join(["the page says", *said, "printed was", *printed])
