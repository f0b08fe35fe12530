"""The servers that rounds break: a PostgreSQL and a broker of the test's own."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import psycopg

from consumers.embedded import EmbeddedBroker, free_port
from ledger.store import embedded
from ledger.store.migrate import migrate
from tests.conftest import url_of
from tests.crash.proxy import Proxy
from tests.integration.consume.apache import ApacheKafka

_STOPS_S = 20.0


class Postgres:
    """The embedded server. It hands its writes to the kernel, which outlives all that rounds do."""

    def __init__(self, directory: Path) -> None:
        """Start it, with a migrated database to copy from."""
        self.server = embedded.start(directory)
        self._numbers = count(1)
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE template")
        migrate(url_of(self.server, "template"))

    @contextmanager
    def books(self, name: str) -> Iterator[str]:
        """URL of a migrated database, empty, for as long as the block runs."""
        unique = f"{name}_{next(self._numbers)}"
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {unique} TEMPLATE template")
        yield url_of(self.server, unique)
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {unique} WITH (FORCE)")

    @property
    def socket(self) -> str:
        """Path of its socket."""
        return self.server.url.split("host=")[1] + "/.s.PGSQL.5432"

    def stop_immediately(self) -> None:
        """SIGQUIT, as `pg_ctl stop -m immediate`: no goodbye, recovery at the next start."""
        pid = self.server.server.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        until = time.monotonic() + _STOPS_S
        while (self.server.directory / "postmaster.pid").exists():
            assert time.monotonic() < until, "PostgreSQL did not stop"
            time.sleep(0.01)

    def start_again(self) -> None:
        """Start it on the same files and socket."""
        self.server.server.ensure_postgres_running()

    def stop(self) -> None:
        """For good."""
        self.server.stop()


class Broker(Protocol):
    """What rounds need of a broker."""

    bootstrap_servers: str
    proxied: str

    def stop(self) -> None: ...


class Embedded(EmbeddedBroker):
    """The embedded broker. What it holds is gone when it stops, so no round stops it."""

    def __init__(self) -> None:
        """Start it."""
        super().__init__()
        self.proxied = self.bootstrap_servers


class Apache(ApacheKafka):
    """The real one, reached directly or through a network that can be cut.

    Attributes:
        proxied: Bootstrap servers for clients behind `network`.
        network: Between them and the broker.
    """

    def __init__(self) -> None:
        """Start it and its network."""
        self._inner = free_port()
        self.network = Proxy(("127.0.0.1", self._inner))
        self.proxied = f"127.0.0.1:{self.network.port}"
        super().__init__()

    def kill(self) -> None:
        """As kill -9; what it wrote stays."""
        self._running.kill()
        self._running.wait()

    def start_again(self) -> None:
        """On the same files and ports."""
        self._start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nobody answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """For good."""
        self.resume()
        super().stop()
        self.network.close()

    def _settings(self) -> str:
        more = {
            "listeners": f"PROXIED://127.0.0.1:{self._inner}",
            "advertised.listeners": f"PROXIED://{self.proxied}",
            "listener.security.protocol.map": "PROXIED:PLAINTEXT",
        }
        lines = []
        for line in super()._settings().splitlines():
            name = line.split("=", 1)[0]
            lines.append(f"{line},{more[name]}" if name in more else line)
        return "\n".join([*lines, "inter.broker.listener.name=PLAINTEXT"])


@contextmanager
def started(broker: str) -> Iterator[tuple[Postgres, Embedded | Apache, Path]]:
    """Both servers, and a folder for what rounds leave."""
    with tempfile.TemporaryDirectory(prefix="clearing-crash-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        kafka = Apache() if broker == "apache" else Embedded()
        try:
            postgres = Postgres(root / "postgres")
            try:
                yield postgres, kafka, root
            finally:
                postgres.stop()
        finally:
            kafka.stop()


def ended(victim: "subprocess.Popen[bytes]") -> None:
    """End a program that may be stopped, or over."""
    victim.kill()
    victim.wait()
