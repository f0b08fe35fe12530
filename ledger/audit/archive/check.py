"""An archive verified from its files alone: hashes, chain, tree, sums, gaps, signatures.

How it works. Files first: those that are not what the manifest says are named, and nothing of
their pool is read. Then every event of every pool with its outcome, by the same checks as `clearing
verify` (`chain` and `fold` of `ledger.audit.verification`): each leaf made again, each link of the
chain, the Merkle tree against every checkpoint where the archive begins at event 1, entries that
sum to zero, lines, sequences and running balances without gaps.

What it cannot find: an archive rewritten as a whole, checkpoints and manifest included. For that
the checkpoints are compared with copies kept elsewhere (`anchors`), or the keys with known ones.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ledger.audit.archive import files as archive_files
from ledger.audit.archive.archived import Archive
from ledger.audit.archive.files import ArchiveDamaged, File
from ledger.audit.archive.manifest import NAME, Archived
from ledger.audit.proofs.signing import holds
from ledger.audit.verification.chain import ChainCheck, Registries, Signed, TreeCheck
from ledger.audit.verification.checkpoints import trusted_keys
from ledger.audit.verification.findings import Finding, Findings
from ledger.audit.verification.fold import FoldCheck
from ledger.codec.canonical import GENESIS
from ledger.codec.checkpoints import MalformedCheckpoint, decode_checkpoint
from ledger.ports import StoredEvent

TOLD_EVERY = 500
"""Events between two reports of progress."""


def verify_archive(
    directory: Path,
    *,
    pool: str | None = None,
    trust: Iterable[bytes] = (),
    anchors: Mapping[tuple[str, int], tuple[bytes, bytes]] | None = None,
    on_events: Callable[[str, int, int], object] = lambda *_: None,
) -> list[Finding]:
    """What is wrong with an archive; nothing, if it is good.

    Args:
        directory: Of the archive.
        pool: Only this shard; None for all.
        trust: Keys that may sign checkpoints; none: the first that the archive names.
        anchors: Checkpoints kept elsewhere: body and signature by (pool, sequence).
        on_events: Told shard, last event read and last event to read.

    Raises:
        ConfigurationError: There is no archive, or pyarrow is not installed.
        ArchiveDamaged: The manifest does not read as one.
    """
    archive = Archive.open(directory)
    found = _different_files(directory, "", archive.manifest.registries)
    if found:
        return found
    try:
        trusted, wrong = trusted_keys(archive.keys(), trust)
    except ArchiveDamaged as fault:
        return [_damaged("", fault)]
    found += wrong
    chosen = [one for one in archive.manifest.pools.values() if pool in (None, one.name)]
    if not chosen:
        found.append(
            Finding(pool or "", 0, 2, NAME, "pools", pool or "a pool", "nothing", "not archived")
        )
    for one in chosen:
        files = [*one.registries, *(file for part in one.parts for file in part.files)]
        wrong = _different_files(directory, one.name, files)
        if not wrong:
            kept = {
                at: body for (name, at), (body, _) in (anchors or {}).items() if name == one.name
            }
            try:
                wrong = _PoolCheck(archive, one, trusted, kept, on_events).run()
            except ArchiveDamaged as fault:
                wrong = [_damaged(one.name, fault)]
        found += wrong
    return found


class _PoolCheck:
    """One shard of an archive."""

    def __init__(
        self,
        archive: Archive,
        archived: Archived,
        trusted: set[bytes],
        anchors: Mapping[int, bytes],
        on_events: Callable[[str, int, int], object],
    ) -> None:
        self._archive = archive
        self._archived = archived
        self._trusted = trusted
        self._anchors = anchors
        self._on_events = on_events
        self._found = Findings(archived.name)
        self._seams = {part.last: part.chain for part in archived.parts}

    def run(self) -> list[Finding]:
        one, number = self._archived, self._archived.shard
        self._check_parts()
        signed = self._checkpoints()
        registries = Registries(self._archive.accounts(number), self._archive.commodities(number))
        whole = one.first == 1
        before = one.parts[0].chain_before
        chain = ChainCheck(one.name, registries, before)
        fold = FoldCheck(one.name, registries, {} if whole else None, signed)
        tree = TreeCheck(one.name, signed) if whole else None
        by_sequence = {met.checkpoint.sequence: met.checkpoint.chain for met in signed}
        expected = one.first
        for entry in self._archive.entries(number, one.first, one.last):
            event = entry.event
            self._check_event(event, expected, by_sequence)
            chain.take(entry)
            fold.take(entry)
            if tree is not None:
                tree.take(event.sequence, event.leaf, event.chain)
            expected = event.sequence + 1
            if event.sequence % TOLD_EVERY == 0 or event.sequence == one.last:
                self._on_events(one.name, event.sequence, one.last)
        if expected != one.last + 1:
            self._add(expected, "event", "sequence", expected, None, "the archive ends before")
        for table, sequence, line in self._archive.strays:
            self._add(sequence, table, "sequence", "an event", line, "a row of no event")
        self._archive.strays.clear()
        chain.end(at_head=one.head is not None)
        if tree is not None and one.head is not None:
            tree.end(one.chain, one.head.frontier)
        self._end_fold(fold)
        checks = (chain, fold) if tree is None else (chain, tree, fold)
        found = {*self._found.all}.union(*(check.found.all for check in checks))
        return sorted(found, key=lambda each: (each.sequence == 0, *each[1:]))

    def _check_parts(self) -> None:
        """Parts follow each other, and the registries belong to the last of them."""
        one = self._archived
        said = "the parts of the manifest do not follow each other"
        if one.first == 1:
            self._differ(0, "chain_before", GENESIS, one.parts[0].chain_before, said)
        for before, after in zip(one.parts, one.parts[1:], strict=False):
            self._differ(after.first, "first", before.last + 1, after.first, said)
            self._differ(after.first, "chain_before", before.chain, after.chain_before, said)
        said = "the export was interrupted: run it again"
        self._differ(one.last, "registered", one.last, one.registered, said)

    def _check_event(
        self, event: StoredEvent, expected: int, by_sequence: Mapping[int, bytes]
    ) -> None:
        at = event.sequence
        if at != expected:
            self._add(expected, "event", "sequence", expected, at, "rows of events are missing")
        if at in self._seams:
            said = "the manifest says so of the end of this part"
            self._found.differ(at, "event", "chain", self._seams[at], event.chain, said, 2)
        if at in by_sequence:
            said = "the checkpoint says so of this event"
            self._found.differ(at, "event", "chain", by_sequence[at], event.chain, said, 2)

    def _checkpoints(self) -> list[Signed]:
        """Those that can be read, with what is wrong with them and with copies kept elsewhere."""
        signed = []
        left = dict(self._anchors)
        for row in self._archive.checkpoints(self._archived.shard, 0, self._archived.last):
            at = row.sequence
            if not holds(row.key, row.body, row.signature):
                said = f"not signed by key {row.key.hex()}"
                self._add(at, "checkpoint", "signature", "a signature", row.signature, said)
            if row.key not in self._trusted:
                said = "no endorsement leads to this key from one that is trusted"
                self._add(at, "checkpoint", "key", "a trusted key", row.key, said)
            kept = left.pop(at, row.body)
            said = "another one was kept elsewhere: the archive was rewritten"
            self._found.differ(at, "checkpoint", "body", kept, row.body, said, 2)
            try:
                signed.append(Signed(decode_checkpoint(row.body), "checkpoint"))
            except MalformedCheckpoint as fault:
                self._add(at, "checkpoint", "body", "a checkpoint", row.body, str(fault))
        for at in left:
            if at <= self._archived.last:
                self._add(at, "checkpoint", "sequence", at, None, "one was kept elsewhere")
        return signed

    def _end_fold(self, fold: FoldCheck) -> None:
        one, head = self._archived, self._archived.head
        offsets = (
            None
            if head is None
            else {(*source, partition): end for source, partition, end in head.offsets}
        )
        shard = next(
            shard for shard in self._archive.heads().shards if shard.shard == self._archived.shard
        )
        fold.end(one.last, offsets, shard)

    def _add(
        self, at: int, table: str, field: str, expected: object, found: object, says: str
    ) -> None:
        self._found.add(at, table, field, expected, found, says)

    def _differ(self, at: int, field: str, expected: object, found: object, says: str) -> None:
        self._found.differ(at, NAME, field, expected, found, says, 2)


def _different_files(directory: Path, pool: str, files: Iterable[File]) -> list[Finding]:
    """Files that are not what the manifest says."""
    found = Findings(pool)
    for file in files:
        try:
            digest = archive_files.sha256(directory / file.path)
        except ArchiveDamaged as fault:
            found.add(0, file.table, file.path, file.sha256, None, str(fault))
        else:
            said = "the file is not the one that was exported"
            found.differ(0, file.table, file.path, file.sha256, digest, said)
    return found.all


def _damaged(pool: str, fault: ArchiveDamaged) -> Finding:
    return Finding(pool, 0, 2, NAME, "files", "an archive", "damage", str(fault))
