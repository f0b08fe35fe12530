"""The command `serve`: the API and the console over HTTP."""

import ipaddress
from typing import Annotated

import typer

from ledger.assembly import database
from ledger.cli.options import DatabaseUrl, notes
from ledger.errors import ConfigurationError


def serve(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Interface to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="0: any free port, which is told.")
    ] = 8080,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve the HTTP API and the console, until interrupted.

    It only reads, in roles that may do nothing else.

    Example: clearing serve --port 8080
    """
    try:
        from ledger.web.app import create_app  # noqa: PLC0415 - an optional extra
        from ledger.web.server import listening, run  # noqa: PLC0415 - as above
        from ledger.web.settings import WebSettings  # noqa: PLC0415 - as above
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"the server needs {missing.name}: `pip install clearing-ledger[web]`"
        ) from missing
    if not _is_loopback(host):
        raise ConfigurationError(
            f"--host {host} can be reached from other machines, and nothing asks who comes:"
            " listen on 127.0.0.1"
        )
    with database(database_url) as url:
        app = create_app(WebSettings(url, is_open=True))
        with listening(host, port) as sock:
            shown = f"[{host}]" if ":" in host else host
            notes.print(f"serving on http://{shown}:{sock.getsockname()[1]}/ (Ctrl-C stops it)")
            run(app, sock)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)
