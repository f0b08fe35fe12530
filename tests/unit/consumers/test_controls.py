"""Internal controls again and again: what is logged and shown of them, and what ends it."""

import json
import logging
import threading
from collections.abc import Sequence
from decimal import Decimal

import pytest

from consumers import controls as watching
from consumers.controls import Check, ControlsWatch
from consumers.health import TURN_S
from ledger.errors import ConfigurationError, LedgerError, StoreUnavailable
from ledger.recon.breaks import Break
from ledger.recon.result import Control

BROKEN = Break(
    "control", "critical", "internal", "main", "zero_sum USD", "", "USD", Decimal(1), Decimal(0),
    (), (), None, "2 balances of USD sum to 1, not 0",
)  # fmt: skip
Round = tuple[int, Sequence[Control], Sequence[Break]]
AWAY = StoreUnavailable("the server hung up")


def found(*breaks: Break) -> Round:
    controls = (
        Control("zero_sum", not breaks, 2, "sums"),
        Control("custody", holds=True, checked=1, says="agrees"),
    )
    return 7, controls, breaks


def rounds(stop: threading.Event, *told: Round | LedgerError) -> Check:
    """A check that tells these one after another, and then has it stop."""
    left = list(told)

    def check() -> Round:
        each = left.pop(0)
        if not left:
            stop.set()
        if isinstance(each, LedgerError):
            raise each
        return each

    return check


def watched(*told: Round | LedgerError) -> tuple[ControlsWatch, int]:
    stop = threading.Event()
    watch = ControlsWatch("main", 0.001)
    return watch, watch.watch(rounds(stop, *told), stop)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "backoff_s", lambda _: 0.001)


def test_only_changes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _, count = watched(found(), found(BROKEN), found(BROKEN), found(), found())
    assert count == 5
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("INFO", "controls checked"),
        ("ERROR", "control broken"),
        ("INFO", "control holds again"),
    ]


def test_what_was_found_last_is_shown_by_control_with_its_time() -> None:
    watch, _ = watched(found(), found(BROKEN))
    shown = watch.metrics.exposition().decode().splitlines()
    assert 'clearing_control_holds{control="zero_sum",pool="main"} 0.0' in shown
    assert 'clearing_control_holds{control="custody",pool="main"} 1.0' in shown
    (at,) = (line for line in shown if line.startswith("clearing_control_timestamp_seconds{"))
    assert float(at.rpartition(" ")[2]) > 1.7e9
    assert b"clearing_control" in watch.pages()["/metrics"]().body


def test_a_database_that_is_away_is_tried_again() -> None:
    watch, count = watched(AWAY, AWAY, found())
    assert count == 1
    assert watch.pages()["/readyz"]().status == 200
    assert "clearing_failures_in_a_row 0.0" in watch.metrics.exposition().decode()


def test_it_is_not_ready_before_the_first_round_and_while_rounds_fail() -> None:
    assert ControlsWatch("main", 60).pages()["/readyz"]().status == 503
    watch, _ = watched(found(), AWAY)
    page = watch.pages()["/readyz"]()
    assert page.status == 503
    assert "the server hung up" in json.loads(page.body)["reasons"][0]
    assert watch.pages()["/healthz"]().status == 200, "it goes on trying"


def test_it_is_not_alive_where_a_round_does_not_end() -> None:
    now = [0.0]
    watch = ControlsWatch("main", 60, clock=lambda: now[0])
    assert watch.pages()["/healthz"]().status == 200
    now[0] = 60 + TURN_S + 1
    page = watch.pages()["/healthz"]()
    assert page.status == 503
    assert json.loads(page.body)["reasons"] == ["the last round ended 181 s ago, 180 s allowed"]


def test_what_no_attempt_mends_ends_it_and_so_do_too_many_failures() -> None:
    with pytest.raises(ConfigurationError, match="no such pool"):
        watched(ConfigurationError("no such pool"), found())
    with pytest.raises(StoreUnavailable):
        watched(*[AWAY] * 20)
