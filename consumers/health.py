"""Whether a run is alive and ready, and the server that says so: /healthz, /readyz, /metrics.

* *Alive*: the loop went round lately. Not so while a shard is being rebuilt, which may take
  minutes; then it is alive for up to `REBUILD_S`. An orchestrator restarts what is not alive.
* *Ready*: partitions are assigned, their lag is known and small, and the last attempt to reach
  database and broker did not fail. What is not ready works on, and says what it waits for.

The server has threads of its own and reads what the loop last noted, so it answers while the loop
is busy, and never keeps it waiting. It knows no secrets, and has no access control: it listens on
the loopback address unless told otherwise.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

from consumers.telemetry_logs import logger
from ledger.errors import ConfigurationError

TURN_S = 120.0
"""Longest turn of a loop that is alive: above every timeout of database and broker."""

REBUILD_S = 3_600.0
"""Longest rebuilding of one shard."""

_REQUEST_S = 5.0

_log = logger(__name__)

Answer = tuple[bool, dict[str, object]]


class Health:
    """What the loop notes of itself; read by other threads.

    Attributes:
        turned_at: When the loop last went round, or began to wait.
        rebuilding: Name of the shard whose state is being rebuilt.
        rebuilding_since: From when on.
        partitions: Those that are read.
        unknown: Topics and partitions that were not heard of yet.
        lag_s: The largest lag.
        fault: What went wrong last, while nothing has worked since.
    """

    def __init__(self, lag_max_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start alive, and not ready.

        Args:
            lag_max_s: Largest lag that is still ready.
            clock: Never goes back.
        """
        self._lag_max_s = lag_max_s
        self._clock = clock
        self.turned_at = clock()
        self.rebuilding: str | None = None
        self.rebuilding_since = 0.0
        self.partitions: tuple[int, ...] = ()
        self.unknown: tuple[str, ...] = ()
        self.lag_s = 0.0
        self.fault: str | None = None

    def alive(self) -> Answer:
        """Whether the loop goes round, and what else there is to say."""
        now = self._clock()
        turn, rebuilding = now - self.turned_at, self.rebuilding
        reasons = []
        if rebuilding is None and turn > TURN_S:
            reasons.append(f"the loop last went round {turn:.0f} s ago, {TURN_S:.0f} s allowed")
        if rebuilding is not None and now - self.rebuilding_since > REBUILD_S:
            reasons.append(f"{rebuilding} is being rebuilt for more than {REBUILD_S:.0f} s")
        turned = {"last_turn_seconds_ago": round(turn, 3), "rebuilding": rebuilding}
        return not reasons, {"alive": not reasons, "reasons": reasons, **turned}

    def ready(self) -> Answer:
        """Whether what is sent is in the books soon, and if not, why."""
        reasons = [] if self.alive()[0] else ["not alive: see /healthz"]
        if self.fault is not None:
            reasons.append(f"starting over after: {self.fault}")
        elif self.rebuilding is not None:
            reasons.append(f"the state of {self.rebuilding} is being rebuilt")
        elif not self.partitions:
            reasons.append("no partition is assigned to this process")
        elif self.unknown:
            reasons.append(f"nothing was heard yet of {', '.join(self.unknown)}")
        if self.lag_s > self._lag_max_s:
            reasons.append(f"{self.lag_s:.1f} s behind, {self._lag_max_s:g} s allowed")
        seen = {"partitions": list(self.partitions), "lag_seconds": round(self.lag_s, 3)}
        return not reasons, {"ready": not reasons, "reasons": reasons, **seen}


class Page(NamedTuple):
    """What is answered."""

    status: HTTPStatus
    content_type: str
    body: bytes


class HealthServer:
    """Serves pages until it is closed; `with` closes it."""

    def __init__(self, address: str, port: int, pages: dict[str, Callable[[], Page]]) -> None:
        """Listen, and answer from now on.

        Args:
            address: Of the interface.
            port: 0: any free one.
            pages: By path.

        Raises:
            ConfigurationError: The address or the port is not to be had.
        """
        try:
            self._server = _server_of(address)((address, port), _handler(pages))
        except (OSError, OverflowError) as fault:
            raise ConfigurationError(
                f"cannot listen on {address} port {port}: {fault}; choose with --metrics-address"
                " and --metrics-port"
            ) from fault
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="health", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more, and give the port back."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Tell of a page that could not be made; a client that hangs up is not worth a line."""
        fault = sys.exception()
        if not isinstance(fault, OSError):
            _log.error("page failed", client=str(client_address), exc_info=fault)


class _Server6(_Server):
    address_family = socket.AF_INET6


def _server_of(address: str) -> type[ThreadingHTTPServer]:
    return _Server6 if ":" in address else _Server


def health_page(answer: Callable[[], Answer]) -> Callable[[], Page]:
    """The page of an answer: 200 when it is yes, else 503."""

    def page() -> Page:
        is_good, said = answer()
        status = HTTPStatus.OK if is_good else HTTPStatus.SERVICE_UNAVAILABLE
        return Page(status, "application/json", json.dumps(said).encode() + b"\n")

    return page


def _handler(pages: dict[str, Callable[[], Page]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request a connection."""

        timeout = _REQUEST_S  # of a client that opens a connection and says nothing
        server_version = "clearing"
        sys_version = ""

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            if make is None:
                known = f"pages: {', '.join(sorted(pages))}\n"
                page = Page(HTTPStatus.NOT_FOUND, "text/plain", known.encode())
            else:
                page = make()
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page.body)

        do_HEAD = do_GET  # noqa: N815 - as the library calls it

        def log_message(self, *_: object) -> None:
            """Requests are not worth a line."""

    return Handler
