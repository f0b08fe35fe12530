"""The commands `serve` and `token`: the API and the console over HTTP, and who may use them."""

import getpass
import ipaddress
import logging
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from consumers.ends import end_offsets
from ledger.assembly import database
from ledger.cli.kafka import kafka_settings
from ledger.cli.options import (
    AsJson,
    DatabaseUrl,
    Kafka,
    Quiet,
    columns,
    notes,
    say,
    say_json,
)
from ledger.codec.fields import ID_PATTERN
from ledger.errors import ConfigurationError
from ledger.settings import masked
from ledger.store.web import tokens as web_tokens
from ledger.store.web.tokens import Scope
from ledger.web.tokens import new_token, token_hash

DAYS_MAX = 366
_MISSING = "the server needs {}, which is not installed: `pip install clearing-ledger[web]`"

tokens = typer.Typer(
    help="Make, list and take back tokens of the HTTP API and the console.\n\n"
    "Example: clearing token create grafana --scope reporting --days 90",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class AskedScope(StrEnum):
    """What a token may open."""

    reporting = "reporting"
    back_office = "back_office"
    auditor = "auditor"


MadeBy = Annotated[
    str | None, typer.Option("--made-by", metavar="NAME", help="Who does it. Default: the login.")
]


BehindProxy = Annotated[
    str | None,
    typer.Option(
        "--behind-proxy",
        metavar="ADDRESS",
        help="Of the proxy that passes requests on, or its network.",
    ),
]


def serve(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Interface to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="0: any free port, which is told.")
    ] = 8080,
    requests_per_minute: Annotated[
        int, typer.Option("--requests-per-minute", min=1, metavar="N", help="Of one token.")
    ] = 1_200,
    api_only: Annotated[
        bool, typer.Option("--api-only", help="Serve no console beside the API.")
    ] = False,
    behind_proxy: BehindProxy = None,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    quiet: Quiet = False,
) -> None:
    """Serve the HTTP API and the console, until interrupted.

    The API reads only, in roles that may do nothing else. While no token was ever made
    (`clearing token create`) it answers everybody at this machine, and listens to no other; once
    all tokens have expired or were revoked, it does not start. Behind a proxy, --behind-proxy says
    whose X-Forwarded-For and X-Forwarded-Proto are believed.
    With --kafka HOST:PORT the console asks the broker how far the books are behind it.
    Each request is logged to standard error, unless --quiet.

    Example: clearing serve --port 8080 --kafka localhost:9092
    """
    try:
        from ledger.web.app import create_app  # noqa: PLC0415 - an optional extra
        from ledger.web.server import listening, run  # noqa: PLC0415 - as above
        from ledger.web.settings import WebSettings  # noqa: PLC0415 - as above
    except ModuleNotFoundError as missing:
        raise ConfigurationError(_MISSING.format(missing.name)) from missing
    logging.getLogger("ledger.web").setLevel(logging.WARNING if quiet else logging.INFO)
    with database(database_url) as url:
        proxies = _proxies(behind_proxy)
        is_open = _is_open(web_tokens.kept(url), host, proxies)
        settings = WebSettings(
            url,
            is_open=is_open,
            behind_proxy=proxies,
            with_console=not api_only,
            requests_per_minute=requests_per_minute,
            end_offsets=None if kafka is None else end_offsets(kafka_settings(kafka, None)),
        )
        app = create_app(settings)
        with listening(host, port) as sock:
            _tell(url, host, sock.getsockname()[1], is_open=is_open)
            run(app, sock)


def _tell(url: str, host: str, port: int, *, is_open: bool) -> None:
    """What is served, where, and to whom."""
    shown = f"[{host}]" if ":" in host else host
    if is_open:
        notes.print(
            "open: no token was ever made, so everybody at this machine may read all;"
            " `clearing token create` and a new start end that"
        )
    notes.print(f"books: {masked(url)}")
    notes.print(f"serving on http://{shown}:{port}/ (Ctrl-C stops it)")


def _is_open(kept: web_tokens.Kept, host: str, proxies: str) -> bool:
    """No token is asked for: none was ever made, so that expiry and revocation open no door.

    Raises:
        ConfigurationError: There are tokens and all are dead, or there are none and other machines
            reach the address, or a proxy.
    """
    if kept.live:
        return False
    if kept.ever:
        raise ConfigurationError(
            f"all {kept.ever} tokens of these books have expired or were revoked, so the server"
            " would answer nobody: make a new one with `clearing token create NAME --scope SCOPE`"
            " (`clearing token list` shows the others)"
        )
    if not _is_loopback(host):
        raise ConfigurationError(
            f"--host {host} can be reached from other machines, and these books have no live"
            " token: make one with `clearing token create`, or listen on 127.0.0.1"
        )
    if proxies:
        raise ConfigurationError(
            "--behind-proxy: these books have no token, so a server would be open to whoever"
            " reaches the proxy: make one with `clearing token create NAME --scope SCOPE`"
        )
    return True


def _proxies(said: str | None) -> str:
    """Whose word is taken for where a request comes from.

    Raises:
        ConfigurationError: It is neither an address nor a network.
    """
    if said is None:
        return ""
    try:
        return str(ipaddress.ip_network(said))
    except ValueError as fault:
        raise ConfigurationError(
            f"--behind-proxy {said}: expected an address like 10.0.0.7, or a network like"
            " 10.0.0.0/24"
        ) from fault


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@tokens.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what it is for; no other live one has it.")],
    scope: Annotated[
        list[AskedScope],
        typer.Option("--scope", help="What it opens; may be given several times."),
    ],
    days: Annotated[
        int, typer.Option("--days", min=1, max=DAYS_MAX, help="It expires after so many.")
    ] = 90,
    made_by: MadeBy = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a token, and print it: once, for the books keep its hash alone.

    reporting opens the listings and the stream of records; back_office breaks as well; auditor all
    of it with explanations and proofs.

    Example: clearing token create grafana --scope reporting --days 90
    """
    if re.fullmatch(ID_PATTERN, name) is None:
        raise ConfigurationError(
            f"the name {name!r} of a token: expected 1 to 64 of [A-Za-z0-9._:-]; what its owner"
            " does to breaks is kept under it"
        )
    scopes: list[Scope] = sorted({each.value for each in scope})
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    token = new_token()
    with database(database_url) as url:
        number = web_tokens.create(
            url, name, scopes, token_hash(token), made_by or getpass.getuser(), expires_at
        )
    if as_json:
        told = {"number": number, "name": name, "scopes": scopes, "expires_at": expires_at}
        say_json({**told, "token": token})
        return
    notes.print(
        f"token {number}, {name}: opens {', '.join(scopes)} until {expires_at:%Y-%m-%d}; it is"
        " shown this once:"
    )
    say(token)


@tokens.command("list")
def list_(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all tokens there ever were: live, expired, revoked. None of them is shown itself.

    Example: clearing token list
    """
    with database(database_url) as url:
        found = [each._asdict() for each in web_tokens.listed(url)]
    if as_json:
        say_json(found)
        return
    for line in columns([{**each, "scopes": ", ".join(each["scopes"])} for each in found]):
        say(line)


@tokens.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Of a live token.")],
    reason: Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why.")],
    made_by: MadeBy = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Take a token back: within seconds it opens nothing any more.

    Example: clearing token revoke grafana --reason "its machine was sold"
    """
    with database(database_url) as url:
        number = web_tokens.revoke(url, name, made_by or getpass.getuser(), reason)
    say(f"token {number}, {name}, opens nothing any more")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.add_typer(tokens, name="token")
