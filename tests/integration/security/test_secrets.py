"""No secret shows in what a failing command prints, logs or raises, its traceback included.

Every command is called in surroundings full of secrets, each of them wrong in a way that makes the
command fail, from a database that refuses its password to a signing key that is none. The password
for Kafka is looked for in `test_kafka_security`, where a broker refuses it.
"""

import logging
import os
import stat
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.audit.proofs.signing import Signer, make_key
from ledger.cli import app
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.embedded import Embedded
from tests.integration.security.own_postgres import OwnPostgres
from tests.integration.test_commands import FIRST

OF_DATABASE, OF_SIGNING = "d4tabase-h0rse", "5167-st4ple" * 4
SECRETS = (OF_DATABASE, OF_SIGNING)
COMMANDS = (
    "migrate",
    f"ingest {FIRST}",
    "redrive --all",
    "statement alice",
    "explain L-1",
    "verify --quiet",
    "checkpoint",
    "key show",
    "key rotate --out {folder}/new.key",
    "export --out {folder}/archive",
    "prove event d1 --out {folder}/proof.json",
    "replay --from-database {other} --into {other2}",
    "archive detach --pool main --first 1 --archive {folder}/archive",
)


@pytest.fixture(scope="module")
def cluster(postgres: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    """A server that asks for a password which nobody has."""
    server = OwnPostgres(postgres, tmp_path_factory.mktemp("secrets") / "cluster")
    server.make()
    server.start()
    with psycopg.connect(server.socket_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE service LOGIN PASSWORD 'another'")
    yield server
    server.stop()


@pytest.fixture
def surroundings(cluster: OwnPostgres, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = {
        "CLEARING_DATABASE_URL": (
            f"postgresql://service:{OF_DATABASE}@127.0.0.1:{cluster.port}/postgres"
        ),
        "PGPASSWORD": OF_DATABASE,
        "CLEARING_SIGNING_KEY": OF_SIGNING,
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.mark.parametrize(
    "words", COMMANDS, ids=lambda words: words.partition(" --")[0].partition(" {")[0][:12]
)
def test_a_failing_command_shows_no_secret(
    surroundings: dict[str, str],
    cluster: OwnPostgres,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    words: str,
) -> None:
    assert surroundings
    url = f"postgresql://service@127.0.0.1:{cluster.port}"
    given = words.format(folder=tmp_path, other=f"{url}/postgres", other2=f"{url}/again").split()
    with caplog.at_level(logging.DEBUG):
        done = CliRunner().invoke(app, given)
    assert isinstance(done.exception, LedgerError), (done.output, done.exception)
    trace = "".join(traceback.format_exception(done.exception))
    for secret in SECRETS:
        assert secret not in f"{done.output}{trace}{caplog.text}{done.exception!r}"


def test_a_process_that_dies_of_a_fault_shows_no_secret(surroundings: dict[str, str]) -> None:
    for program in ("from ledger.cli import main; main()", "from ledger.cli import app; app()"):
        done = subprocess.run(
            [sys.executable, "-c", program, "verify"],
            env=os.environ | surroundings,
            capture_output=True,
            check=False,
            text=True,
        )
        shown = done.stdout + done.stderr
        assert done.returncode == 1
        assert "password authentication failed" in shown
        assert ("Traceback" in shown) == ("app()" in program)
        assert not [secret for secret in SECRETS if secret in shown]


def test_a_signing_key_is_not_shown_and_its_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Signer.of_text(OF_SIGNING, "CLEARING_SIGNING_KEY")
    assert OF_SIGNING not in str(refused.value)
    path = tmp_path / "keys" / "signing.key"
    made = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() not in repr(made)
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(ConfigurationError, match=f"chmod 600 {path}"):
            Signer.of_file(path)
