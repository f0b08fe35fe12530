"""`clearing verify`: what is to be checked, shared out over processes, and put together.

    quick     checkpoints, keys, heads, snapshots, sums, anchors
    chain     every leaf, every link, the tree
    fold      postings folded to balances, and what stands beside them
    rederive  every event decided again
    all       all of these

Quick is part of every mode: the checkpoints that it reads are what the rows must meet.

Over several processes: shards apart; of one shard its checks apart, and the chain by ranges, each
from the stored chain before it, which the range before has verified. Deciding is one order.
"""

import hashlib
import multiprocessing
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from ledger.arrivals import UNROUTED
from ledger.audit.proofs.sealing import read_copies
from ledger.audit.verification.carried import check_carried
from ledger.audit.verification.chain import Signed
from ledger.audit.verification.checkpoints import Anchors, CheckpointCheck, trusted_keys
from ledger.audit.verification.findings import Finding
from ledger.audit.verification.indexes import check_indexes
from ledger.audit.verification.tasks import Done, Task, kept_state, run_task
from ledger.codec.checkpoints import NO_STATE
from ledger.errors import ConfigurationError
from ledger.store.audit.books import Audited, Head
from ledger.store.audit.carried import busted_until

MODES: dict[str, tuple[str, ...]] = {
    "quick": (),
    "chain": ("chain", "tree"),
    "fold": ("fold",),
    "rederive": ("rederive",),
    "all": ("chain", "tree", "fold", "rederive"),
}
"""What each mode reads the rows for."""

SHARED_EVENTS_MIN = 20_000
"""Fewer are verified sooner than another process has started."""

_DETACHED = (
    "events before {} were detached: they and the tree over all events are not verified, balances"
    " begin at what was carried from them, and deciding begins behind the first kept state"
)
_NO_ANCHOR = "no anchor is of this pool: a cut end, or a history written anew, would not be found"
_UNNAMED = (
    "deciding goes on from the state kept after event {}, which no checkpoint names: it is"
    " believed where events behind it do not contradict it"
)
_RANGE_EVENTS_MIN = 2_000
_WAIT_S = 0.2


class Scope(NamedTuple):
    """What is to be verified.

    Attributes:
        mode: A key of `MODES`.
        pool: Only this shard; None for all.
        first, last: Only these sequences; None: from the beginning, up to the head.
        from_snapshot: Begin behind the newest kept state that has events after it.
        workers: Processes.
        anchors: File of checkpoints kept elsewhere, or None.
        trust: Keys that are trusted; none: the first that the books know.
    """

    mode: str = "all"
    pool: str | None = None
    first: int | None = None
    last: int | None = None
    from_snapshot: bool = False
    workers: int = 1
    anchors: Path | None = None
    trust: tuple[bytes, ...] = ()


class Verdict(NamedTuple):
    """What was verified, and what was found wrong.

    Attributes:
        scope: As asked.
        anchors: How many, and SHA-256 of their file.
        trusted: Keys that checkpoints may be signed by.
        pools: Of each the head, and what was done.
        found: The worst first: by pool, event, and how exact it is.
    """

    scope: Scope
    anchors: tuple[int, str | None]
    trusted: list[str]
    pools: list[dict[str, Any]]
    found: list[Finding]

    @property
    def is_good(self) -> bool:
        """Nothing is wrong."""
        return not self.found


def verify(
    url: str,
    scope: Scope,
    on_plan: Callable[[int], object] = lambda _: None,
    on_events: Callable[[int], object] = lambda _: None,
) -> Verdict:
    """Verify books.

    Args:
        url: Of the database; read only, as `clearing_auditor`.
        scope: What to do.
        on_plan: Told how many events are to be looked at, all passes together.
        on_events: Told how many more are done.

    Raises:
        ConfigurationError: There is no such pool, or the range is not in it, or the anchors cannot
            be read.
    """
    anchors, digest = anchors_of(scope.anchors)
    books = Audited.connect(url)
    try:
        with books.at_one_moment():
            tasks, pools, trusted, found = _begun(books, scope, anchors)
            found += _indexes(books, scope)
    finally:
        books.close()
    on_plan(sum(task.last - task.first + 1 for task in tasks))
    for done in _run(url, tasks, scope.workers, on_events):
        found += done.found
        _tell(pools, done)
    return Verdict(
        scope,
        (len(anchors), digest),
        sorted(key.hex() for key in trusted),
        pools,
        sorted(set(found), key=_order),
    )


def _begun(
    books: Audited, scope: Scope, anchors: Anchors
) -> tuple[list[Task], list[dict[str, Any]], set[bytes], list[Finding]]:
    """What is quick, and what is to be done."""
    trusted, found = trusted_keys(books.keys(), scope.trust)
    said = "rows of a pool that these books do not have"
    for table, shard in books.unowned():
        found.append(Finding("", 0, 2, table, "shard", "a known shard", str(shard), said))
    heads = books.heads()
    tasks: list[Task] = []
    pools = []
    for head in _chosen(heads, scope):
        file = str(scope.anchors)
        signed, wrong = CheckpointCheck(books, head, trusted, anchors, file).run()
        found += wrong
        found += check_carried(books, head, signed)
        planned = list(_planned(books, head, scope, signed))
        tasks += planned
        pools.append(_pool(head, signed, planned, has_anchors=bool(anchors)))
    missing = {pool for pool, _ in anchors} - {head.shard.name for head in heads}
    for pool in sorted(missing) if scope.pool is None else ():
        said = f"{scope.anchors} has checkpoints of this pool"
        found.append(Finding(pool, 1, 2, "shard", "name", pool, "nothing", said))
    return tasks, pools, trusted, found


def _indexes(books: Audited, scope: Scope) -> list[Finding]:
    """Where balances are folded: whether all ways to the rows lead to the same ones."""
    if "fold" not in MODES[scope.mode]:
        return []
    pools = {head.shard.shard: head.shard.name for head in _chosen(books.heads(), scope)}
    return check_indexes(books, pools, scope.first or 1, scope.last)


def _order(finding: Finding) -> tuple[object, ...]:
    """By pool and event; what belongs to no event comes last."""
    pool, sequence, rank, *rest = finding
    return (pool, sequence == 0, sequence, rank, *rest)


def anchors_of(path: Path | None) -> tuple[Anchors, str | None]:
    """Checkpoints kept elsewhere, and SHA-256 of their file.

    Raises:
        ConfigurationError: The file cannot be read, is empty, or contradicts itself.
    """
    if path is None:
        return {}, None
    try:
        content = path.read_bytes()
        found: dict[tuple[str, int], tuple[bytes, bytes]] = {}
        for at, one in read_copies(path):
            if found.setdefault(at, one)[0] != one[0]:
                raise ConfigurationError(f"{path} has two checkpoints of {at[0]} at {at[1]}")
    except OSError as fault:
        raise ConfigurationError(f"--anchors {path}: {fault.strerror}") from fault
    if not found:
        raise ConfigurationError(f"--anchors {path} has no checkpoint: nothing to compare with")
    return found, hashlib.sha256(content).hexdigest()


def _chosen(heads: Sequence[Head], scope: Scope) -> list[Head]:
    chosen = [head for head in heads if scope.pool in (None, head.shard.name)]
    names = ", ".join(head.shard.name for head in heads)
    if scope.pool is not None and not chosen:
        raise ConfigurationError(f"pool {scope.pool} is not in these books: {names or 'none'}")
    if (scope.first, scope.last) != (None, None):
        if len(chosen) > 1:
            raise ConfigurationError(f"a range needs one pool, --pool: these books have {names}")
        for head in chosen:
            last = head.shard.next_sequence - 1
            first, end = scope.first or 1, last if scope.last is None else scope.last
            if not 1 <= first <= end <= last:
                raise ConfigurationError(f"events {first} to {end}: the books have 1 to {last}")
    return chosen


def _planned(books: Audited, head: Head, scope: Scope, signed: list[Any]) -> Iterator[Task]:
    """The passes over one shard, the longest first."""
    shard, wanted = head.shard, MODES[scope.mode]
    held_from = head.leaves[0][0] if head.leaves else 1
    last = shard.next_sequence - 1 if scope.last is None else scope.last
    first = max(scope.first or 1, held_from)
    if scope.from_snapshot:
        first = max([first, *(at + 1 for at in _kept(books, head, held_from - 1, last - 1))])
    if last < first or not wanted:
        return
    decided_from = first
    if "rederive" in wanted and first > 1:
        decidable = held_from - 1
        if held_from > 1:  # of a bust the trade must be at hand
            decidable = max(decidable, busted_until(books.connection, shard.shard, held_from))
        before = _kept(books, head, decidable, first - 1)
        after = _kept(books, head, max(first, decidable), last - 1)
        decided_from = (before[-1] if before else after[0] if after else last) + 1

    accounts = max((one.account for one in books.accounts(shard.shard)), default=0)
    commodities = max((one.commodity for one in books.commodities(shard.shard)), default=0)

    def task(checks: tuple[str, ...], first: int, last: int) -> Task:
        met = [one for one in signed if first <= one.checkpoint.sequence <= last]
        return Task(shard, checks, first, last, held_from, accounts, commodities, met)

    whole = first == 1
    together = tuple(
        check
        for check in wanted
        if (check != "tree" or whole) and (check != "rederive" or decided_from == first)
    )
    if decided_from > last:
        wanted = tuple(check for check in wanted if check != "rederive")
    if "rederive" in wanted and (decided_from != first or scope.workers > 1):
        yield task(("rederive",), decided_from, last)
    if "tree" in wanted and held_from == 1 and (not whole or scope.workers > 1):
        yield task(("tree",), 1, last)
    if scope.workers == 1:
        if together:
            yield task(together, first, last)
        return
    if "fold" in wanted:
        yield task(("fold",), first, last)
    if "chain" in wanted:
        size = max(_RANGE_EVENTS_MIN, -(-(last - first + 1) // scope.workers))
        for start in range(first, last + 1, size):
            yield task(("chain",), start, min(start + size - 1, last))


def _kept(books: Audited, head: Head, first: int, last: int) -> list[int]:
    """Events after which a state is at hand, of these: before the first event, and where kept."""
    if head.shard.name.startswith(UNROUTED):
        return [last]
    at_hand = [0] if first == 0 else []
    for at, _, body in books.snapshots(head.shard.shard):
        if first <= at <= last and kept_state(body) is not None:
            at_hand.append(at)
    return at_hand


def _run(
    url: str, tasks: Sequence[Task], workers: int, on_events: Callable[[int], object]
) -> Iterator[Done]:
    events = sum(task.last - task.first + 1 for task in tasks)
    if workers == 1 or events < SHARED_EVENTS_MIN:
        yield from (run_task(url, task, on_events) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")
    ticks: Any = context.Queue()
    with ProcessPoolExecutor(workers, context, _begin_worker, (ticks,)) as executor:
        futures = [executor.submit(_work, url, task) for task in tasks]
        try:
            yield from _gathered(futures, ticks, on_events)
        finally:
            for future in futures:
                future.cancel()


def _gathered(
    futures: Sequence[Future[Done]],
    ticks: Any,  # noqa: ANN401 - a queue of a context
    on_events: Callable[[int], object],
) -> Iterator[Done]:
    waiting = list(futures)
    while waiting:
        try:
            on_events(ticks.get(timeout=_WAIT_S))
            while True:
                on_events(ticks.get_nowait())
        except queue.Empty:
            pass
        for future in [future for future in waiting if future.done()]:
            waiting.remove(future)
            yield future.result()


_ticks: list[Any] = []


def _begin_worker(ticks: Any) -> None:  # noqa: ANN401 - a queue of a context
    _ticks[:] = [ticks]


def _work(url: str, task: Task) -> Done:
    return run_task(url, task, _ticks[0].put)


def _pool(
    head: Head, signed: Sequence[Signed], tasks: Sequence[Task], *, has_anchors: bool
) -> dict[str, Any]:
    covering = sum(one.origin != "checkpoint" for one in signed)
    shard, held_from = head.shard, head.leaves[0][0] if head.leaves else 1
    return {
        "pool": shard.name,
        "head": shard.next_sequence - 1,
        "chain": shard.chain.hex(),
        "checkpoints": len(signed),
        "anchors": covering,
        "passes": [
            {"checks": list(task.checks), "first": task.first, "last": task.last, "seconds": None}
            for task in tasks
        ],
        "remarks": [
            *([] if held_from == 1 else [_DETACHED.format(held_from)]),
            *([_NO_ANCHOR] if has_anchors and not covering and shard.next_sequence > 1 else []),
            *(_UNNAMED.format(at) for at in _unnamed(shard.name, signed, tasks)),
        ],
    }


def _unnamed(pool: str, signed: Sequence[Signed], tasks: Sequence[Task]) -> list[int]:
    """Events behind which deciding begins, at a state that no checkpoint of the books names."""
    bases = {task.first - 1 for task in tasks if "rederive" in task.checks} - {0}
    named = {
        checkpoint.sequence
        for checkpoint, origin in signed
        if origin == "checkpoint" and checkpoint.state_hash != NO_STATE
    }
    return [] if pool.startswith(UNROUTED) else sorted(bases - named)


def _tell(pools: Sequence[dict[str, Any]], done: Done) -> None:
    told = next(pool for pool in pools if pool["pool"] == done.task.shard.name)
    where = (list(done.task.checks), done.task.first)
    for one in told["passes"]:
        if (one["checks"], one["first"]) == where:
            one["seconds"] = round(done.seconds, 3)
            if done.root is not None:
                one["root"] = done.root.hex()
    told["remarks"] += done.remarks
