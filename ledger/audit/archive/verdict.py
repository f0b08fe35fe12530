"""The verdict on an archive: what `ledger.audit.archive.check` finds, in the form of a report.

Its mode is `archive`, which is no mode of a database: every hash, the tree and the balances are
verified, but nothing is decided again; `clearing replay --from-archive` does that.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.audit.archive.archived import Archive
from ledger.audit.archive.check import verify_archive
from ledger.audit.archive.files import ArchiveDamaged
from ledger.audit.archive.manifest import Archived
from ledger.audit.verification.checkpoints import Anchors, trusted_keys
from ledger.audit.verification.findings import Finding
from ledger.audit.verification.verify import Scope, Verdict, anchors_of

MODE = "archive"

_NOT_DECIDED = "no event was decided again; clearing replay --from-archive does that"
_NOT_READ = "its files are not what the manifest says, so that its rows were not read"
_NO_BEGINNING = "events before {} are not in the archive: they and the tree are not verified"
_BEYOND = "{} anchors are of events after {}, where the archive ends, and were not met"


def archive_verdict(
    directory: Path,
    scope: Scope,
    on_events: Callable[[str, int, int], object] = lambda *_: None,
) -> Verdict:
    """Verify an archive from its files alone.

    Args:
        directory: Of the archive.
        scope: Of it pool, anchors and trusted keys; the rest is of databases.
        on_events: Told shard, last event read and last event to read.

    Raises:
        ConfigurationError: There is no archive, the anchors cannot be read, or pyarrow is missing.
        ArchiveDamaged: The manifest does not read as one.
    """
    anchors, digest = anchors_of(scope.anchors)
    archive = Archive.open(directory)
    ended: set[str] = set()

    def moved(pool: str, done: int, last: int) -> None:
        if done == last:
            ended.add(pool)
        on_events(pool, done, last)

    found = verify_archive(
        directory, pool=scope.pool, trust=scope.trust, anchors=anchors, on_events=moved
    )
    pools = archive.manifest.pools
    for pool in sorted({pool for pool, _ in anchors} - pools.keys()) if scope.pool is None else ():
        said = f"{scope.anchors} has checkpoints of this pool; --pool NAME verifies another alone"
        found.append(Finding(pool, 1, 2, "manifest.json", "pools", pool, "nothing", said))
    return Verdict(
        scope._replace(mode=MODE),
        (len(anchors), digest),
        _trusted(archive, scope),
        [
            _told(archive, one, anchors, is_read=one.name in ended)
            for one in pools.values()
            if scope.pool in (None, one.name)
        ],
        found,
    )


def _trusted(archive: Archive, scope: Scope) -> list[str]:
    try:
        trusted, _ = trusted_keys(archive.keys(), scope.trust)
    except ArchiveDamaged:  # found and named already
        trusted = set(scope.trust)
    return sorted(key.hex() for key in trusted)


def _told(archive: Archive, one: Archived, anchors: Anchors, *, is_read: bool) -> dict[str, Any]:
    """What was done of a pool, as `ledger.audit.verification.verify` tells it."""
    checks = ["chain", "tree", "fold"] if one.first == 1 else ["chain", "fold"]
    beyond = sum(pool == one.name and at > one.last for pool, at in anchors)
    remarks = [_NOT_DECIDED if is_read else _NOT_READ]
    if one.first > 1:
        remarks.append(_NO_BEGINNING.format(one.first))
    if beyond:
        remarks.append(_BEYOND.format(beyond, one.last))
    done = {"checks": checks, "first": one.first, "last": one.last, "seconds": None}
    return {
        "pool": one.name,
        "head": one.last,
        "chain": one.chain.hex(),
        "checkpoints": len(list(archive.checkpoints(one.shard, 0, one.last))) if is_read else 0,
        "passes": [done] if is_read else [],
        "remarks": remarks,
    }
