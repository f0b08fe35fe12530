"""Figures that take long on large books, worked beside the page, which waits a moment only.

A page asks; what is ready within `WAIT_S` is on it at once. Else the page says that it is being
added up, and shows it when it looks again. While the head moves, the figures of the last event they
were ready for are shown, with that event; they are begun anew no sooner than ten times as long as
they took, so that watching never costs more than a tenth of a processor. What waits and runs is
bounded, and given up when no page asks for it any more (`ledger.web.makers`).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import wait
from typing import Any, NamedTuple

from ledger.store.web.connections import Busy, Connection
from ledger.web.makers import Job, Makers
from ledger.web.problems import in_words

WAIT_S = 0.08
_KEPT = 64
_REST = 10

Work = Callable[[Connection], object]


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
        self.job: Job[object] | None = None
        self.job_at = 0
        self.latest: Ready | None = None
        self.ended = 0.0
        self.took = 0.0


class Patience:
    """Works figures out in the background, each once."""

    def __init__(self, makers: Makers) -> None:
        self._lock = threading.Lock()
        self._topics: OrderedDict[Hashable, _Topic] = OrderedDict()
        self._makers = makers

    def ask(
        self,
        caller: str,
        name: Hashable,
        at: int,
        work: Work,
        *,
        follows: bool,
        wait_s: float = WAIT_S,
    ) -> Ready | None:
        """Figures for an event, or of a little earlier where `follows`; None: not yet.

        Args:
            caller: Who asks; the work of one does not keep back that of others.
            name: What is asked for.
            at: For which event.
            work: Finds it over a connection; run at most once at a time for a name.
            follows: The newest figures that there are will do.
            wait_s: How long the page waits for them.
        """
        key = (name, None if follows else at)
        with self._lock:
            topic = self._topics.setdefault(key, _Topic())
            self._topics.move_to_end(key)
            while len(self._topics) > _KEPT:
                self._topics.popitem(last=False)
            job = self._job(topic, caller, at, work)
        if job is not None:
            wait([job.future], wait_s)
        with self._lock:
            _settle(topic)
            return topic.latest

    def _job(self, topic: _Topic, caller: str, at: int, work: Work) -> Job[object] | None:
        """The work that is under way, begun if need be; None: what there is will do, or has to."""
        _settle(topic)
        if topic.job is not None and not self._makers.ask(topic.job, caller):
            topic.job = None
        if topic.job is None and not _will_do(topic, at):
            try:
                topic.job, topic.job_at = self._makers.begin(caller, work), at
            except Busy:
                return None
        return topic.job


def _will_do(topic: _Topic, at: int) -> bool:
    """The figures are of this event, or were worked out so lately that they may rest."""
    latest = topic.latest
    if latest is None:
        return False
    is_of_it = latest.at == at and latest.fault is None
    return is_of_it or time.monotonic() - topic.ended < _REST * topic.took


def _settle(topic: _Topic) -> None:
    """Keep what the work led to, once it has ended."""
    job = topic.job
    if job is None or not (job.is_given_up or job.future.done()):
        return
    topic.job = None
    if job.is_given_up:
        return
    fault = job.future.exception()
    if fault is None:
        topic.latest = Ready(topic.job_at, job.future.result())
    else:
        topic.latest = Ready(topic.job_at, None, in_words(fault))
    topic.ended = job.ended_at
    topic.took = job.ended_at - job.began_at
