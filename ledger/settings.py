"""Where the ledger finds its surroundings: arguments first, then the environment, then defaults.

CLEARING_DATABASE_URL   PostgreSQL, `postgresql://...`; without it the embedded server
CLEARING_HOME           directory of the embedded servers, default ~/.local/share/clearing
CLEARING_KAFKA          bootstrap servers, `host:port[,host:port]`
CLEARING_KAFKA_...      how to speak to them: TLS, user, password (`kafka_security`)
CLEARING_TOPIC_PREFIX   default `clearing.`
CLEARING_SIGNING_KEY    seed of the key that signs checkpoints, in hex
CLEARING_SIGNING_KEY_FILE  a file with the same; without either CLEARING_HOME/signing.key

Secrets come from the environment or from files; in an argument, which everybody on the machine can
list, a password is warned of. A message about a secret names where it stood, never what it was.
"""

import logging
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from ledger.errors import ConfigurationError

DEFAULT_HOME = Path("~/.local/share/clearing")
DEFAULT_TOPIC_PREFIX = "clearing"

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_OPEN_TO_OTHERS = 0o007
_PROTOCOL = "CLEARING_KAFKA_SECURITY_PROTOCOL"
_MECHANISM = "CLEARING_KAFKA_SASL_MECHANISM"
_KAFKA_CLIENT = {
    "CLEARING_KAFKA_SECURITY_PROTOCOL": "security_protocol",
    "CLEARING_KAFKA_SSL_CAFILE": "ssl_cafile",
    "CLEARING_KAFKA_SSL_CERTFILE": "ssl_certfile",
    "CLEARING_KAFKA_SSL_KEYFILE": "ssl_keyfile",
    "CLEARING_KAFKA_SSL_PASSWORD": "ssl_password",
    "CLEARING_KAFKA_SASL_MECHANISM": "sasl_mechanism",
    "CLEARING_KAFKA_SASL_USERNAME": "sasl_plain_username",
    "CLEARING_KAFKA_SASL_PASSWORD": "sasl_plain_password",
}
"""What the Kafka client calls each variable."""
_KAFKA_SECRETS = {
    "CLEARING_KAFKA_SSL_PASSWORD": "CLEARING_KAFKA_SSL_PASSWORD_FILE",
    "CLEARING_KAFKA_SASL_PASSWORD": "CLEARING_KAFKA_SASL_PASSWORD_FILE",
}
_KAFKA_FILES = (
    *("CLEARING_KAFKA_SSL_CAFILE", "CLEARING_KAFKA_SSL_CERTFILE", "CLEARING_KAFKA_SSL_KEYFILE"),
)
_PASSWORD_IN_URL = re.compile(
    r"(?<=://)(?P<user>[^:@/?]*):(?P<his>[^@/?]*)@|(?P<name>[?&](ssl)?password=)(?P<its>[^&]*)"
)


logger = logging.getLogger(__name__)


class Secret(str):
    """A text that does not show itself when what holds it is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(...)"


def home() -> Path:
    """The directory of what the embedded servers keep."""
    return Path(os.environ.get("CLEARING_HOME") or DEFAULT_HOME).expanduser()


def database_url(given: str | None) -> str | None:
    """The PostgreSQL to use; None means the embedded server.

    Args:
        given: From the command line, where a password is taken with a warning.

    Raises:
        ConfigurationError: It is not a PostgreSQL URL.
    """
    if given and any(each["his"] or each["its"] for each in _PASSWORD_IN_URL.finditer(given)):
        logger.warning(
            "the database URL on the command line holds a password, which all users of this"
            " machine can list: set CLEARING_DATABASE_URL, or leave it to PGPASSFILE or PGPASSWORD"
        )
    url = given or os.environ.get("CLEARING_DATABASE_URL") or None
    if url is not None:
        _require_url(url)
    return url


def masked(url: str) -> str:
    """A database URL without its passwords, for people to see."""
    return _PASSWORD_IN_URL.sub(
        lambda found: f"{found['name']}***" if found["name"] else f"{found['user']}@", url
    )


def _require_url(url: str) -> None:
    """Refuse what libpq would misread, for it quotes what it does not understand: a password."""
    if not url.startswith(("postgresql://", "postgres://")):
        scheme = url.partition("://")[0] if "://" in url else "none"
        raise ConfigurationError(
            f"database URL has scheme {scheme!r}, expected postgresql://user@host/database; "
            "check --database-url and CLEARING_DATABASE_URL"
        )
    address, _, rest = re.split(r"://", url, maxsplit=1)[1].partition("?")[0].partition("/")
    hosts = address.rpartition("@")[2]
    ports = re.sub(r"\[[^]]*\]", "", hosts).split(",")
    if (
        re.search(r"\s|%(?![0-9a-fA-F]{2})", url)
        or address.count("@") > 1
        or "@" in rest
        or not all(re.fullmatch(r"[^:]*(:[0-9]*)?", port) for port in ports)
    ):
        raise ConfigurationError(
            "the database URL does not read as postgresql://user@host:port/database: in a user name"
            " or password, write each of @ : / ? # % and space as %40 %3A %2F %3F %23 %25 %20;"
            " check --database-url and CLEARING_DATABASE_URL"
        )


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


def kafka_security() -> Mapping[str, str]:
    """How to speak to Kafka, in the words of its client; empty: in the open.

    Raises:
        ConfigurationError: A setting is unknown, missing, contradicts another, or names a file
            that is not there or that everybody can read.
    """
    known = {*_KAFKA_CLIENT, *_KAFKA_SECRETS.values()}
    given = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("CLEARING_KAFKA" + "_") and value
    }
    for name in sorted(given.keys() - known):
        raise ConfigurationError(f"{name} is no setting: there are {', '.join(sorted(known))}")
    for name, in_file in _KAFKA_SECRETS.items():
        if in_file in given:
            if name in given:
                raise ConfigurationError(f"{name} and {in_file} are both set: unset one")
            given[name] = _secret_of(in_file, Path(given.pop(in_file)).expanduser())
    _require_consistent(given)
    for name in given.keys() & set(_KAFKA_FILES):
        file = Path(given[name]).expanduser()
        given[name] = str(file)
        _require_file(name, file, secret=name.endswith("KEYFILE"))
    return {
        _KAFKA_CLIENT[name]: Secret(value) if name in _KAFKA_SECRETS else value
        for name, value in sorted(given.items())
    }


def _require_consistent(given: Mapping[str, str]) -> None:
    """A setting that would have no effect is refused: what it was to protect would be open."""
    protocol = given.get(_PROTOCOL, PROTOCOLS[0])
    if protocol not in PROTOCOLS:
        raise ConfigurationError(f"{_PROTOCOL} is {protocol}: expected {', '.join(PROTOCOLS)}")
    for word in ("SSL", "SASL"):
        idle = sorted(name for name in given if name.startswith(f"CLEARING_KAFKA_{word}_"))
        if idle and word not in protocol.split("_"):
            also = "SASL_SSL" if word == "SASL" else "SSL or SASL_SSL"
            raise ConfigurationError(
                f"{idle[0]} is set, but {_PROTOCOL} is {protocol}, which has no use for it:"
                f" expected {also}"
            )
    if "SASL" not in protocol:
        return
    for name in (_MECHANISM, "CLEARING_KAFKA_SASL_USERNAME", "CLEARING_KAFKA_SASL_PASSWORD"):
        if name not in given:
            also = f" or {_KAFKA_SECRETS[name]}" if name in _KAFKA_SECRETS else ""
            raise ConfigurationError(f"{_PROTOCOL} is {protocol}: set {name}{also} too")
    mechanism = given[_MECHANISM]
    if mechanism not in MECHANISMS:
        raise ConfigurationError(f"{_MECHANISM} is {mechanism}: expected {', '.join(MECHANISMS)}")
    if mechanism == "PLAIN" and protocol == "SASL_PLAINTEXT":
        raise ConfigurationError(
            f"{_MECHANISM} PLAIN with {_PROTOCOL} SASL_PLAINTEXT would send the password readable"
            " to everybody on the way: use SASL_SSL, or a mechanism SCRAM-..."
        )


def _secret_of(name: str, file: Path) -> Secret:
    """The first line of a file that others cannot read."""
    _require_file(name, file, secret=True)
    text = file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    if not text:
        raise ConfigurationError(f"{name}: {file} is empty, expected a password on its first line")
    return Secret(text)


def _require_file(name: str, file: Path, *, secret: bool) -> None:
    try:
        with file.open("rb"):
            mode = stat.S_IMODE(file.stat().st_mode)
    except OSError as fault:
        raise ConfigurationError(f"{name}: {file}: {fault.strerror}") from fault
    if secret and mode & _OPEN_TO_OTHERS:
        raise ConfigurationError(
            f"{name}: {file} has mode {mode:04o}, everybody can read it: chmod 600 {file}"
        )


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
