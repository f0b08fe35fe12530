"""Checks of the PostgreSQL server: version, settings, clock, disk."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ledger.audit.doctor.check import Check, bad, ok, skipped, warn
from ledger.store.audit.condition import Clock, Condition

VERSION_MIN = 180_000
SKEW_WARN_S, SKEW_BAD_S = 1.0, 30.0
FREE_WARN, FREE_BAD = 0.20, 0.05
WAL_MIN_MB = 4_096
WAL_KEPT_MB = 1_024
BUFFERS_MIN_MB = 1_024

_GIB = 1024**3


class Setting(NamedTuple):
    """A setting that matters.

    Attributes:
        name: Of PostgreSQL.
        is_right: Tells whether a value is.
        judge: `bad` where a wrong one breaks a promise; `warn` where it costs speed or comfort.
        why: What a wrong one leads to.
        todo: What to do about it.
    """

    name: str
    is_right: Callable[[str], bool]
    judge: Callable[[str, str, str], Check]
    why: str
    todo: str


def _is(*values: str) -> Callable[[str], bool]:
    return lambda found: found in values


def _megabytes(shown: str) -> float:
    """A size as PostgreSQL shows it: 512MB, 16GB."""
    units = {"TB": 1024.0 * 1024, "GB": 1024.0, "MB": 1.0, "kB": 1 / 1024, "B": 1 / 1024**2}
    for unit, size in units.items():
        if shown.endswith(unit):
            return float(shown.removesuffix(unit)) * size
    return float(shown) / 1024**2


SETTINGS = (
    Setting(
        "fsync", _is("on"), bad, "a power cut corrupts the books", "ALTER SYSTEM SET fsync = on"
    ),
    Setting(
        "synchronous_commit",
        _is("on", "remote_apply", "remote_write"),
        bad,
        "a crash loses batches whose dead letters and offsets were told already",
        "set it to on, for the server or for the login",
    ),
    Setting(
        "full_page_writes",
        _is("on"),
        bad,
        "a crash tears pages",
        "ALTER SYSTEM SET full_page_writes = on",
    ),
    Setting(
        "session_replication_role",
        _is("origin"),
        bad,
        "triggers that are not ALWAYS do not fire",
        "set it to origin",
    ),
    Setting(
        "server_encoding", _is("UTF8"), bad, "names may not fit", "make the database anew in UTF8"
    ),
    Setting(
        "data_checksums",
        _is("on"),
        warn,
        "a rotten page is only found by clearing verify",
        "pg_checksums --enable, the server stopped",
    ),
    Setting(
        "autovacuum",
        _is("on"),
        warn,
        "heads and offsets bloat",
        "ALTER SYSTEM SET autovacuum = on",
    ),
    Setting(
        "max_wal_size",
        lambda found: _megabytes(found) >= WAL_MIN_MB,
        warn,
        "checkpoints come too often under load",
        "ALTER SYSTEM SET max_wal_size = '8GB'",
    ),
    Setting(
        "min_wal_size",
        lambda found: _megabytes(found) >= WAL_KEPT_MB,
        warn,
        "after quiet hours commits wait for new files of WAL, 100 ms each",
        "ALTER SYSTEM SET min_wal_size = '2GB'",
    ),
    Setting(
        "shared_buffers",
        lambda found: _megabytes(found) >= BUFFERS_MIN_MB,
        warn,
        "the newest postings of many accounts do not fit: writing slows as books grow",
        "ALTER SYSTEM SET shared_buffers = '1GB' or a quarter of the memory, and restart",
    ),
    Setting(
        "archive_mode",
        _is("on", "always"),
        warn,
        "no restore to a moment before a mistake",
        "docs/operating/restore.md",
    ),
    Setting(
        "transaction_timeout",
        _is("0"),
        warn,
        "a migration or a long verification is cut off",
        "set it for other logins only",
    ),
)


def checks(condition: Condition) -> Iterator[Check]:
    """All checks of the server."""
    yield version_check(condition.version())
    found = condition.settings([setting.name for setting in SETTINGS])
    for setting in SETTINGS:
        yield setting_check(setting, found.get(setting.name))
    yield encryption_check(is_local=condition.is_local(), is_encrypted=condition.is_encrypted())
    yield clock_check(condition.clock())
    yield _disk(condition)


def version_check(version: int) -> Check:
    """Whether the server is new enough."""
    said = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version < VERSION_MIN:
        return bad("PostgreSQL", f"{said}, expected 18 or later", "upgrade the server")
    return ok("PostgreSQL", said)


def setting_check(setting: Setting, found: str | None) -> Check:
    """Whether a setting is right; None: the server has none of this name."""
    name = f"setting {setting.name}"
    if found is None:
        return skipped(name, "this server has none")
    if setting.is_right(found):
        return ok(name, found)
    return setting.judge(name, f"{found}: {setting.why}", setting.todo)


def encryption_check(*, is_local: bool, is_encrypted: bool) -> Check:
    """Whether the way to the server is private."""
    if is_encrypted:
        return ok("encryption", "TLS")
    if is_local:
        return ok("encryption", "none needed: the server is on this machine")
    return warn(
        "encryption", "the connection to the database is in the clear", "sslmode=verify-full"
    )


def clock_check(clock: Clock) -> Check:
    """Whether the server's clock is ours. Nothing in the books depends on it, but lags do."""
    skew = abs(clock.ahead_s)
    said = (
        f"the database's is {clock.ahead_s:+.3f} s from ours, give or take {clock.uncertain_s:.3f}"
    )
    if skew - clock.uncertain_s <= SKEW_WARN_S:
        return ok("clock", said)
    verdict = bad if skew - clock.uncertain_s > SKEW_BAD_S else warn
    return verdict(
        "clock", said, "synchronize both by NTP: lags and backups by time are wrong else"
    )


def disk_check(free: int, total: int, where: str) -> Check:
    """Whether there is room; sizes in bytes."""
    said = f"{free / _GIB:.1f} GiB of {total / _GIB:.1f} free under {where}"
    if free >= FREE_WARN * total:
        return ok("disk", said)
    verdict = warn if free >= FREE_BAD * total else bad
    return verdict("disk", said, "make room, or detach old partitions: docs/operating/archive.md")


def _disk(condition: Condition) -> Check:
    directory = condition.files_directory()
    if not condition.is_local():
        return skipped("disk", "the server is on another machine: look there")
    if directory is None:
        return skipped(
            "disk", "this login may not know where the files are", "pg_read_all_settings"
        )
    try:
        usage = shutil.disk_usage(Path(directory))
    except OSError as fault:
        return skipped("disk", f"{directory}: {fault.strerror}")
    return disk_check(usage.free, usage.total, directory)
