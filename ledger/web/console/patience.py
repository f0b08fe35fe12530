"""Figures that take long on large books, worked beside the page, which waits a moment only.

A page asks; what is ready within `WAIT_S` is on it at once. Else the page says that it is being
added up, and shows it when it looks again. While the head moves, the figures of the last event they
were ready for are shown, with that event; they are begun anew no sooner than ten times as long as
they took, so that watching never costs more than a tenth of a processor.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from ledger.web.problems import in_words

WAIT_S = 0.08
_KEPT = 64
_REST = 10
_WORKERS = 2


class Ready(NamedTuple):
    """What was worked out.

    Attributes:
        at: For which event.
        found: The figures; None where they could not be worked out.
        fault: Why not, in words for whoever asked; the log has the rest.
    """

    at: int
    found: Any
    fault: str | None = None


class _Topic:
    """All that was asked under one name."""

    def __init__(self) -> None:
        self.running: Future[Ready] | None = None
        self.running_at = 0
        self.latest: Ready | None = None
        self.ended = 0.0
        self.took = 0.0


class Patience:
    """Works figures out in the background, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._topics: OrderedDict[Hashable, _Topic] = OrderedDict()
        self._workers = ThreadPoolExecutor(_WORKERS, "console")

    def ask(
        self,
        name: Hashable,
        at: int,
        work: Callable[[], object],
        *,
        follows: bool,
        wait_s: float = WAIT_S,
    ) -> Ready | None:
        """Figures for an event, or of a little earlier where `follows`; None: not yet.

        Args:
            name: What is asked for.
            at: For which event.
            work: Finds it; run at most once at a time for a name.
            follows: The newest figures that there are will do.
            wait_s: How long the page waits for them.
        """
        key = (name, None if follows else at)
        with self._lock:
            topic = self._topics.setdefault(key, _Topic())
            self._topics.move_to_end(key)
            while len(self._topics) > _KEPT:
                self._topics.popitem(last=False)
            latest = topic.latest
            if latest is not None and (latest.at == at or self._rests(topic)):
                return latest
            if topic.running is None:
                topic.running = self._workers.submit(self._run, topic, at, work)
            running = topic.running
        wait([running], wait_s)
        return running.result() if running.done() else topic.latest

    @staticmethod
    def _rests(topic: _Topic) -> bool:
        return time.monotonic() - topic.ended < _REST * topic.took

    def _run(self, topic: _Topic, at: int, work: Callable[[], object]) -> Ready:
        began = time.monotonic()
        try:
            ready = Ready(at, work())
        except Exception as fault:  # noqa: BLE001 - told on the page, whatever it is
            ready = Ready(at, None, in_words(fault))
        with self._lock:
            topic.latest = ready
            topic.ended = time.monotonic()
            topic.took = topic.ended - began
            topic.running = None
        return ready

    def close(self) -> None:
        """Let what runs end, and begin nothing more."""
        self._workers.shutdown(wait=False, cancel_futures=True)
