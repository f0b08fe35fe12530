"""A PostgreSQL cluster with settings of a test's own, from the binaries of the embedded one."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg

from consumers.embedded import free_port
from ledger.store import embedded

_START_S = 30.0


class OwnPostgres:
    """A cluster that is started and stopped at will; it listens on the loopback address.

    Attributes:
        directory: Its files.
        port: Where it listens.
        socket_url: Of its database `postgres`, as superuser, by the socket that needs no password.
    """

    def __init__(self, like: embedded.Embedded, directory: Path) -> None:
        """Say where it is; nothing is made yet.

        Args:
            like: Whose binaries and system user are taken.
            directory: Of its files; those above it are opened for that user.
        """
        self.binaries = like.binaries
        self._user = like.server.system_user if os.geteuid() == 0 else None
        self.directory = directory
        self.port = free_port()
        self._running: subprocess.Popen[bytes] | None = None
        for folder in (directory.parent, *directory.parent.parents[:-2]):
            with suppress(PermissionError):
                folder.chmod(folder.stat().st_mode | 0o055)
        self.socket_url = f"postgresql://postgres:@/postgres?host={directory}&port={self.port}"

    def make(self) -> None:
        """Initialise it: trusted by socket, by password on TCP."""
        self.own(self.directory)
        self.run("initdb", "-D", str(self.directory), "-U", "postgres", "-A", "trust", "-N")
        self.admit(["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"])

    def admit(self, lines: Sequence[str]) -> None:
        """Who may connect, from the next start on."""
        (self.directory / "pg_hba.conf").write_text("\n".join(lines) + "\n")

    def own(self, path: Path) -> None:
        """Give a file, or a directory that is made, to the server's user."""
        if not path.exists():
            path.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(path, self._user)

    def run(self, program: str, *words: str, **environment: str) -> str:
        """Run a program of PostgreSQL as the server's user, and hold that it did its work."""
        done = subprocess.run(
            [str(self.binaries / program), *words],
            user=self._user,
            env=os.environ | environment,
            cwd=self.directory,
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Start it, and wait until it answers."""
        given = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
        } | dict(settings or {})
        words = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        with (self.directory / "server.log").open("ab") as log:
            self._running = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.directory), *words],
                user=self._user,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.socket_url).close()
            except psycopg.OperationalError:
                shown = (self.directory / "server.log").read_text()[-2000:]
                assert self._running.poll() is None, shown
                assert time.monotonic() < until, shown
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it; its files stay."""
        if self._running is not None:
            self._running.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._running.wait(2)
            self._running.kill()
            self._running.wait()
            self._running = None

    def database(self, name: str, login: str = "postgres", **parameters: str) -> str:
        """URL of a database by its socket, or by what the parameters say."""
        said = {"host": str(self.directory), "port": str(self.port)} | parameters
        words = "&".join(f"{key}={value}" for key, value in said.items())
        return f"postgresql://{login}:@/{name}?{words}"
