"""`python -m benchmarks`: one run of everything, as a table and as JSON, kept with what it ran on.

Where `make compiled` has made build/compiled of the very same sources, that is what is measured;
`--core interpreted` leaves it alone. `core` in the result says which it was.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from benchmarks import bars, machine, suite

RESULTS = machine.ROOT / "benchmarks" / "results"
COMPILED = machine.ROOT / "build" / "compiled"
MODES = {"full": suite.FULL, "quick": suite.QUICK, "long": suite.LONG}


def main() -> int:
    """Measure, print, keep. Exit code 1 when a bar is missed or a section failed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument("--long", action="store_true", help="the past over 10M postings")
    parser.add_argument("--only", nargs="+", choices=suite.SECTIONS, default=[])
    parser.add_argument("--core", choices=("compiled", "interpreted"), default="compiled")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of what is kept")
    asked = parser.parse_args()
    if asked.core == "compiled" and machine.core() == "interpreted":
        _measure_compiled(asked.results)
    mode = "quick" if asked.quick else "long" if asked.long else "full"
    result: dict[str, object] = {**machine.surroundings(), "mode": mode}
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        sys.stderr.write(line + "\n")

    say(" ".join(f"{name} {result[name]}," for name in ("at", "commit", "core", "mode")))
    began = time.monotonic()
    figures, failed = suite.measured(MODES[mode], asked.only, say)
    say("== bars and goals")
    for line in bars.table(figures):
        say(line)
    missed = bars.missed(figures)
    say(f"{len(missed)} missed, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    result |= {"seconds": round(time.monotonic() - began, 1), "figures": figures, "failed": failed}
    result["missed"] = [f"{bar.section}.{bar.figure}" for bar in missed]
    _keep(asked.results, result, lines)
    return 1 if missed or failed else 0


def _measure_compiled(results: Path) -> None:
    """Go on in the compiled tree, if it is there and of these sources; else return."""
    if not (COMPILED / ".ready").exists():
        return
    if not _is_of_these_sources():
        sys.stderr.write("build/compiled is of other sources, left alone: `make compiled`\n")
        return
    arguments = [*sys.argv[1:], "--results", str(results.resolve())]
    os.chdir(COMPILED)
    os.execve(  # noqa: S606 - ourselves, once more
        sys.executable,
        [sys.executable, "-m", "benchmarks", *arguments],
        {**os.environ, "PYTHONPATH": str(COMPILED)},
    )


def _is_of_these_sources() -> bool:
    for folder in ("ledger", "consumers", "benchmarks"):
        for path in (machine.ROOT / folder).rglob("*.py"):
            twin = COMPILED / path.relative_to(machine.ROOT)
            if not twin.exists() or twin.read_bytes() != path.read_bytes():
                return False
    return True


def _keep(folder: Path, result: dict[str, object], lines: list[str]) -> None:
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    folder.mkdir(exist_ok=True, parents=True)
    name = str(result["at"]).replace(":", "")
    (folder / f"{name}.json").write_text(text + "\n")
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
