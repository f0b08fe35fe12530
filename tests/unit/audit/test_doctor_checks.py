"""Verdicts of the doctor at their bounds, for what no test server can be made to be."""

import pytest

from ledger.audit.doctor.check import Verdict, listed
from ledger.audit.doctor.server import (
    SETTINGS,
    clock_check,
    disk_check,
    encryption_check,
    setting_check,
    version_check,
)
from ledger.store.audit.condition import Clock

GIB = 1024**3


@pytest.mark.parametrize(
    ("version", "verdict"), [(180_000, Verdict.OK), (170_009, Verdict.BAD), (190_002, Verdict.OK)]
)
def test_postgresql_18_is_the_oldest(version: int, verdict: Verdict) -> None:
    assert version_check(version).verdict is verdict


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("fsync", "on", Verdict.OK),
        ("fsync", "off", Verdict.BAD),
        ("synchronous_commit", "remote_apply", Verdict.OK),
        ("synchronous_commit", "local", Verdict.BAD),
        ("min_wal_size", "1GB", Verdict.OK),
        ("min_wal_size", "80MB", Verdict.WARN),
        ("max_wal_size", "4GB", Verdict.OK),
        ("max_wal_size", "4095MB", Verdict.WARN),
        ("max_wal_size", "1TB", Verdict.OK),
        ("max_wal_size", "512kB", Verdict.WARN),
        ("shared_buffers", "1GB", Verdict.OK),
        ("shared_buffers", "128MB", Verdict.WARN),
        ("archive_mode", "off", Verdict.WARN),
        ("server_encoding", "SQL_ASCII", Verdict.BAD),
        ("transaction_timeout", None, Verdict.SKIPPED),
    ],
)
def test_a_setting_is_vital_or_costs_something(
    name: str, value: str | None, verdict: Verdict
) -> None:
    (setting,) = [one for one in SETTINGS if one.name == name]
    assert setting_check(setting, value).verdict is verdict


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(20, Verdict.OK), (19, Verdict.WARN), (5, Verdict.WARN), (4, Verdict.BAD)],
)
def test_a_disk_is_full_before_it_is_full(free: int, verdict: Verdict) -> None:
    assert disk_check(free * GIB, 100 * GIB, "/data").verdict is verdict


@pytest.mark.parametrize(
    ("ahead", "uncertain", "verdict"),
    [
        (1.0, 0.0, Verdict.OK),
        (-1.1, 0.0, Verdict.WARN),
        (1.1, 0.2, Verdict.OK),
        (30.0, 0.0, Verdict.WARN),
        (-31.0, 0.5, Verdict.BAD),
    ],
)
def test_a_clock_is_judged_beyond_what_the_question_took(
    ahead: float, uncertain: float, verdict: Verdict
) -> None:
    assert clock_check(Clock(ahead, uncertain)).verdict is verdict


def test_a_connection_in_the_clear_over_a_network_is_a_warning() -> None:
    assert encryption_check(is_local=False, is_encrypted=False).verdict is Verdict.WARN
    assert encryption_check(is_local=False, is_encrypted=True).verdict is Verdict.OK
    assert encryption_check(is_local=True, is_encrypted=False).verdict is Verdict.OK


def test_a_long_list_says_how_many_more() -> None:
    assert listed(["a", "b", "c"], at_most=2) == "a, b and 1 more"
    assert listed(["a", "b"], at_most=2) == "a, b"
