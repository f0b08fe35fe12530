"""The same books made once more without any fault: every row decided again, in the stored order.

One shard after the other goes through the real core in one sitting: no batch ends, nobody dies, no
snapshot is read. What comes out must be the stored rows to the last byte, the chain included; every
state that was kept on the way must be the state there; and all invariants hold after each event.
"""

from collections.abc import Mapping, Sequence

from consumers.simulation.model import Broken
from ledger.arrivals import UNROUTED
from ledger.audit.replay.decisions import Deciding, arrival_of
from ledger.batch import Draft
from ledger.codec.states import encode_state, state_hash
from ledger.core.invariants import broken
from ledger.core.machine import RULES_VERSION
from ledger.core.state import State
from ledger.ports import Shard
from ledger.store.log.memory import MemoryLog


def require_rebuilt(books: MemoryLog) -> dict[str, str]:
    """Hold the books against those of a world without faults; returns the state hash of each pool.

    Raises:
        Broken: Naming the first row, state or invariant that is not as it must be.
    """
    shards = {shard.name: shard for shard in books.shards()}
    return {name: _rebuilt(books, shards, shard) for name, shard in shards.items()}


def _rebuilt(books: MemoryLog, shards: Mapping[str, Shard], shard: Shard) -> str:
    number, name, state = shard.shard, shard.name, State(shard.name)
    empty = shard._replace(
        epoch=0, next_sequence=1, next_account=1, pool_time=None, chain=bytes(32), frontier=b""
    )
    draft = Draft(empty, state, RULES_VERSION)
    deciding = Deciding(books, shards)
    snapshot = books.latest_snapshot(number)
    for stored in books.events(number, 1):
        words = deciding.submit(draft, stored, arrival_of(stored), stored.rules)
        if words is not None:
            raise Broken(f"found event {stored.sequence} of {name} to be {words}; expected a row")
        wrong = [] if name.startswith(UNROUTED) else broken(state)
        if wrong:
            raise Broken(f"found after event {stored.sequence} of {name}: {wrong}; expected none")
        is_kept = snapshot is not None and snapshot.sequence == stored.sequence
        if is_kept and snapshot is not None and snapshot.body != encode_state(state):
            raise Broken(
                f"found a kept state of {name} after {stored.sequence} that differs; expected the"
                " state of the events up to there"
            )
    _require_equal(books, shard, draft)
    return state_hash(state)


def _require_equal(books: MemoryLog, shard: Shard, draft: Draft) -> None:
    number, last = shard.shard, shard.next_sequence - 1
    made = draft.finished()
    pairs: dict[str, tuple[Sequence[object], Sequence[object]]] = {
        "events": (list(books.events(number, 1)), made.events),
        "postings": (list(books.postings(number, 1, last)), list(made.lines())),
        "records": (list(books.records(number, 1, last)), made.records),
        "accounts": (list(books.accounts(number)), made.opened),
        "head": (
            (shard.next_sequence, shard.next_account, shard.pool_time, shard.chain, shard.frontier),
            (made.next_sequence, made.next_account, made.pool_time, made.chain, made.frontier),
        ),
    }
    for what, (found, expected) in pairs.items():
        if found != expected:
            differing = [pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]]
            raise Broken(
                f"found {len(found)} {what} of {shard.name}, without faults {len(expected)};"
                f" first difference: {differing[:1]}"
            )
