"""Options of the commands that run for long: their logs, and where they are watched."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, Protocol

import typer

from consumers.health import HealthServer, Page
from consumers.telemetry_logs import logger

LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option("--log-level", help="Show logs of this level and above."),
]
LogFormat = Annotated[
    Literal["console", "json"] | None,
    typer.Option(
        "--log-format", help="Default: console when standard error is a terminal, else json."
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        min=0,
        max=65_535,
        metavar="N",
        help="Serve /metrics, /healthz and /readyz there; 0: any free port, told in the log.",
    ),
]
MetricsAddress = Annotated[
    str,
    typer.Option("--metrics-address", metavar="ADDRESS", help="Interface of --metrics-port."),
]
ReadyLag = Annotated[
    float,
    typer.Option("--ready-lag", min=0, metavar="SECONDS", help="Largest lag that is ready."),
]

_log = logger(__name__)


class Watched(Protocol):
    """What tells of itself."""

    def pages(self) -> dict[str, Callable[[], Page]]:
        """What is served, by path."""


@contextmanager
def watched(telemetry: Watched, address: str, port: int | None) -> Iterator[None]:
    """Serve metrics and health while the block runs; nothing without a port.

    Raises:
        ConfigurationError: The port is not to be had.
    """
    if port is None:
        yield
        return
    with HealthServer(address, port, telemetry.pages()) as server:
        _log.info("watched at", address=address, port=server.port)
        yield
