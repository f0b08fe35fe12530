"""Fuzzing led by coverage: `python -m tests.fuzz.guided CLAIM [libFuzzer's arguments]`.

Needs atheris, which `make fuzz` installs. A finding stops it with the traceback, and its bytes are
written to a file `crash-...`; `python -m tests.fuzz.guided CLAIM FILE` asks that file again.
"""

import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["ledger"]):
    from tests.fuzz.claims import claims
    from tests.fuzz.seeds import ODD_VALUES

BYTES_MAX = 1 << 16
_SHARE_OF_BYTES = 0.3


def changed(content: bytes, size_max: int, seed: int) -> bytes:
    """Another message: one JSON value exchanged, or a few bytes."""
    draw = random.Random(seed)
    if draw.random() > _SHARE_OF_BYTES:
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and found:
            _exchange(found, draw)
            spelled = json.dumps(found, ensure_ascii=draw.random() < _SHARE_OF_BYTES)
            return spelled.encode("utf-8", "replace")[:size_max]
    made: bytes = atheris.Mutate(content, size_max)
    return made


def _exchange(found: dict[str, Any], draw: random.Random) -> None:
    name = draw.choice(list(found) or ["kind"])
    inner = found.get(name)
    match draw.randrange(8):
        case 0:
            found.pop(name, None)
        case 1:
            added = draw.choice(["colour", "pool", "version", "instrument"])
            found[added] = draw.choice(ODD_VALUES)
        case 2 if isinstance(inner, str):
            found[name] = inner + draw.choice(["0", ".5", "e9", "\u0000", "\u00e4", "9" * 30])
        case 3 if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            _exchange(draw.choice(inner), draw)
        case 4 if isinstance(inner, list) and inner:
            found[name] = inner * draw.randrange(40)
        case _:
            found[name] = draw.choice(ODD_VALUES)


def changed_file(content: bytes, size_max: int, seed: int) -> bytes:
    """Another file: a field of a table or a value of an object exchanged, or a few bytes."""
    draw = random.Random(seed)
    lines = content.split(b"\n")
    at = draw.randrange(len(lines))
    if lines[at][:1] == b"{":
        lines[at] = changed(lines[at], size_max, seed)
    elif draw.random() > _SHARE_OF_BYTES:
        fields = lines[at].split(b",")
        fields[draw.randrange(len(fields))] = str(draw.choice(ODD_VALUES)).encode()
        lines[at] = b",".join(fields)
    else:
        lines[at] = atheris.Mutate(lines[at], size_max) if lines[at] else b"1,2"
    return b"\n".join(lines)[:size_max]


def main() -> None:
    """Fuzz until libFuzzer's arguments say stop, or something is found."""
    with tempfile.TemporaryDirectory(prefix="clearing-fuzz-") as folder:
        name = sys.argv.pop(1)
        claim: Callable[[bytes], None] = claims(Path(folder))[name]
        change = changed if name in {"message", "event"} else changed_file
        atheris.Setup([*sys.argv, f"-max_len={BYTES_MAX}"], claim, custom_mutator=change)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
