"""The internal controls of a pool, checked again and again: what is told of them, and to whom.

Rules of this file:

* A round that fails because database or broker are away is tried again, after longer and longer
  pauses; ten in a row end it.
* A log line says what changed; a round that finds what the one before found says nothing.
* It only reads; what is kept of it, is kept by whoever calls.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from consumers import telemetry_metrics as shown
from consumers.health import TURN_S, Answer, Page, health_page
from consumers.run import backoff_s, stopped_by_signals
from consumers.telemetry_logs import logger, without_passwords
from consumers.telemetry_metrics import CONTENT_TYPE, Metrics
from ledger.errors import LedgerError
from ledger.recon.breaks import Break
from ledger.recon.result import Control

FAILURES_MAX = 10

_log = logger(__name__)

Check = Callable[[], tuple[int, Sequence[Control], Sequence[Break]]]
"""One round: the sequence that it was taken at, the controls, and what does not hold."""


class ControlsWatch:
    """Logs, metrics and health of the controls of one pool."""

    def __init__(
        self, pool: str, every_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing was checked yet.

        Args:
            pool: Whose books.
            every_s: From the beginning of a round to that of the next.
            clock: Seconds; never goes back.
        """
        self._clock = clock
        self.metrics = Metrics()
        self.broken: Mapping[str, str] = {}
        self._pool = pool
        self._every_s = every_s
        self._rounds = 0
        self._fault: str | None = None
        self._checked_at = clock()

    def watch(self, check: Check, stop: threading.Event | None = None) -> int:
        """Check until told to stop: `stop` set, SIGTERM or SIGINT.

        Returns:
            How many rounds came to their end.

        Raises:
            LedgerError: One that no new attempt mends, or ten in a row.
        """
        stop = stop or threading.Event()
        failures = 0
        with stopped_by_signals(stop):
            while not stop.is_set():
                began = self._clock()
                try:
                    self._checked(*check())
                    failures = 0
                    pause = max(0.0, self._every_s - (self._clock() - began))
                except LedgerError as fault:
                    failures += 1
                    self._failed(fault, failures)
                    if not fault.retriable or failures > FAILURES_MAX:
                        raise
                    pause = backoff_s(failures)
                stop.wait(pause)
        return self._rounds

    def pages(self) -> dict[str, Callable[[], Page]]:
        """What is served, by path."""
        return {
            "/metrics": lambda: Page(HTTPStatus.OK, CONTENT_TYPE, self.metrics.exposition()),
            "/healthz": health_page(self._alive),
            "/readyz": health_page(self._ready),
        }

    def _checked(self, sequence: int, controls: Sequence[Control], breaks: Sequence[Break]) -> None:
        self._rounds += 1
        self._checked_at = self._clock()
        self._fault = None
        self.metrics.see(
            {
                shown.CONTROL_HOLDS: {
                    (self._pool, each.name): float(each.holds) for each in controls
                },
                shown.CONTROL_TIME: {(self._pool,): time.time()},
                shown.FAILURES: {(): 0.0},
            }
        )
        found = {each.key: each.says for each in breaks}
        where = {"pool": self._pool, "sequence": sequence}
        for key in sorted(found.keys() - self.broken.keys()):
            _log.error("control broken", **where, key=key, says=found[key])
        for key in sorted(self.broken.keys() - found.keys()):
            _log.info("control holds again", **where, key=key, said=self.broken[key])
        if self._rounds == 1:
            _log.info("controls checked", **where, controls=len(controls), broken=len(found))
        self.broken = found

    def _failed(self, fault: LedgerError, failures: int) -> None:
        self._fault = without_passwords(str(fault))
        self.metrics.see({shown.FAILURES: {(): float(failures)}})
        _log.warning("starting over", attempt=failures, fault=self._fault)

    def _alive(self) -> Answer:
        """Whether rounds come to an end, or fail and are tried again."""
        ago, allowed = self._clock() - self._checked_at, self._every_s + TURN_S
        reasons = []
        if ago > allowed and self._fault is None:
            reasons.append(f"the last round ended {ago:.0f} s ago, {allowed:.0f} s allowed")
        return not reasons, {"alive": not reasons, "reasons": reasons}

    def _ready(self) -> Answer:
        """Whether what was checked last is what there is."""
        reasons = [] if self._fault is None else [f"starting over after: {self._fault}"]
        if not self._rounds:
            reasons.append("nothing was checked yet")
        seen = {"broken": sorted(self.broken.values())}
        return not reasons, {"ready": not reasons, "reasons": reasons, **seen}
