"""Where the ledger finds its surroundings: arguments first, then the environment, then defaults.

CLEARING_DATABASE_URL   PostgreSQL, `postgresql://...`; without it the embedded server
CLEARING_HOME           directory of the embedded servers, default ~/.local/share/clearing
CLEARING_KAFKA          bootstrap servers, `host:port[,host:port]`
CLEARING_TOPIC_PREFIX   default `clearing.`
CLEARING_SIGNING_KEY    seed of the key that signs checkpoints, in hex
CLEARING_SIGNING_KEY_FILE  a file with the same; without either CLEARING_HOME/signing.key
"""

import os
from pathlib import Path

from ledger.errors import ConfigurationError

DEFAULT_HOME = Path("~/.local/share/clearing")
DEFAULT_TOPIC_PREFIX = "clearing"


def home() -> Path:
    """The directory of what the embedded servers keep."""
    return Path(os.environ.get("CLEARING_HOME") or DEFAULT_HOME).expanduser()


def database_url(given: str | None) -> str | None:
    """The PostgreSQL to use; None means the embedded server.

    Raises:
        ConfigurationError: It is not a PostgreSQL URL.
    """
    url = given or os.environ.get("CLEARING_DATABASE_URL") or None
    if url is not None and not url.startswith(("postgresql://", "postgres://")):
        scheme = url.partition(":")[0]
        message = (
            f"database URL has scheme {scheme!r}, expected postgresql://user@host/database; "
            "check --database-url and CLEARING_DATABASE_URL"
        )
        raise ConfigurationError(message)
    return url


def kafka(given: str | None) -> str:
    """The bootstrap servers.

    Raises:
        ConfigurationError: Neither an argument nor the environment names any.
    """
    servers = given or os.environ.get("CLEARING_KAFKA")
    if not servers:
        message = "no Kafka named: pass --kafka host:port or set CLEARING_KAFKA"
        raise ConfigurationError(message)
    return servers


def topic_prefix(given: str | None) -> str:
    """What the names of all topics begin with."""
    return given or os.environ.get("CLEARING_TOPIC_PREFIX") or DEFAULT_TOPIC_PREFIX


def signing_key() -> tuple[str | None, Path | None]:
    """The signing key itself, or the file that holds it; None and None: neither is named.

    Raises:
        ConfigurationError: Both are named.
    """
    text = os.environ.get("CLEARING_SIGNING_KEY") or None
    file = os.environ.get("CLEARING_SIGNING_KEY_FILE") or None
    if text is not None and file is not None:
        message = "CLEARING_SIGNING_KEY and CLEARING_SIGNING_KEY_FILE are both set: unset one"
        raise ConfigurationError(message)
    return text, None if file is None else Path(file).expanduser()
