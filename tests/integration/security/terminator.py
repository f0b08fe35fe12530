"""A TLS terminator before a PostgreSQL: encrypts what the server itself cannot.

Speaks PostgreSQL's own way into TLS: the client asks by a request of eight bytes, is answered `S`,
and shakes hands. Whoever does not ask is cut off.
"""

import ssl
import threading
from contextlib import suppress
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server, socket
from types import TracebackType
from typing import Self

_ASKS_FOR_TLS = bytes.fromhex("0000000804d2162f")


class Terminator:
    """Listens on the loopback address at `port`, for as long as the block runs."""

    def __init__(self, key: Path, certificate: Path, behind: int) -> None:
        """Encrypt with this certificate what goes to the port behind."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._behind = behind
        self._listening = create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.shutdown(SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listening.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                serving = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(serving)
                serving.start()

    def _serve(self, client: socket) -> None:
        with client, suppress(OSError):
            if client.recv(len(_ASKS_FOR_TLS)) != _ASKS_FOR_TLS:
                return
            client.sendall(b"S")
            with (
                self._context.wrap_socket(client, server_side=True) as secured,
                create_connection(("127.0.0.1", self._behind)) as server,
            ):
                back = threading.Thread(target=_copy, args=(server, secured), daemon=True)
                back.start()
                _copy(secured, server)
                back.join(5)


def _copy(source: socket, target: socket) -> None:
    with suppress(OSError):
        while taken := source.recv(65_536):
            target.sendall(taken)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(SHUT_RDWR)
