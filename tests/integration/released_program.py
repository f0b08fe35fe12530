"""The program of revision 0001 as it was, taken from the history of this repository.

Its code is of the last commit that knew no other revision. That commit told versions apart in a way
that was never released, so the check of versions is of the next commit, which froze 0001; of its
revisions only 0001 is there.
"""

import io
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
BEFORE_0002 = "c8e7e1b0"
FROZE_0001 = "a6f869e3"
_CHECK = (  # places of then
    *("ledger/store/migrate.py", "ledger/store/schema.py", "ledger/store/condition.py"),
    *("ledger/audit/doctor.py", "migrations"),
)
_NEWER = "0002_carried"


class NoHistoryError(Exception):
    """The commits are not there: a shallow clone, or no repository at all."""


def unpacked(folder: Path) -> Path:
    """The program in a folder, to be run with that as working directory and PYTHONPATH.

    Raises:
        NoHistoryError: This checkout does not have the commits.
    """
    _extract(folder, BEFORE_0002, "consumers", "ledger")
    _extract(folder, FROZE_0001, *_CHECK)
    for file in sorted((folder / "migrations").rglob("*"), reverse=True):
        if _NEWER in str(file):
            file.rmdir() if file.is_dir() else file.unlink()
    schema = folder / "ledger/store/schema.py"
    text = schema.read_text("utf-8")
    assert 'REVISION = "0002"' in text
    schema.write_text(text.replace('REVISION = "0002"', 'REVISION = "0001"'), "utf-8")
    return folder


def _extract(folder: Path, commit: str, *paths: str) -> None:
    git = ["git", "-C", str(ROOT)]
    there = subprocess.run([*git, "cat-file", "-e", commit], capture_output=True, check=False)
    if there.returncode:
        raise NoHistoryError(there.stderr.decode(errors="replace").strip())
    words = [*git, "archive", "--format=tar", commit, "--", *paths]
    packed = subprocess.run(words, capture_output=True, check=False)
    assert packed.returncode == 0, packed.stderr.decode(errors="replace")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        files.extractall(folder, filter="data")
