"""Work over whole pools, done beside the requests that ask for it: bounded, fair, and given up.

Rules of this file:

* Each piece of work has a connection of its own; there are as many threads as connections.
* A caller has `CALLER_RUNS_MAX` pieces done at a time, fewer than there are threads, so that
  others are never behind all of its work. So many wait, of a caller and of all, and no more.
* What nobody has asked for in `GIVEN_UP_S` is not begun; where it runs, its statement is cancelled.
  That is looked after whenever somebody asks for anything.
* At the end all statements are cancelled, so that no thread keeps the process.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from ledger.errors import StoreUnavailable
from ledger.store.web.connections import Busy, Connection, Readers, cancel

MAKERS = 3
CALLER_RUNS_MAX = 2
CALLER_WAITS_MAX = 8
WAITING_MAX = 32
GIVEN_UP_S = 30.0

_T = TypeVar("_T")


class Job(Generic[_T]):
    """A piece of work.

    Attributes:
        future: What it leads to; cancelled where it was given up before it began.
        is_given_up: Nobody asked for it any more, or the server stops.
        began_at, ended_at: When it was worked on, by the clock of its makers.
    """

    def __init__(self, caller: str, work: Callable[[Connection], _T], now: float) -> None:
        self.future: Future[_T] = Future()
        self.is_given_up = False
        self.began_at = self.ended_at = now
        self.caller = caller
        self.work = work
        self.asked_at = now
        self.connection: Connection | None = None


class Makers:
    """Threads that do such work; safe for many threads.

    Args:
        readers: `MAKERS` connections, whose statements may take long.
        clock: Seconds that only go forward.
    """

    def __init__(self, readers: Readers, clock: Callable[[], float] = time.monotonic) -> None:
        self._readers = readers
        self._clock = clock
        self._lock = threading.RLock()
        self._waiting: list[Job[Any]] = []
        self._running: list[Job[Any]] = []
        self._threads = ThreadPoolExecutor(MAKERS, "makers")

    def begin(self, caller: str, work: Callable[[Connection], _T]) -> Job[_T]:
        """Have work done for a caller.

        Raises:
            Busy: Too much waits already.
        """
        with self._lock:
            self._give_up()
            theirs = sum(job.caller == caller for job in self._waiting)
            if theirs >= CALLER_WAITS_MAX or len(self._waiting) >= WAITING_MAX:
                raise Busy(
                    "sums over whole pools wait for each other, too many of them: come again"
                )
            job: Job[_T] = Job(caller, work, self._clock())
            self._waiting.append(job)
            self._start()
        return job

    def ask(self, job: Job[_T]) -> None:
        """Say that somebody still asks for it."""
        with self._lock:
            job.asked_at = self._clock()
            self._give_up()

    def _give_up(self) -> None:
        """End what nobody asks for."""
        bound = self._clock() - GIVEN_UP_S
        for job in [job for job in (*self._waiting, *self._running) if job.asked_at < bound]:
            self._end(job)

    def _end(self, job: Job[Any]) -> None:
        if job.is_given_up:
            return
        job.is_given_up = True
        if job in self._waiting:
            self._waiting.remove(job)
            job.future.cancel()
        elif job.connection is not None:
            cancel(job.connection)

    def _start(self) -> None:
        """Begin what may begin, in the order in which it came."""
        for job in tuple(self._waiting):
            theirs = sum(each.caller == job.caller for each in self._running)
            if len(self._running) < MAKERS and theirs < CALLER_RUNS_MAX:
                self._waiting.remove(job)
                self._running.append(job)
                self._threads.submit(self._run, job)

    def _run(self, job: Job[Any]) -> None:
        try:
            with self._readers.lent() as connection:
                found = self._done(job, connection)
        except BaseException as fault:  # noqa: BLE001 - told to whoever asks
            self._ended(job)
            job.future.set_exception(fault)
        else:
            self._ended(job)
            job.future.set_result(found)

    def _done(self, job: Job[_T], connection: Connection) -> _T:
        with self._lock:
            job.connection = connection
        job.began_at = self._clock()
        try:
            if not job.is_given_up:
                return job.work(connection)
        finally:
            with self._lock:
                job.connection = None
            if job.is_given_up:
                connection.close()  # a cancellation may still be on its way to it
        raise StoreUnavailable("nobody asked for it any more")

    def _ended(self, job: Job[Any]) -> None:
        job.ended_at = self._clock()
        with self._lock:
            self._running.remove(job)
            self._start()

    def close(self) -> None:
        """End all of it."""
        with self._lock:
            for job in (*self._waiting, *self._running):
                self._end(job)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._readers.close()
