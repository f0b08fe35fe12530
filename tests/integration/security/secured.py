"""Certificates of a test's own, and an Apache Kafka that asks for TLS, a password and rights."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from consumers.embedded import free_port
from tests.integration.consume.apache import ApacheKafka

USER, PASSWORD = "clearing", "correct-horse-battery"
STRANGER = "stranger"


class Authority:
    """An authority that signs certificates; `certificate` is its own, as PEM."""

    def __init__(self, folder: Path, name: str) -> None:
        """Make it, and write `name.pem`."""
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = (
            _unsigned(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, hosts: Iterable[str], *, days: int = 1) -> tuple[Path, Path]:
        """Files of a key and of a certificate for these hosts, names or addresses.

        Args:
            name: Of the files and of the subject.
            hosts: That it is good for.
            days: From now on; negative: it is over.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signed = (
            _unsigned(subject, self._name, key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        of_key, of_certificate = self._folder / f"{name}.key", self._folder / f"{name}.crt"
        of_key.touch(0o600)
        of_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        of_certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return of_key, of_certificate


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int = 1
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _resource(kind: str, name: str) -> str:
    return "kafka-cluster" if kind == "CLUSTER" else name


class SecuredKafka(ApacheKafka):
    """One node: `secured` speaks SASL_SSL, `bootstrap_servers` is open and for its administrator.

    `USER` and `STRANGER` have the password `PASSWORD`; the stranger has no rights.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        """Start it, its certificate signed by the authority."""
        self.secured = f"127.0.0.1:{free_port()}"
        key, certificate = authority.issue("broker", ["127.0.0.1"])
        self._store = folder / "broker.pem"
        self._store.write_bytes(key.read_bytes() + certificate.read_bytes())
        super().__init__()
        self.admit(USER, {kind: ("*", ["ALL"]) for kind in ("TOPIC", "GROUP", "CLUSTER")})
        self.admit(STRANGER, {})

    def admit(self, user: str, rights: Mapping[str, tuple[str, Sequence[str]]]) -> None:
        """Make a user with the password `PASSWORD`.

        Args:
            user: Its name.
            rights: By kind of resource: a name, where `*` is any, and operations.
        """
        client = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        lists = [
            ACL(
                f"User:{user}",
                "*",
                ACLOperation[operation],
                ACLPermissionType.ALLOW,
                ResourcePattern(ResourceType[kind.partition(" ")[0]], _resource(kind, name)),
            )
            for kind, (name, operations) in rights.items()
            for operation in operations
        ]
        try:
            client.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, PASSWORD)]
            )
            if lists:
                client.create_acls(lists)
        finally:
            client.close()

    def _settings(self) -> str:
        plain = super()._settings()
        said = dict(line.split("=", 1) for line in plain.splitlines())
        said["listeners"] += f",SECURED://{self.secured}"
        said["advertised.listeners"] += f",SECURED://{self.secured}"
        said["listener.security.protocol.map"] += ",SECURED:SASL_SSL"
        module = "org.apache.kafka.common.security"
        users = " ".join(f'user_{user}="{PASSWORD}"' for user in (USER, STRANGER))
        said |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.secured.scram-sha-512.sasl.jaas.config": (
                f"{module}.scram.ScramLoginModule required;"
            ),
            "listener.name.secured.plain.sasl.jaas.config": (
                f"{module}.plain.PlainLoginModule required {users};"
            ),
            "listener.name.secured.ssl.keystore.type": "PEM",
            "listener.name.secured.ssl.keystore.location": str(self._store),
        }
        return "\n".join(f"{name}={value}" for name, value in said.items())
