"""Making checkpoints of a shard at its head, and copies of them for elsewhere.

Rules of this file:

* A checkpoint says nothing that the log does not hold: chain, pool time and rules are those of the
  stored event, root and sums those of the head and the state after it.
* One follows another: who comes second looks again, and finds it made or follows it.
* A copy that differs from the books is never overwritten; it is what copies are for.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ledger.arrivals import UNROUTED
from ledger.audit.proofs.signing import ENDORSEMENT, Signer
from ledger.codec import merkle
from ledger.codec.checkpoints import (
    FIRST,
    NO_STATE,
    Checkpoint,
    MalformedCheckpoint,
    asset_sums,
    body_hash,
    checkpoint_line,
    decode_checkpoint,
    encode_checkpoint,
    read_line,
)
from ledger.codec.states import encode_state
from ledger.core.state import State
from ledger.errors import ConfigurationError, LedgerError
from ledger.ports import Log, Shard, SignedCheckpoint, SigningKey
from ledger.recovery import restore
from ledger.store.log.postgres import PostgresLog

_ATTEMPTS_MAX = 5


class CopiesDiffer(LedgerError):
    """A checkpoint kept elsewhere is not the one of these books: one of the two was altered."""


class Sealer:
    """Signs checkpoints; `ledger.ports.Seal`."""

    def __init__(self, signer: Signer) -> None:
        """Sign with this key."""
        self._signer = signer

    @property
    def key(self) -> bytes:
        """The public key."""
        return self._signer.key

    def prepare(self, log: Log) -> None:
        """Make the key known where it is the first.

        Raises:
            ConfigurationError: These books know others, and not this one.
        """
        log.add_signing_key(SigningKey(self.key, None, None))
        known = [one.key for one in log.signing_keys()]
        if self.key not in known:
            raise ConfigurationError(
                f"these books are signed by key {known[-1].hex()}, this is {self.key.hex()}: set"
                " CLEARING_SIGNING_KEY_FILE to that key; or let it vouch for a new one with"
                " `clearing key rotate`; or, where it is lost, `clearing key rotate --lost`"
            )

    def seal(self, log: Log, shard: Shard, state: State | None, kept: bytes) -> None:
        """Make a checkpoint at the head, unless there is one."""
        head = shard.next_sequence - 1
        for _ in range(_ATTEMPTS_MAX):
            before = log.latest_checkpoint(shard.shard)
            after = 0 if before is None else before.sequence
            if after >= head:
                return
            body = self._body(log, shard, state, kept, before)
            made = SignedCheckpoint(head, body, self.key, self._signer.sign(body))
            if log.save_checkpoint(shard.shard, made, after):
                return
        raise LedgerError(f"{shard.name}: {_ATTEMPTS_MAX} checkpoints came in between: try again")

    def _body(
        self,
        log: Log,
        shard: Shard,
        state: State | None,
        kept: bytes,
        before: SignedCheckpoint | None,
    ) -> bytes:
        last = log.event(shard.shard, shard.next_sequence - 1)
        assert last is not None, f"{shard.name}: event {shard.next_sequence - 1} is not in the log"
        assert last.chain == shard.chain, f"{shard.name}: the head has another chain than its event"
        return encode_checkpoint(
            Checkpoint(
                pool=shard.name,
                sequence=last.sequence,
                chain=last.chain,
                root=merkle.root(merkle.unpacked(shard.frontier)),
                state_hash=NO_STATE if state is None else hashlib.sha256(kept).digest(),
                pool_time=last.pool_time,
                rules=last.rules,
                sums=() if state is None else asset_sums(state),
                previous=FIRST if before is None else body_hash(before.body),
                key=self.key,
            )
        )


def seal_heads(log: PostgresLog, sealer: Sealer, pool: str | None) -> None:
    """Make a checkpoint of every shard at its head, or of one; a live writer may go on meanwhile.

    Args:
        log: Of nobody else.
        sealer: Prepared.
        pool: Name of the shard; None for all.

    Raises:
        ConfigurationError: There is no such shard.
    """
    names = [shard.name for shard in log.shards()]
    if pool is not None and pool not in names:
        raise ConfigurationError(f"pool {pool} is not in these books: {', '.join(names) or 'none'}")
    for name in names if pool is None else [pool]:
        with log.at_one_moment():
            shard = next(one for one in log.shards() if one.name == name)
            state = None if name.startswith(UNROUTED) else restore(log, shard)[0]
        if shard.next_sequence > 1:
            sealer.seal(log, shard, state, b"" if state is None else encode_state(state))


def append_copies(log: PostgresLog, path: Path, pool: str | None) -> int:
    """Add to a file the checkpoints that it does not have yet; returns how many.

    Args:
        log: The books.
        path: One JSON object a line; made where it is missing.
        pool: Name of the shard; None for all.

    Raises:
        ConfigurationError: The file cannot be read or written.
        CopiesDiffer: It has a checkpoint that is not the one of these books.
    """
    try:
        kept = dict(read_copies(path)) if path.exists() else {}
        lines = []
        for shard in log.shards():
            if pool in (None, shard.name):
                for made in log.checkpoints(shard.shard):
                    copy = kept.get((shard.name, made.sequence))
                    if copy is None:
                        lines.append(
                            checkpoint_line(made.body, made.signature, log.scales(shard.shard))
                        )
                    elif copy[0] != made.body:
                        raise CopiesDiffer(
                            f"{path} has another checkpoint of {shard.name} at {made.sequence}"
                            f" than these books: keep it, and `clearing verify --anchors {path}`"
                        )
        with path.open("a", encoding="ascii") as file:
            file.writelines(line + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as fault:
        raise ConfigurationError(f"{path}: {fault.strerror}") from fault
    return len(lines)


def read_copies(path: Path) -> Iterator[tuple[tuple[str, int], tuple[bytes, bytes]]]:
    """Checkpoints of a file: (pool, sequence), and body with signature.

    Raises:
        ConfigurationError: A line is no checkpoint.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    body, signature = read_line(line)
                except MalformedCheckpoint as fault:
                    raise ConfigurationError(f"{path}, line {number}: {fault}") from fault
                found = decode_checkpoint(body)
                yield (found.pool, found.sequence), (body, signature)


def endorsed(old: Signer, new: Signer) -> SigningKey:
    """The new key, vouched for by the old one."""
    return SigningKey(new.key, old.key, old.sign(ENDORSEMENT + new.key))
