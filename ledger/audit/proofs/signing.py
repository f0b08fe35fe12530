"""Ed25519 keys: who signs checkpoints and reports, and whether a signature holds.

The one place that knows the library `cryptography`.

    CLEARING_SIGNING_KEY        the 32 byte seed, in hex
    CLEARING_SIGNING_KEY_FILE   a file with the same, readable by its owner only
    neither                     CLEARING_HOME/signing.key, made at its first use

Left out: hardware keys. Whoever has one signs copies of the checkpoints with it.
"""

import os
import secrets
import stat
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger import settings
from ledger.errors import ConfigurationError

SEED_LENGTH = 32

KEY_FILE = "signing.key"

ENDORSEMENT = b"clearing key"
"""What stands before a new key in the bytes that the old one signs."""


class Signer:
    """A key that signs.

    Attributes:
        key: Its public half, 32 bytes.
    """

    def __init__(self, seed: bytes) -> None:
        """Use the key of a seed of 32 bytes."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = self._private.public_key().public_bytes_raw()

    @classmethod
    def of_text(cls, text: str, where: str) -> Self:
        """The key of a seed in hex.

        Args:
            text: 64 hex digits.
            where: Where it stood, for the message.

        Raises:
            ConfigurationError: It is not a seed.
        """
        try:
            seed = bytes.fromhex(text.strip())
        except ValueError:
            seed = b""
        if len(seed) != SEED_LENGTH:
            raise ConfigurationError(
                f"{where} holds no signing key: expected {2 * SEED_LENGTH} hex digits"
            )
        return cls(seed)

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """The key of a file that only its owner can read.

        Raises:
            ConfigurationError: It is not there, is open to others, or holds no seed.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigurationError(f"signing key {path}: {fault}") from fault
        if mode & 0o077:
            raise ConfigurationError(
                f"signing key {path} has mode {mode:04o}, others can read it: chmod 600 {path}"
            )
        return cls.of_text(text, str(path))

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self._private.sign(message)


def holds(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the key's signature over the message."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signer(home: Path | None = None, *, may_make: bool = True) -> Signer:
    """The key of the surroundings.

    Args:
        home: Where it is, or is made, when none is named; None: CLEARING_HOME.
        may_make: False where another one signs these books already.

    Raises:
        ConfigurationError: What is named is no key, or none is there and none may be made.
    """
    text, path = settings.signing_key()
    if text is not None:
        return Signer.of_text(text, "CLEARING_SIGNING_KEY")
    if path is not None:
        return Signer.of_file(path)
    path = home_key() if home is None else home / KEY_FILE
    if not path.exists():
        if not may_make:
            raise ConfigurationError(
                f"these books are signed already, and no key is at {path}: set"
                " CLEARING_SIGNING_KEY_FILE to the one that signs them; where it is lost,"
                " `clearing key rotate --lost`"
            )
        made = make_key(path)
        sys.stderr.write(
            f"clearing: made the signing key {path}, public {made.key.hex()}; keep a copy of it\n"
        )
    return Signer.of_file(path)


def home_key() -> Path:
    """Where a key is made that nobody named."""
    return settings.home() / KEY_FILE


def make_key(path: Path) -> Signer:
    """A new key in a new file, which is never seen half written.

    Raises:
        ConfigurationError: The file is there, or cannot be written.
    """
    seed = secrets.token_bytes(SEED_LENGTH)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=path.parent, prefix=".key-") as file:  # mode 0600
            file.write(seed.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
            path.hardlink_to(file.name)  # whole or not at all, and never over another
    except FileExistsError:
        raise ConfigurationError(f"{path} is there: a key is never overwritten") from None
    except OSError as fault:
        raise ConfigurationError(f"signing key {path}: {fault}") from fault
    return Signer(seed)
