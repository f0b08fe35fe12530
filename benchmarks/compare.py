"""`python -m benchmarks.compare A.json B.json`: two results side by side, and ratios.

The second over the first, so a rate that doubled is 2.00 and a time that halved is 0.50. Figures
that only one of them has are shown without a ratio. Nothing is judged: two runs on a busy machine
differ by themselves, and what they ran on stands in the first lines.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bars import number

_TOLD = ("at", "commit", "core", "mode", "load_before")


def table(first: dict[str, Any], second: dict[str, Any]) -> Iterator[str]:
    """What both ran on, then figure by figure."""
    for name in _TOLD:
        yield f"{name:<52} {first.get(name)!s:>26} {second.get(name)!s:>26}"
    for name in sorted(first["machine"].keys() | second["machine"].keys()):
        here, there = first["machine"].get(name), second["machine"].get(name)
        if here != there:
            yield f"{name:<52} {here!s:>26} {there!s:>26}"
    for section in dict.fromkeys([*first["figures"], *second["figures"]]):
        here, there = first["figures"].get(section, {}), second["figures"].get(section, {})
        for figure in dict.fromkeys([*here, *there]):
            yield _row(f"{section}.{figure}", here.get(figure), there.get(figure))


def _row(name: str, here: float | None, there: float | None) -> str:
    shown = ["" if value is None else number(value) for value in (here, there)]
    ratio = f"{there / here:.2f}" if here and there is not None else ""
    return f"{name:<52} {shown[0]:>26} {shown[1]:>26} {ratio:>8}"


def main() -> int:
    """Show both."""
    parser = argparse.ArgumentParser(prog="benchmarks.compare", description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    asked = parser.parse_args()
    both = [json.loads(path.read_text()) for path in (asked.first, asked.second)]
    if any("figures" not in one for one in both):
        parser.error("a result without `figures`: it is of an older form of the benchmarks")
    sys.stdout.write("\n".join(table(*both)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
