"""The HTTP server: a socket that is taken before anything is promised, and an end without a cut."""

import ipaddress
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from ledger.errors import ConfigurationError

STOP_S = 5
"""Requests that are under way at the end get so long."""

UNTAKEN_S = 60
"""A connection whose other end takes nothing for so long is cut, with what waits to be sent."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; port 0 takes any free one.

    Raises:
        ConfigurationError: The address is not to be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind, protocol)
    except OSError as fault:
        raise ConfigurationError(f"cannot listen on {host}: {fault.strerror}") from fault
    with taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":  # connections have it from the socket that they came to
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * UNTAKEN_S)
        try:
            taken.bind(address)
            taken.listen(128)
        except OSError as fault:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {fault.strerror}; choose another --port"
            ) from fault
        yield taken


def server(app: FastAPI) -> uvicorn.Server:
    """A server of the application; it says nothing of itself on standard output.

    What `X-Forwarded-For` and `X-Forwarded-Proto` say is believed of the proxies in its settings
    alone: anybody else could choose an address to be counted under.
    """
    proxies: str = app.state.settings.behind_proxy
    made = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # ours has request ids and no query strings
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=",".join(_as_seen(proxies)) if proxies else None,
            timeout_graceful_shutdown=STOP_S,
        )
    )
    app.state.is_stopping = lambda: made.should_exit
    return made


def _as_seen(network: str) -> list[str]:
    """A network, and how a socket of both IPv6 and IPv4 tells the addresses of an IPv4 one."""
    found = ipaddress.ip_network(network)
    if isinstance(found, ipaddress.IPv6Network):
        return [network]
    return [network, f"::ffff:{found.network_address}/{96 + found.prefixlen}"]


def run(app: FastAPI, taken: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, which is a good end; what is under way is finished first."""
    before = {each: signal.signal(each, _heard) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        server(app).run(sockets=[taken])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _heard(_number: int, _frame: object) -> None:
    """The server stops at a signal and then raises it once more: by then there is nothing to do."""
