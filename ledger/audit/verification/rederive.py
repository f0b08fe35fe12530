"""Every event decided once more, under the version of the rules that decided it, field by field.

The messages are taken from the rows, and nothing else: what the rules make of them is compared with
what stands there. A message whose bytes were altered leads to other content, so it is found by its
`content_hash`. What no rule decides (offsets, timestamps, keys) is found by the chain alone, and so
are altered hashes: rows that are the same lead to the same ones, which are not made again here.

That an accepted event's id was free is no question of its own: whoever runs this check compares the
ids that events took with those of the accepted events, row by row.

Cost: about that of reading, decoding and deciding. Memory: the state of the pool, and one batch.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self, cast

from ledger.arrivals import Arrival
from ledger.audit.replay.decisions import Deciding, arrival_of, look_up
from ledger.audit.verification.chain import Registries, Signed
from ledger.audit.verification.findings import Findings
from ledger.batch import Accepted, Draft, Refused
from ledger.codec.canonical import posting_bytes
from ledger.codec.checkpoints import NO_STATE
from ledger.codec.decoding import Decoded
from ledger.codec.records import encode_body
from ledger.codec.states import encode_state
from ledger.core.events import Event, TradeBust
from ledger.core.machine import RULES_VERSION
from ledger.core.outcome import Outcome, Posting, Rejection
from ledger.core.state import State
from ledger.ports import Identity, Log, Message, Shard, StoredEvent
from ledger.store.audit.books import Entry
from ledger.store.bodies import storable_words

BATCH_EVENTS: Final = 200
BATCH_ROWS: Final = 100_000

_DECIDED: Final = (
    "kind",
    "event_id",
    "occurred_at",
    "pool_time",
    "content_hash",
    "rejection",
    "detail",
)
_decided: Final = attrgetter(*_DECIDED)
_SAID: Final = "the event decided again leads to this"


class Asked(NamedTuple):
    """What deciding has to look up in the books.

    Attributes:
        identities: What has taken event ids.
        event: An event by its sequence.
    """

    identities: Callable[[Sequence[str]], Mapping[str, Identity]]
    event: Callable[[int], StoredEvent | None]


class KeptState(NamedTuple):
    """The hash of a state that was kept, and where: `snapshot`, `checkpoint`, a file."""

    state_hash: bytes
    origin: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Of a snapshot's state."""
        return cls(hashlib.sha256(body).digest(), "snapshot")


class RederiveCheck:
    """Decides a range of events again."""

    def __init__(
        self,
        state: State,
        shard: Shard,
        shards: Mapping[str, Shard],
        registries: Registries,
        asked: Asked,
        kept: Mapping[int, list[KeptState]],
    ) -> None:
        """Begin at a state.

        Args:
            state: Before the first event.
            shard: With the head that it had there; its frontier may be any of the right length.
            shards: All of the books, by name.
            registries: Of the shard.
            asked: Look-ups.
            kept: Hashes of states to be met, by sequence.
        """
        self.found = Findings(shard.name)
        self._state = state
        self._shard = shard
        self._registries = registries
        self._asked = asked
        self._kept = kept
        self._deciding = Deciding(cast("Log", _Events(asked)), shards)
        self._batch: list[Entry] = []
        self._rows = 0
        self.stopped = False

    def take(self, entry: Entry) -> None:
        """Decide an event, now or with those after it."""
        if self.stopped:
            return
        if self._batch and entry.event.rules != self._batch[0].event.rules:
            self._decide()
        self._batch.append(entry)
        self._rows += entry.postings.count + len(entry.records)
        at = entry.event.sequence
        if len(self._batch) >= BATCH_EVENTS or self._rows >= BATCH_ROWS or at in self._kept:
            self._decide()
            self._compare_state(at)

    def end(self, *, at_head: bool) -> None:
        """Decide what is left, and compare the registries."""
        self._decide()
        if self.stopped or not at_head:
            return
        journal = self._state.journal
        for number in range(1, max(len(journal.keys), self._registries.last + 1)):
            known = number < len(journal.keys)
            expected = tuple(journal.keys[number]) if known else None
            account = self._registries.accounts.get(number)
            found = None if account is None else account[1:]
            self.found.differ(0, "account", str(number), expected, found, _SAID)
        last = max(self._registries.commodities, default=0)
        for number in range(1, max(len(journal.commodities), last + 1)):
            known = number < len(journal.commodities)
            opened = journal.commodities[number] if known else None
            held = self._registries.commodities.get(number)
            self.found.differ(
                0,
                "commodity",
                str(number),
                None if opened is None else tuple(opened),
                None if held is None else tuple(held),
                _SAID,
            )

    def _decide(self) -> None:
        batch, self._batch, self._rows = self._batch, [], 0
        if not batch or self.stopped:
            return
        first = batch[0].event
        if first.rules not in range(1, RULES_VERSION + 1):
            said = "no rules of this version are known here; use the newest ledger"
            self._stop(first.sequence, "event", "rules", f"1 to {RULES_VERSION}", first.rules, said)
            return
        draft = _Outcomes(self._shard, self._state, first.rules)
        submitted = [(entry.event, arrival_of(entry.event)) for entry in batch]
        look_up(draft, [one for one in submitted if _is_to_look_up(*one)], self._asked.identities)
        for entry, (stored, arrival) in zip(batch, submitted, strict=True):
            at = stored.sequence
            if at != draft.next_sequence:  # the gap is reported by whoever reads
                self.stopped = True
                break
            try:
                refused = self._deciding.submit(draft, stored, arrival, first.rules)
            except AssertionError as broken:
                self._stop(at, "event", "raw", "an event that can be decided", str(broken), _SAID)
                break
            if refused is not None:
                self._stop(at, "event", "raw", "a message that leads to a row", refused, _SAID)
                break
            self._compare(draft.row, draft.outcome, entry)
        self._shard = self._shard._replace(
            next_sequence=draft.next_sequence,
            next_account=len(self._state.journal.keys),
            pool_time=self._state.pool_time,
        )

    def _stop(
        self, at: int, table: str, field: str, expected: object, found: object, says: str
    ) -> None:
        self.found.add(at, table, field, expected, found, says)
        self.stopped = True

    def _compare(self, row: tuple[object, ...], outcome: Outcome, entry: Entry) -> None:
        event = entry.event
        at = event.sequence
        stored = _decided(event)
        if row != stored:
            for name, expected, found in zip(_DECIDED, row, stored, strict=True):
                self.found.differ(at, "event", name, expected, found, _SAID)
        if not entry.postings.are(posting_bytes(outcome.postings)):
            postings = list(enumerate(outcome.postings, start=1))
            self._lines(at, "posting", Posting._fields, postings, entry.postings.split())
        records = [
            (line, record.kind, record.subject, encode_body(record.body))
            for line, record in enumerate(outcome.records, start=1)
        ]
        if records != entry.records:
            made, kept = ([(one[0], one[1:]) for one in each] for each in (records, entry.records))
            self._lines(at, "record", ("kind", "subject", "body"), made, kept)
        if outcome.opened or outcome.commodities:
            self._opened(at, outcome)

    def _lines(
        self,
        at: int,
        table: str,
        names: Sequence[str],
        made: Sequence[tuple[int, Sequence[Any]]],
        stored: Sequence[tuple[int, Sequence[Any]]],
    ) -> None:
        for expected, found in zip_longest(made, stored):
            if expected is None or found is None:
                line = (expected or found)[0]
                self.found.add(at, table, f"line {line}", expected, found, _SAID)
                return
            if expected[0] != found[0]:
                self.found.add(at, table, "line", expected[0], found[0], _SAID)
                return
            for name, one, other in zip(names, expected[1], found[1], strict=True):
                self.found.differ(at, table, f"line {found[0]} {name}", one, other, _SAID)

    def _opened(self, at: int, outcome: Outcome) -> None:
        for opened in outcome.opened:
            found = self._registries.accounts.get(opened.account)
            for name, one in opened._asdict().items():
                other = None if found is None else getattr(found, name)
                said = f"account {opened.account} was opened as this"
                self.found.differ(at, "account", f"{opened.account} {name}", one, other, said)
        for commodity in outcome.commodities:
            known = self._registries.commodities.get(commodity.commodity)
            for name, one in commodity._asdict().items():
                other = None if known is None else getattr(known, name)
                said = f"commodity {commodity.commodity} was first held as this"
                self.found.differ(at, "commodity", f"{commodity[0]} {name}", one, other, said)

    def _compare_state(self, at: int) -> None:
        if self.stopped:
            return
        for kept, origin in self._kept.get(at, ()):
            if kept != NO_STATE:
                state = hashlib.sha256(encode_state(self._state)).digest()
                table = origin if origin in {"snapshot", "checkpoint"} else "checkpoint"
                name = "body" if origin == "snapshot" else "state_hash"
                said = f"the state as decided again, against {origin}"
                self.found.differ(at, table, name, state, kept, said, 2)


def _is_to_look_up(stored: StoredEvent, arrival: Arrival) -> bool:
    """Whether what took the ids has to be asked: not for an event that took its id itself.

    That it did, and that an id is taken once, is compared of all of them by one statement
    (`Audited.unpaired`), and by the check of the index.
    """
    decoded = arrival.decoded
    if stored.rejection is not None or not isinstance(decoded, Decoded):
        return True
    return isinstance(decoded.event.fact, TradeBust)


class _Outcomes(Draft):
    """What each event of a batch leads to, one after the other, without rows and hashes.

    Attributes:
        row: What was decided of the last one, in the order of `_DECIDED`.
        outcome: The rest of it.
    """

    row: tuple[object, ...] = ()
    outcome = Outcome([], [], [], [])

    def accept(
        self,
        message: Message,  # noqa: ARG002 - as a draft is given it
        event: Event,
        content_hash: bytes,
        outcome: Outcome,
        redrive_of: tuple[str, int] | None,  # noqa: ARG002 - as a draft is given it
    ) -> None:
        """Note an accepted event."""
        taken: Identity = tuple.__new__(Identity, (content_hash, self.next_sequence))
        accepted: Accepted = tuple.__new__(Accepted, (taken, event))
        self.accepted[event.event_id] = accepted
        moment = (event.occurred_at, self.state.pool_time)
        self.row = (event.kind, event.event_id, *moment, content_hash, None, None)
        self.outcome = outcome
        self.next_sequence += 1

    def refuse(
        self,
        message: Message,
        kind: str | None,
        event_id: str | None,
        occurred_at: int | None,
        content_hash: bytes,
        rejection: Rejection,
        redrive_of: tuple[str, int] | None,  # noqa: ARG002 - as a draft is given it
    ) -> Refused:
        """Note a refused message."""
        sequence, pool_time = self.next_sequence, self.state.pool_time
        words = storable_words(kind, event_id, rejection.detail)
        named = (words[0], words[1], occurred_at, pool_time)
        self.row = (*named, content_hash, rejection.code, words[2])
        self.outcome = Outcome([], [], [], [])
        self.next_sequence += 1
        return Refused(self.shard.name, sequence, rejection.code, rejection.detail, message)


class _Events:
    """The part of a log that deciding asks."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def event(self, _shard: int, sequence: int) -> StoredEvent | None:
        return self._asked.event(sequence)


def kept_states(signed: Iterable[Signed]) -> dict[int, list[KeptState]]:
    """Hashes of states that checkpoints name, by sequence."""
    found: dict[int, list[KeptState]] = {}
    for checkpoint, origin in signed:
        found.setdefault(checkpoint.sequence, []).append(KeptState(checkpoint.state_hash, origin))
    return found
