"""Several programs in one group over several pools: one dies or freezes, others take over."""

import signal
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.crash.books import Wrong
from tests.crash.history import START_MS, trades
from tests.crash.stage import LIFE_S, Stage, Victim
from tests.crash.steps import Plan

POOLS = tuple(f"pool-{number}" for number in range(6))
PARTITIONS = 4
TAKE_OVER_S = 10.0
"""From the death of a member to the first new commit in one of its pools, with a state kept."""

_MEMBERS = 3
_PACE_MS = 250
_LOOK_S = 0.02
_KEPT_TRADES = 15_000
"""Of each pool, before its state is kept."""

_LATER_TRADES = 2_500
"""Of each pool, after that."""


class Written(NamedTuple):
    """One commit of one shard, as its writer noted it."""

    pid: int
    at: float
    shard: int
    epoch: int
    first: int
    next: int


def group(stage: Stage) -> str:
    """A member dies, or is stopped and wakes; its pools move, and are never written by two."""
    ranges = stage.folder / f"{stage.settings.prefix}.ranges"
    ranges.touch()
    plan = Plan(pace_ms=_PACE_MS, ranges=str(ranges))
    options = ("--group", stage.settings.prefix)
    members = {
        member.running.pid: member
        for member in [stage.start(plan, options=options) for _ in range(_MEMBERS)]
    }
    expected = stage.expected()
    owners = _shared_out(stage, ranges, expected)
    if owners is None:
        return _over(stage, ranges, members, expected, "not reached")
    victim = stage.chance.choice(sorted(set(owners.values())))
    freezes = stage.chance.random() < 0.4
    members[victim].signal(signal.SIGSTOP if freezes else signal.SIGKILL)
    died = time.time()
    lost = [shard for shard, owner in owners.items() if owner == victim]
    taken = _taken_over(ranges, victim, lost, died)
    told = f"{'stopped' if freezes else 'killed'} one of {_MEMBERS} with {len(lost)} shards"
    told += f", taken over in {taken:.1f} s" if taken else ", nothing of it was left to write"
    if taken is not None and taken > TAKE_OVER_S:
        raise Wrong(f"{told}: {TAKE_OVER_S:.0f} s allowed")
    if freezes:
        members[victim].signal(signal.SIGCONT)
        told += f"; it woke and {_woken(stage, members, victim, expected)}"
    else:
        del members[victim]
    return _over(stage, ranges, members, expected, told)


def snapshot(stage: Stage) -> str:
    """A member dies when states are large: what took over begins at the states that were kept."""
    stage.batch = 500
    stage.add(trades(POOLS, _KEPT_TRADES, START_MS + 1_000_000))
    stage.start().expect(0)
    stage.add(trades(POOLS, _LATER_TRADES, START_MS + 2_000_000))
    return f"{stage.expected()} sequences: {group(stage)}"


def _over(stage: Stage, ranges: Path, members: dict[int, Victim], expected: int, told: str) -> str:
    """Let the members finish, stop them, and hold what they wrote against each other."""
    stage.wait_until_moved(expected)
    for member in members.values():
        member.signal(signal.SIGTERM)
    for member in members.values():
        member.expect(0)
    require_one_writer(list(_written(ranges)))
    return told


def require_one_writer(written: Sequence[Written]) -> None:
    """Each epoch of a shard is one writer's, and what it wrote is contiguous.

    Raises:
        Wrong: Naming the two commits.
    """
    for shard in sorted({one.shard for one in written}):
        mine = sorted((one for one in written if one.shard == shard), key=lambda one: one.first)
        for before, after in pairwise(mine):
            same = before.epoch == after.epoch
            if after.first < before.next and after.first != after.next:
                raise Wrong(f"sequences written twice: {before} and {after}")
            if after.epoch < before.epoch or (same and after.pid != before.pid):
                raise Wrong(f"two writers of one shard: {before} and {after}")
            if same and after.first > before.next:
                raise Wrong(f"an epoch's commits are not contiguous: {before} and {after}")


def _shared_out(stage: Stage, ranges: Path, expected: int) -> dict[int, int] | None:
    """Who wrote each shard last, once all members write; None when all is done before."""
    until = time.monotonic() + LIFE_S
    while time.monotonic() < until:
        owners = {one.shard: one.pid for one in sorted(_written(ranges), key=lambda one: one.epoch)}
        if len(set(owners.values())) == _MEMBERS:
            return owners
        if stage.moved() >= expected:
            return None
        time.sleep(_LOOK_S)
    raise Wrong(f"the group did not share out its partitions in {LIFE_S:.0f} s")


def _taken_over(ranges: Path, victim: int, lost: Sequence[int], died: float) -> float | None:
    """Seconds to the first new commit in a lost shard; None when nothing was left to write."""
    until = time.monotonic() + 3 * TAKE_OVER_S
    while time.monotonic() < until:
        for one in _written(ranges):
            if one.shard in lost and one.pid != victim and one.at > died:
                return one.at - died
        time.sleep(_LOOK_S)
    return None


def _woken(stage: Stage, members: dict[int, Victim], victim: int, expected: int) -> str:
    """What became of a member that was stopped: it is refused and ends, or goes on as a member."""
    woken = members[victim]
    stage.wait_until_moved(expected)
    until = time.monotonic() + 2 * TAKE_OVER_S
    while woken.running.poll() is None and time.monotonic() < until:
        time.sleep(_LOOK_S)
    if woken.running.poll() is None:
        return "went on as a member"
    del members[victim]
    woken.expect(1)
    if "another writer" not in woken.words():
        raise Wrong(f"it was not refused, but failed: {woken.words()}")
    return "was refused"


def _written(ranges: Path) -> Iterator[Written]:
    for line in ranges.read_text(encoding="ascii").splitlines(keepends=True):
        if line.endswith("\n"):
            pid, at, *numbers = line.split()
            yield Written(int(pid), float(at), *map(int, numbers))
