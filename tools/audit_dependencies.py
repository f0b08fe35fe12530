"""Asks whether a pinned package has a known vulnerability, and says so when nobody can tell.

    python tools/audit_dependencies.py requirements.lock [PROGRAM ...]

PROGRAM is pip-audit, `uv tool run pip-audit` say. It calls a package that its source of advisories
does not answer for "skipped", and ends well; here that is an answer of its own.

Exit codes: 0 no vulnerability is known; 1 one is, or only a part could be asked about; 3 the source
cannot be reached from here, and nothing was audited.
"""

import json
import subprocess
import sys
from typing import Any

FOUND, UNREACHABLE = 1, 3
_SHORTLY = ("--format", "json", "--progress-spinner", "off")


def main() -> int:
    """Audit, print, and tell by the exit code."""
    lock, *program = sys.argv[1:]
    done = subprocess.run(  # noqa: S603 - the program that the caller names
        [*(program or ["pip-audit"]), "-r", lock, "--require-hashes", "--disable-pip", *_SHORTLY],
        capture_output=True,
        check=False,
        text=True,
    )
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        _say(f"NOT AUDITED: pip-audit did not get an answer: {last}")
        return UNREACHABLE
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    if len(skipped) == len(packages):
        _say(f"NOT AUDITED: the advisories of {len(packages)} packages cannot be reached from here")
        return UNREACHABLE
    known = [(one, each) for one in packages for each in one.get("vulns", ())]
    for one, each in known:
        fixed = ", ".join(each["fix_versions"]) or "none yet"
        _say(f"{one['name']} {one['version']}: {each['id']}, mended in {fixed}")
    if skipped:
        _say(f"not audited: {', '.join(skipped)}")
    _say(f"{len(packages) - len(skipped)} packages audited, {len(known)} vulnerabilities known")
    return FOUND if known or skipped else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
