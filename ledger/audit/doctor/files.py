"""Checks of the files of this machine and of the signing key: modes, and who vouches for it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ledger import settings
from ledger.audit.doctor.check import Check, bad, ok, skipped, warn
from ledger.audit.proofs.signing import ENDORSEMENT, Signer, holds, home_key
from ledger.errors import ConfigurationError
from ledger.ports import SigningKey
from ledger.store.audit.condition import Condition

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SECRET_FILES = (
    *("CLEARING_KAFKA_SSL_KEYFILE", "CLEARING_KAFKA_SSL_PASSWORD_FILE"),
    *("CLEARING_KAFKA_SASL_PASSWORD_FILE", "PGPASSFILE", "PGSSLKEY"),
)
"""Variables of the environment that name a file with a secret in it."""


def checks() -> Iterator[Check]:
    """Who may read what is secret, and change what is ours."""
    for variable in _SECRET_FILES:
        if os.environ.get(variable):
            yield secret_check(variable, Path(os.environ[variable]).expanduser())
    home = settings.home()
    if home.exists():
        yield home_check(home)
    text, file = settings.signing_key()
    if text is None:
        path = home_key() if file is None else file
        if path.exists() or file is not None:
            yield secret_check("signing key file", path)
        if path.parent.exists():
            yield home_check(path.parent)


def secret_check(name: str, path: Path) -> Check:
    """Whether others may read a file with a secret."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as fault:
        return bad(name, f"{path}: {fault.strerror}", "mend the path, or the rights of its folder")
    if mode & _OTHERS:
        return bad(name, f"{path} has mode {mode:04o}, others can read it", f"chmod 600 {path}")
    return ok(name, f"{path}, mode {mode:04o}")


def home_check(path: Path) -> Check:
    """Whether others may put their own files in place of ours."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        return bad(
            "folder", f"{path} has mode {mode:04o}, others may change it", f"chmod 755 {path}"
        )
    return ok("folder", f"{path}, mode {mode:04o}")


def key_checks(condition: Condition) -> Iterator[Check]:
    """Whether the key here signs for these books, and all their keys are vouched for."""
    known = condition.keys()
    yield endorsements_check(known)
    text, file = settings.signing_key()
    path = home_key() if file is None else file
    if text is None and file is None and not path.exists():
        yield skipped("signing key", f"none is named here, and {path} is not there yet")
        return
    try:
        own = Signer.of_file(path) if text is None else Signer.of_text(text, "CLEARING_SIGNING_KEY")
    except ConfigurationError as fault:
        yield bad("signing key", str(fault), "name the key that these books know")
        return
    yield own_key_check(own.key, known)


def own_key_check(own: bytes, known: list[SigningKey]) -> Check:
    """Whether these books know the key."""
    keys = [one.key for one in known]
    if not keys:
        return ok("signing key", "readable; these books know none yet, the first to sign is theirs")
    if own not in keys:
        return bad(
            "signing key",
            f"{own.hex()} is unknown to these books; they know {keys[-1].hex()}",
            "set CLEARING_SIGNING_KEY_FILE to theirs, or clearing key rotate",
        )
    if own != keys[-1]:
        return warn(
            "signing key",
            f"{own.hex()} was followed by {keys[-1].hex()}",
            "use the newer one here",
        )
    return ok("signing key", f"{own.hex()}, the newest that these books know")


def endorsements_check(known: list[SigningKey]) -> Check:
    """Whether each key but the first is vouched for by one before it."""
    seen: list[bytes] = []
    for one in known:
        if seen:
            by, signature = one.endorsed_by, one.signature
            if by is None or signature is None:
                return warn(
                    "endorsements",
                    f"nobody vouches for {one.key.hex()}: the key before was lost",
                    "tell everybody who verifies, by another way: clearing verify --trust",
                )
            if by not in seen or not holds(by, ENDORSEMENT + one.key, signature):
                return bad(
                    "endorsements",
                    f"the endorsement of {one.key.hex()} does not hold",
                    "believe no checkpoint of it; clearing verify --anchors FILE",
                )
        seen.append(one.key)
    return ok("endorsements", f"{len(known)} keys, each vouched for" if seen else "no key yet")
