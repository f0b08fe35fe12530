"""Work over whole pools, done beside the requests that ask for it: bounded, fair, and given up.

Rules of this file:

* Each piece of work has a connection of its own; there are as many threads as connections.
* A caller has `CALLER_RUNS_MAX` pieces done at a time, fewer than there are threads, so that
  others are never behind all of its work. What waits is begun for any of those who ask for it. So
  many wait, of a caller and of all, and no more.
* What nobody has asked for in `GIVEN_UP_S` is not begun; where it runs, its statement is cancelled.
  That is looked after every `LOOK_S` while there is any work.
* A cancellation may come between two statements, and be lost: it is sent again until the work ends.
  Its connection is never lent again, for one may still be on its way.
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
LOOK_S = 1.0

_T = TypeVar("_T")


class Job(Generic[_T]):
    """A piece of work.

    Attributes:
        future: What it leads to; cancelled where it was given up before it began.
        is_given_up: Nobody asked for it any more, or the server stops.
        asked_at: Who asks for it, and when each did last; the first is charged while it waits.
        runs_for: Who is charged while it runs.
        began_at, ended_at: When it was worked on, by the clock of its makers.
    """

    def __init__(self, caller: str, work: Callable[[Connection], _T], now: float) -> None:
        self.future: Future[_T] = Future()
        self.is_given_up = False
        self.began_at = self.ended_at = now
        self.asked_at = {caller: now}
        self.runs_for = caller
        self.work = work
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
        self._is_closed = False
        self._is_watched = False
        self._looks = threading.Event()

    def begin(self, caller: str, work: Callable[[Connection], _T]) -> Job[_T]:
        """Have work done for a caller.

        Raises:
            Busy: Too much waits already.
            StoreUnavailable: The server stops.
        """
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("the server stops")
            self._give_up()
            theirs = sum(next(iter(job.asked_at)) == caller for job in self._waiting)
            if theirs >= CALLER_WAITS_MAX or len(self._waiting) >= WAITING_MAX:
                raise Busy(
                    "sums over whole pools wait for each other, too many of them: come again"
                )
            job: Job[_T] = Job(caller, work, self._clock())
            self._waiting.append(job)
            self._start()
            self._have_watched()
        return job

    def ask(self, job: Job[_T], caller: str) -> bool:
        """Say that a caller asks for it, as well or still; False: it was given up."""
        with self._lock:
            if job.is_given_up:
                return False
            job.asked_at[caller] = self._clock()
            self._give_up()
            self._start()
        return True

    def _give_up(self) -> None:
        """End what nobody asks for."""
        bound = self._clock() - GIVEN_UP_S
        for job in (*self._waiting, *self._running):
            asked_at = {caller: at for caller, at in job.asked_at.items() if at >= bound}
            if asked_at:
                job.asked_at = asked_at
            else:
                self._end(job)

    def _end(self, job: Job[Any]) -> None:
        if job.is_given_up:
            return
        job.is_given_up = True
        if job in self._waiting:
            self._waiting.remove(job)
            job.future.cancel()
            job.future.set_running_or_notify_cancel()
        self._looks.set()

    def _start(self) -> None:
        """Begin what may begin, in the order in which it came."""
        for job in tuple(self._waiting):
            runs_for = next(filter(self._has_room, job.asked_at), None)
            if len(self._running) < MAKERS and runs_for is not None:
                self._waiting.remove(job)
                self._running.append(job)
                job.runs_for = runs_for
                job.future.set_running_or_notify_cancel()
                self._threads.submit(self._run, job)

    def _has_room(self, caller: str) -> bool:
        return sum(job.runs_for == caller for job in self._running) < CALLER_RUNS_MAX

    def _have_watched(self) -> None:
        if not self._is_watched:
            threading.Thread(target=self._watch, name="makers watched", daemon=True).start()
            self._is_watched = True

    def _watch(self) -> None:
        """Give up and cancel, for as long as there is work."""
        while True:
            self._looks.wait(LOOK_S)
            self._looks.clear()
            with self._lock:
                self._give_up()
                given_up = [job.connection for job in self._running if job.is_given_up]
                self._is_watched = bool(self._running or self._waiting)
                if not self._is_watched:
                    return
            for connection in given_up:
                if connection is not None:
                    cancel(connection)

    def _run(self, job: Job[Any]) -> None:
        try:
            found = self._found(job)
        except BaseException as fault:  # noqa: BLE001 - told to whoever asks
            self._ended(job)
            job.future.set_exception(fault)
        else:
            self._ended(job)
            job.future.set_result(found)

    def _found(self, job: Job[_T]) -> _T:
        if not job.is_given_up:
            with self._readers.lent() as connection:
                return self._done(job, connection)
        raise StoreUnavailable("nobody asked for it any more")

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
            self._is_closed = True
            for job in (*self._waiting, *self._running):
                self._end(job)
        self._threads.shutdown(wait=False)  # what was handed over ends by itself, given up
        self._readers.close()
