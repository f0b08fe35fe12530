"""A verification that runs beside the console, in a process of its own, one at a time.

Deciding every event again keeps a processor busy for as long as it takes; in the server's own
process it would make every page wait. The process is asked for nothing but its progress, and ends
with the server.
"""

import multiprocessing
import threading
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pickle import UnpicklingError
from typing import Any

from ledger.audit.verification.report import report
from ledger.audit.verification.verify import MODES, Scope
from ledger.audit.verification.verify import verify as verified
from ledger.errors import ConfigurationError
from ledger.settings import masked
from ledger.web.problems import in_words

_TOLD_EVERY = 2_000


class Running:
    """A run, and what is known of it so far.

    Attributes:
        mode, pool: What was asked for.
        by: Who asked.
        total, done: Events of all passes together; total None until they are planned.
        report: As `clearing verify --report` writes it; None while it runs.
        fault: Why it ended without one.
    """

    def __init__(self, url: str, mode: str, pool: str | None, by: str) -> None:
        """Start it."""
        self.mode = mode
        self.pool = pool
        self.by = by
        self.began = datetime.now(UTC)
        self.ended: datetime | None = None
        self.total: int | None = None
        self.done = 0
        self.report: dict[str, Any] | None = None
        self.fault: str | None = None
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        self._child: BaseProcess = context.Process(
            target=_run, args=(theirs, url, mode, pool, self.began), daemon=True
        )
        self._child.start()
        theirs.close()
        threading.Thread(target=self._listen, args=(ours,), daemon=True).start()

    @property
    def is_running(self) -> bool:
        """It has not ended yet."""
        return self.ended is None

    def _listen(self, pipe: "Connection[Any, Any]") -> None:
        try:
            while self.ended is None:
                self._hear(*pipe.recv())
        except (EOFError, OSError, UnpicklingError):
            self.fault = "the verification ended without a verdict: it was stopped from outside"
        finally:
            self.ended = self.ended or datetime.now(UTC)
            pipe.close()
            self._child.join()

    def _hear(self, what: str, told: Any) -> None:  # noqa: ANN401 - what the process sent
        match what:
            case "plan":
                self.total = told
            case "events":
                self.done += told
            case "report":
                self.report = told
                self.ended = datetime.now(UTC)
            case _:
                self.fault = told
                self.ended = datetime.now(UTC)

    def stop(self) -> None:
        """End it without a verdict."""
        self._child.terminate()


class Verifier:
    """The last run that was asked for; one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.latest: Running | None = None

    def start(self, url: str, mode: str, pool: str | None, by: str) -> Running:
        """Begin a run.

        Raises:
            ConfigurationError: There is no such mode, or a run is under way.
        """
        if mode not in MODES:
            raise ConfigurationError(f"mode {mode!r}: expected {', '.join(MODES)}")
        with self._lock:
            if self.latest is not None and self.latest.is_running:
                raise ConfigurationError(
                    f"a verification that {self.latest.by} began still runs; wait for it or stop it"
                )
            self.latest = Running(url, mode, pool, by)
            return self.latest


def _run(pipe: "Connection[Any, Any]", url: str, mode: str, pool: str | None, began: Any) -> None:  # noqa: ANN401
    """In the process: verify, and tell."""
    waiting = 0

    def on_events(count: int) -> None:
        nonlocal waiting
        waiting += count
        if waiting >= _TOLD_EVERY:
            pipe.send(("events", waiting))
            waiting = 0

    try:
        verdict = verified(
            url, Scope(mode, pool), lambda total: pipe.send(("plan", total)), on_events
        )
        pipe.send(("events", waiting))
        pipe.send(("report", report(verdict, began, datetime.now(UTC), masked(url), None)))
    except Exception as fault:  # noqa: BLE001 - told to whoever watches
        pipe.send(("fault", in_words(fault)))
