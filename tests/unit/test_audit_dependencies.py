"""What the audit of dependencies says to each answer that pip-audit can give."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOUND = {"name": "a", "version": "1", "vulns": []}
KNOWN = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (json.dumps({"dependencies": [SOUND]}), 0, "1 packages audited, 0 vulnerabilities"),
        (json.dumps({"dependencies": [SOUND, KNOWN]}), 1, "b 2: PYSEC-1, mended in 2.1"),
        (json.dumps({"dependencies": [SOUND, SKIPPED]}), 1, "not audited: c"),
        (json.dumps({"dependencies": [SKIPPED]}), 3, "NOT AUDITED: the advisories of 1 packages"),
        ("", 3, "NOT AUDITED: pip-audit did not get an answer: name not known"),
    ],
)
def test_an_audit_says_what_it_could_find_out(
    tmp_path: Path, answer: str, code: int, said: str
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nprint({answer!r})\nsys.exit('name not known')\n"
    )
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "audit_dependencies.py", "requirements.lock", program],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == code
    assert said in done.stdout
