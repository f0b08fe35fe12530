"""A network between client and server that can be cut, stalled, or made to swallow an answer."""

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 65_536
_LOOK_S = 0.05

Address = str | tuple[str, int]
"""Path of a Unix socket, or host and port."""


class Proxy:
    """Forwards TCP connections to one server.

    Attributes:
        port: Where it listens, on the loopback interface.
        cuts: Connections that were closed by it.
        swallowed: Answers that were lost.
    """

    def __init__(self, server: Address) -> None:
        """Listen and forward."""
        self._server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.cuts = self.swallowed = 0
        self._pairs: list[_Pair] = []
        self._guard = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._swallowing: bytes | None = None
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def aim(self, server: Address) -> None:
        """Connect new clients to another server."""
        self._server = server

    def cut(self) -> int:
        """Close all connections on both sides at once; returns how many."""
        with self._guard:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.close()
        self.cuts += len(pairs)
        return len(pairs)

    def swallow(self, request: bytes) -> None:
        """Forward the next bytes with this request in them, then cut: its answer is lost."""
        self._swallowing = request

    def refuse(self, *, refusing: bool) -> None:
        """Close whatever connects from now on, or no more."""
        self._refusing = refusing

    def stall(self) -> None:
        """Keep connections open and forward nothing."""
        self._flowing.clear()

    def flow(self) -> None:
        """Forward again."""
        self._flowing.set()

    def close(self) -> None:
        """Stop listening, and close everything."""
        self._closed = True
        self._listening.close()
        self.flow()
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = None if self._refusing else _connected(self._server)
            if server is None:
                client.close()
                continue
            pair = _Pair(client, server)
            with self._guard:
                self._pairs.append(pair)
            for source, target, look in (
                (client, server, self._look),
                (server, client, lambda _: None),
            ):
                threading.Thread(
                    target=self._forward, args=(pair, source, target, look), daemon=True
                ).start()

    def _look(self, chunk: bytes) -> bytes | None:
        wanted = self._swallowing
        if wanted is not None and wanted in chunk:
            self._swallowing = None
            return wanted
        return None

    def _forward(
        self,
        pair: "_Pair",
        source: socket.socket,
        target: socket.socket,
        look: Callable[[bytes], bytes | None],
    ) -> None:
        with suppress(OSError, ValueError):
            while not self._closed and not pair.closed:
                if not select.select([source], [], [], _LOOK_S)[0]:
                    continue
                self._flowing.wait()
                chunk = source.recv(_CHUNK)
                if not chunk:
                    break
                swallowed = look(chunk)
                if swallowed is not None:
                    pair.is_deaf = True
                    self.swallowed += 1
                if pair.is_deaf and source is pair.server:
                    break
                target.sendall(chunk)
        if not pair.closed:
            pair.close()
            with self._guard:
                if pair in self._pairs:
                    self._pairs.remove(pair)


class _Pair:
    """Both ends of one connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.closed = False
        self.is_deaf = False

    def close(self) -> None:
        self.closed = True
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                end.close()


def _connected(server: Address) -> socket.socket | None:
    try:
        if isinstance(server, str):
            made = socket.socket(socket.AF_UNIX)
            made.connect(server)
            return made
        return socket.create_connection(server, 2)
    except OSError:
        return None
