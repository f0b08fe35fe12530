"""`clearing run`: connect, check, loop; and start over when database or broker were away.

What is started over: everything. The writer's memory may be ahead of the log after a failure, so
writer, log and consumer are thrown away, and reading begins again where the books stopped.

What is not: a lost shard (`FenceLost`, another writer has it), a changed source, a wrong setting.
These stop the run with their message.
"""

import gc
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType

from consumers import clients
from consumers.admin import describe
from consumers.dead_letters import open_letters
from consumers.loop import Loop, Outcome
from consumers.settings import RunSettings
from consumers.sources import Sources
from consumers.telemetry import Telemetry, WatchedSeal
from consumers.telemetry_logs import logger
from consumers.topics import DEAD_LETTERS, name, roles
from ledger.codec.checkpoints import decode_checkpoint
from ledger.errors import ConfigurationError, LedgerError
from ledger.ports import Log, Seal
from ledger.store.log.overlapping import SWITCH_S
from ledger.writer import Writer

_BACKOFF_FIRST_S = 0.2
_BACKOFF_MAX_S = 30.0
_YOUNG_OBJECTS = 200_000

_log = logger(__name__)


class Progress:
    """What a run has done so far.

    Attributes:
        applied, duplicates, rejected: Messages, since the start.
        failures: Of database or broker, in a row; 0 after a batch that brought anything new. What
            is read again behind a halted pool does not count.
        halted: Why pools stand still, by name, as of the last batch.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.applied = 0
        self.duplicates = 0
        self.rejected = 0
        self.failures = 0
        self.halted: dict[str, str] = {}

    def add(self, taken: Outcome) -> None:
        """Count a committed batch."""
        self.applied += taken.applied
        self.duplicates += taken.duplicates
        self.rejected += taken.rejected
        if taken.applied or taken.duplicates or taken.rejected:
            self.failures = 0


def run(
    settings: RunSettings,
    open_log: Callable[[], Log],
    *,
    stop: threading.Event | None = None,
    on_batch: Callable[[Progress], object] = lambda _: None,
    take_over: bool = True,
    seal: Seal | None = None,
    telemetry: Telemetry | None = None,
) -> Progress:
    """Consume until told to stop: `stop` set, SIGTERM or SIGINT, or drained where that was asked.

    Args:
        settings: What to read, and how.
        open_log: Makes a new connection to the books; called again after a failure.
        stop: Set by the caller to end the run after the batch at hand.
        on_batch: Called after each commit.
        take_over: Take shards even from a live writer; otherwise `ShardBusy` stops the run.
        seal: Makes a checkpoint whenever a state is kept; None: none are made.
        telemetry: Logs, metrics and health; None: the logs alone.

    Returns:
        What was done; the books are released, and nothing is half done.

    Raises:
        ConfigurationError: Topics are missing or unequal; the books do not know the signing key.
        SourceChanged: A topic is not the one that the books know.
        FenceLost: Another writer owns a shard of ours.
        LedgerError: Database or broker stayed away through `retries_max` attempts.
    """
    _check(settings)
    stop = stop or threading.Event()
    progress = Progress()
    telemetry = telemetry or Telemetry()
    watched = None if seal is None else WatchedSeal(seal, telemetry)
    make_writer = partial(
        _open, settings, open_log, take_over=take_over, seal=watched, telemetry=telemetry
    )
    # A batch makes many tuples and no cycles; looking for some every 700 costs a third of the time.
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
    sys.setswitchinterval(SWITCH_S)
    telemetry.started(settings)
    with stopped_by_signals(stop), _told(telemetry, progress):
        while not stop.is_set():
            try:
                _consume(settings, make_writer, stop, progress, on_batch, telemetry)
                break
            except LedgerError as fault:
                progress.failures += 1
                if not fault.retriable or progress.failures > settings.retries_max:
                    raise
                pause = backoff_s(progress.failures)
                telemetry.retrying(fault, progress.failures, settings.retries_max, pause)
                stop.wait(pause)
    return progress


@contextmanager
def _told(telemetry: Telemetry, progress: Progress) -> Iterator[None]:
    """Tell how the run ended, and what it did."""
    try:
        yield
    except BaseException as fault:
        telemetry.failed(fault)
        raise
    finally:
        telemetry.stopped(progress.applied, progress.duplicates, progress.rejected)


def _open(
    settings: RunSettings,
    open_log: Callable[[], Log],
    *,
    take_over: bool,
    seal: Seal | None,
    telemetry: Telemetry,
) -> tuple[Log, Writer]:
    log = open_log()
    try:
        return log, Writer(
            log, roles=roles(settings.prefix), take_over=take_over, seal=seal, observer=telemetry
        )
    except BaseException:
        log.close()
        raise


def _consume(
    settings: RunSettings,
    make_writer: Callable[[], tuple[Log, Writer]],
    stop: threading.Event,
    progress: Progress,
    on_batch: Callable[[Progress], object],
    telemetry: Telemetry,
) -> None:
    """One life of consumer, writer and log."""
    dead_letters = name(settings.prefix, DEAD_LETTERS) in describe(settings).partitions
    sources = Sources(settings)
    with ExitStack() as stack:
        consumer = clients.consumer(settings)
        stack.callback(consumer.close, timeout_ms=2_000)
        letters = open_letters(settings, exists=dead_letters)
        if letters is not None:
            stack.callback(letters.close)
        log, writer = make_writer()
        closing = stack.enter_context(_closing(log, writer))
        telemetry.attached(writer, progress.failures)

        def taken(outcome: Outcome) -> None:
            progress.add(outcome)
            progress.halted = {pool: str(halt) for pool, halt in writer.halted.items()}
            telemetry.taken(outcome)
            if letters is not None and outcome.refused:
                letters.publish(outcome.refused)
            on_batch(progress)

        def assigned(partitions: Iterable[int]) -> None:
            _note_checkpoints(telemetry, log, writer)
            if letters is not None:
                reader = clients.consumer(settings._replace(group=None))
                try:
                    letters.catch_up(log, partitions, reader)
                finally:
                    reader.close(timeout_ms=1_000)

        loop = Loop(
            settings,
            consumer,
            sources,
            writer,
            on_assigned=assigned,
            on_taken=taken,
            observer=telemetry,
        )
        loop.run(stop.is_set)
        closing.append(writer)


def _note_checkpoints(telemetry: Telemetry, log: Log, writer: Writer) -> None:
    for pool, shard in writer.shards.items():
        newest = log.latest_checkpoint(shard.shard)
        if newest is not None:
            pool_time = decode_checkpoint(newest.body).pool_time
            telemetry.note_checkpoint(pool, newest.sequence, pool_time)


@contextmanager
def _closing(log: Log, writer: Writer) -> Iterator[list[Writer]]:
    """Close the writer when the run ended well, so that it keeps its states; else the log alone."""
    ended_well: list[Writer] = []
    try:
        yield ended_well
    finally:
        try:
            if ended_well:
                writer.close()
            else:
                log.close()
        except LedgerError as fault:  # what was committed stays; the next start takes longer
            _log.warning("states were not kept, or a connection not closed", fault=str(fault))


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`, where signals can be handled at all: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        _log.info("stopping after this batch", signal=signal.Signals(number).name)
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def backoff_s(failures: int) -> float:
    longest = min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2 ** (failures - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads retries, hides nothing


def _check(settings: RunSettings) -> None:
    if settings.group is not None and settings.partitions is not None:
        raise ConfigurationError(
            f"both a group ({settings.group}) and partitions"
            f" ({', '.join(map(str, settings.partitions))}) were given: name the partitions, or"
            " let the group share them out"
        )
    if settings.group is not None and settings.drain:
        raise ConfigurationError(
            "a group reads on for ever, so it cannot drain: leave out the group or the draining"
        )
