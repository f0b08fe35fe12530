"""Whether the broker is who it says, and takes us for who we say, when a Kafka client is made.

The client itself tries for half a minute and then says that it timed out, whatever the reason was.
A certificate that nobody here trusts, or a wrong password, is none the better for that:

* Trust is asked for before, by a TLS handshake of our own.
* What the broker refuses us for, the client tells its log alone, as an exception; `_Refusals` takes
  it from there.

Cost: one TLS handshake for each client, nothing where Kafka is spoken to in the open. Left out: the
certificates of brokers other than those named; the client checks them and logs what it finds.
"""

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from socket import create_connection

from kafka import errors

from consumers.faults import translated
from consumers.settings import RunSettings
from ledger.errors import BrokerError, BrokerUnavailable, ConfigurationError

_ANSWER_S = 5.0
_FINAL = (
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.AuthorizationError,
)
_PROTOCOL = "CLEARING_KAFKA_SECURITY_PROTOCOL"


@contextmanager
def connecting(settings: RunSettings) -> Iterator[None]:
    """Around the making of a client: first the question of trust, then the ledger's faults.

    Raises:
        ConfigurationError: The files with certificates or keys are none.
        BrokerError: The broker's certificate is not trusted, one side speaks TLS and the other does
            not, or the user is refused: waiting does not help.
        BrokerUnavailable: Nobody answers, or what answers says nothing of use.
    """
    protocol = str(settings.security.get("security_protocol", "PLAINTEXT"))
    context = _context(settings.security) if "SSL" in protocol else None
    if context is not None:
        _require_trust(settings.bootstrap_servers, context)
    try:
        with translated(f"connecting to {settings.bootstrap_servers}"), _refusals_raised():
            yield
    except BrokerUnavailable as fault:
        if context is None:
            _refuse_tls(settings.bootstrap_servers, protocol)
        raise BrokerUnavailable(
            f"{fault}; nobody listens there, or the listener wants another {_PROTOCOL} than"
            f" {protocol}"
        ) from fault


class _Refusals(logging.Filter):
    """Raises what trying again will not mend, out of the client's own retries."""

    def __init__(self, level: int) -> None:
        """Let through what is at least of this level."""
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        for told in record.args if isinstance(record.args, tuple) else ():
            if isinstance(told, _FINAL):
                raise told
        return record.levelno >= self._level


@contextmanager
def _refusals_raised() -> Iterator[None]:
    speaking = logging.getLogger("kafka.net.manager")
    before, level = speaking.level, speaking.getEffectiveLevel()
    refusals = _Refusals(level)
    speaking.addFilter(refusals)
    speaking.setLevel(min(level, logging.WARNING))
    try:
        yield
    finally:
        speaking.setLevel(before)
        speaking.removeFilter(refusals)


def _context(security: Mapping[str, object]) -> ssl.SSLContext:
    """As the Kafka client makes it: TLS 1.2 at least, names checked."""
    authority, certificate = security.get("ssl_cafile"), security.get("ssl_certfile")
    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
        if certificate is not None:
            key, password = security.get("ssl_keyfile"), security.get("ssl_password")
            context.load_cert_chain(
                str(certificate),
                None if key is None else str(key),
                lambda: "" if password is None else str(password),
            )
    except (OSError, ValueError) as fault:
        raise ConfigurationError(
            f"TLS for Kafka: {fault}: check that CLEARING_KAFKA_SSL_CAFILE, ..._SSL_CERTFILE and"
            " ..._SSL_KEYFILE are PEM files, and ..._SSL_PASSWORD opens the key"
        ) from fault
    return context


def _require_trust(servers: str, context: ssl.SSLContext) -> None:
    """One server that is trusted is enough; for silent ones the client itself waits."""
    refusal: BrokerError | None = None
    for server in servers.split(","):
        try:
            _shake_hands(server, context)
        except ssl.SSLCertVerificationError as fault:
            why = fault.verify_message.rstrip(".")
            refusal = BrokerError(
                f"{server} shows a certificate that is not trusted: {why}. Name the authority"
                " that signed it in CLEARING_KAFKA_SSL_CAFILE, and the broker as its"
                " certificate does; if neither is wrong, somebody else answers there"
            )
        except (ssl.SSLError, ConnectionResetError) as fault:
            refusal = BrokerError(
                f"{server} breaks the TLS handshake off ({_reason(fault)}): it speaks no TLS, or"
                f" none that we do. Compare {_PROTOCOL} with the broker's listener"
            )
        except OSError:
            continue
        else:
            return
    if refusal is not None:
        raise refusal


def _refuse_tls(servers: str, protocol: str) -> None:
    """Say so where TLS is spoken and was not expected."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only to learn whether it is TLS: nothing is sent
    for server in servers.split(","):
        try:
            _shake_hands(server, context)
        except OSError:
            continue
        raise BrokerError(
            f"{server} speaks TLS, and {_PROTOCOL} is {protocol}: expected SSL or SASL_SSL"
        )


def _shake_hands(server: str, context: ssl.SSLContext) -> None:
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    with (
        create_connection((host, int(port)), _ANSWER_S) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        pass


def _reason(fault: OSError) -> str:
    named: object = getattr(fault, "reason", None)
    return str(named or fault.strerror or type(fault).__name__)
