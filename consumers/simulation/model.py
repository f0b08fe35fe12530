"""What must be true of the books, said once more without a line of the ledger's own code.

It sees three things: what the database did (`acquired`, `appended`, `fenced_off`), in which order a
writer took its messages (`taken`), and at the end all that stands in the books, on the topics and
among the dead letters (`verify`). It never decides whether an event is accepted; it holds every
message, row, posting and letter against each other. Rows are read by attribute alone.

Rules held at every commit: only the newest owner of a shard writes it; sequences have no gap;
offsets never go back; whoever is refused at the fence has lost the shard. At the end, the rules of
`_RULES`.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

Rows = Mapping[int, Sequence[Any]]
_FLOWS = {"deposit": 1, "insurance_deposit": 1, "withdrawal": -1, "withdrawal_settled": -1}


class Broken(Exception):
    """Something is not as it must be: what was found, what was expected."""


class Ending(NamedTuple):
    """All that is there at the end.

    Attributes:
        shards: As the log knows them.
        events, postings, accounts, commodities: Rows by number of the shard.
        topics: Each topic that ever was, by id: records, or None, by partition and offset.
        current: Ids of those that still are.
        letters: Name of the shard, sequence and value of each dead letter.
        orderly: Nothing kept the merge from knowing all messages.
    """

    shards: Sequence[Any]
    events: Rows
    postings: Rows
    accounts: Rows
    commodities: Rows
    topics: Mapping[str, Sequence[Sequence[Any]]]
    current: Sequence[str]
    letters: Sequence[tuple[str, int, bytes]]
    orderly: bool


class Model:
    """The books of one run, from outside."""

    def __init__(self) -> None:
        """Before the first message."""
        self.offsets: dict[tuple[int, str, int], int] = {}
        self._owners: dict[int, str] = {}
        self._heads: dict[int, int] = {}
        self._last: dict[tuple[str, int], Any] = {}

    def acquired(self, writer: str, shard: int) -> None:
        self._owners[shard] = writer

    def appended(self, writer: str, batch: Sequence[Any]) -> None:
        """A transaction was committed."""
        for part in batch:
            owner, head = self._owners.get(part.shard), self._heads.get(part.shard, 1)
            _require(owner == writer, f"{writer} wrote shard {part.shard}", f"only {owner} may")
            sequences = [event.sequence for event in part.events]
            expected = list(range(head, head + len(sequences)))
            _require(sequences == expected, f"sequences {sequences}", f"{expected}")
            self._heads[part.shard] = head + len(sequences)
            for source, partition, offset in part.offsets:
                where = (part.shard, source.topic_id, partition)
                before = self.offsets.get(where, 0)
                _require(offset >= before, f"offset {offset} of {where}", f"at least {before}")
                self.offsets[where] = offset

    def fenced_off(self, writer: str, batch: Sequence[Any]) -> None:
        """A transaction was refused at the fence."""
        owners = {part.shard: self._owners.get(part.shard) for part in batch}
        _require(set(owners.values()) != {writer}, f"{writer} was refused", f"it owns {owners}")

    def assigned(self, writer: str, partitions: Sequence[int]) -> None:
        """A writer begins to read partitions where the books stand, maybe once more."""
        for partition in partitions:
            self._last.pop((writer, partition), None)

    def taken(
        self, writer: str, messages: Sequence[Any], delivered: Mapping[tuple[str, int, int], int]
    ) -> None:
        """A writer takes messages; of two neighbours that lay there together the earlier is first.

        Args:
            writer: A life of a member.
            messages: In the order that the merge chose.
            delivered: In which poll each came.
        """
        for message in messages:
            topic, partition = message.source.topic, message.partition
            before = self._last.get((writer, partition))
            self._last[writer, partition] = message
            if before is None or before.source.topic == topic:
                continue
            polls = [delivered[m.source.topic, partition, m.offset] for m in (before, message)]
            first, second = ((m.timestamp_ms, _rank(m.source.topic)) for m in (before, message))
            if polls[1] <= polls[0]:
                _require(first < second, f"{before[:4]} before {message[:4]}", "the other way")

    def lag(self, topics: Mapping[str, Sequence[int]]) -> int:
        """Messages that a shard has not passed.

        Args:
            topics: The offset after the last message, by id and partition.
        """
        reached: dict[tuple[str, int], int] = {}
        for (_, topic_id, partition), offset in self.offsets.items():
            least = reached.get((topic_id, partition), offset)
            reached[topic_id, partition] = min(offset, least)
        return sum(
            max(0, last - reached.get((topic_id, partition), 0))
            for topic_id, lasts in topics.items()
            for partition, last in enumerate(lasts)
        )

    def verify(self, ending: Ending) -> None:
        """Hold everything against everything.

        Raises:
            Broken: Naming the first thing that is wrong.
        """
        for rule in _RULES:
            rule(self, ending)

    def each_message_has_a_row_or_is_a_counted_duplicate(self, ending: Ending) -> None:
        """No message without a trace, no row without its message, no message with two rows."""
        rows: dict[tuple[str, int, int], Any] = {}
        for shard in ending.shards:
            for row in ending.events[shard.shard]:
                place = (row.source.topic_id, row.partition, row.offset)
                _require(place not in rows, f"two rows of message {place}", "one")
                rows[place] = row
                records = ending.topics[place[0]][place[1]]
                message = records[row.offset] if row.offset < len(records) else None
                if message is None:
                    raise Broken(f"found a row of {place}; expected none: no such message")
                value = message.value or b""
                same = value[: len(row.raw)] == row.raw and message.key == row.key
                whole = len(row.raw) == len(value) or row.rejection == "message_too_large"
                _require(same and whole, f"row {row.sequence} of {shard.name}: {row}", "as sent")
        numbers = {shard.name: shard.shard for shard in ending.shards}
        passed: Counter[str] = Counter()
        for topic_id, partitions in ending.topics.items():
            for partition, records in enumerate(partitions):
                for offset, message in enumerate(records):
                    place = (topic_id, partition, offset)
                    if message is None or place in rows:
                        continue
                    pool = str(_content(message.value).get("pool"))
                    if offset < self.offsets.get((numbers.get(pool, 0), topic_id, partition), 0):
                        passed[_known_again(message, place, ending)] += 1
                    else:
                        _require(topic_id not in ending.current, f"nothing of {place}", "a row")
        for shard in ending.shards:
            found, wanted = shard.duplicates, passed[shard.name]
            _require(found == wanted, f"{shard.name} counts {found} duplicates", f"{wanted}")

    def each_id_is_taken_once(self, ending: Ending) -> None:
        """An accepted event is accepted once; a conflict is one."""
        for shard in ending.shards:
            taken: dict[str, Any] = {}
            for row in ending.events[shard.shard]:
                first = taken.get(row.event_id)
                if row.rejection is None:
                    _require(first is None, f"{row.event_id} accepted twice", "once")
                    taken[row.event_id] = _content(row.raw)
                elif row.rejection == "event_id_conflict":
                    is_other = first is not None and first != _content(row.raw)
                    _require(is_other, f"conflict at {shard.name} {row.sequence}", "none")

    def each_partition_is_in_order(self, ending: Ending) -> None:
        """Within a shard the offsets of a topic's partition ascend."""
        for shard in ending.shards:
            last: dict[tuple[str, int], int] = {}
            for row in ending.events[shard.shard]:
                where = (row.source.topic_id, row.partition)
                _require(row.offset > last.get(where, -1), f"{where} at {row.offset}", "a later")
                last[where] = row.offset

    def the_order_is_that_of_time(self, ending: Ending) -> None:
        """In an orderly world the next message is always the earliest of all heads."""
        places: dict[tuple[str, int, int], int] = {}
        for partition in range(max(map(len, ending.topics.values()))):
            lanes = [
                [(topic_id, record) for record in partitions[partition] if record is not None]
                for topic_id, partitions in ending.topics.items()
            ]
            heads = [lane[::-1] for lane in lanes if lane]
            while ending.orderly and heads:
                lane = min(
                    heads, key=lambda lane: (lane[-1][1].timestamp, _rank(lane[-1][1].topic))
                )
                topic_id, record = lane.pop()
                places[topic_id, partition, record.offset] = len(places)
                heads = [lane for lane in heads if lane]
        for shard in ending.shards if ending.orderly else ():
            rows = [
                (row.source.topic_id, row.partition, row.offset)
                for row in ending.events[shard.shard]
            ]
            for before, after in pairwise(rows):
                _require(places[before] < places[after], f"{before} before {after}", "after it")

    def each_refusal_has_its_letter(self, ending: Ending) -> None:
        """At least one letter a refused message, and none of anything else."""
        refused = {
            (shard.name, row.sequence): row.raw
            for shard in ending.shards
            for row in ending.events[shard.shard]
            if row.rejection is not None
        }
        written = {(name, sequence): value for name, sequence, value in ending.letters}
        lost = sorted(refused.keys() - written.keys())
        _require(not lost, f"no letter of {lost[:3]}", "one each")
        for where, value in written.items():
            raw = refused.get(where)
            _require(raw is not None, f"a letter of {where}", "none: it was not refused")
            same = raw is not None and raw[: len(value)] == value[: len(raw)]
            _require(same, f"a letter of {where} with {value[:80]!r}", f"{(raw or b'')[:80]!r}")

    def each_balance_is_the_sum_of_its_postings(self, ending: Ending) -> None:
        """Entries sum to zero, balances run without gaps, custody holds what came in."""
        for shard in ending.shards:
            sums: Counter[tuple[int, int]] = Counter()
            balances: Counter[int] = Counter()
            counts: Counter[int] = Counter()
            for sequence, line, posting in ending.postings[shard.shard]:
                account, count, commodity, _, amount, balance = posting
                sums[sequence, commodity] += amount
                balances[account] += amount
                counts[account] += 1
                found, wanted = (count, balance), (counts[account], balances[account])
                where = f"{shard.name} {sequence} line {line}"
                _require(found == wanted, f"{where}: {found}", f"{wanted}")
            wrong = [where for where, total in sums.items() if total]
            _require(not wrong, f"unbalanced in {shard.name}: {wrong[:3]}", "sums of zero")
            _require_flows(shard.name, ending, shard.shard, balances)


_RULES = (
    Model.each_message_has_a_row_or_is_a_counted_duplicate,
    Model.each_id_is_taken_once,
    Model.each_partition_is_in_order,
    Model.the_order_is_that_of_time,
    Model.each_refusal_has_its_letter,
    Model.each_balance_is_the_sum_of_its_postings,
)


def _require_flows(name: str, ending: Ending, shard: int, balances: Mapping[int, int]) -> None:
    """Custody is minus the net inflow; without liquidations a position is the sum of its trades."""
    scales = {row.asset or row.instrument: row.scale for row in ending.commodities[shard]}
    wanted: Counter[tuple[str, str, str | None]] = Counter()
    accepted = [_content(row.raw) for row in ending.events[shard] if row.rejection is None]
    events = {event["event_id"]: event for event in accepted}
    liquidates = any(event.get("liquidation", "off") != "off" for event in accepted)
    for event in accepted:
        kind = event["kind"]
        if kind in _FLOWS:
            amount = Decimal(event["amount"]).scaleb(scales[event["asset"]])
            wanted["@house", "custody", event["asset"]] -= _FLOWS[kind] * int(amount)
        elif kind in {"trade", "trade_bust"} and not liquidates:
            trade, sign = (event, 1) if kind == "trade" else (events[event["trade_event_id"]], -1)
            for side, way in (("buyer", sign), ("seller", -sign)):
                amount = Decimal(trade["quantity"]).scaleb(scales[trade["instrument"]])
                wanted[trade[side], "position", trade["instrument"]] += way * int(amount)
    found = {
        (row.owner, row.kind, row.asset or row.instrument): balances[row.account]
        for row in ending.accounts[shard]
        if row.kind == "custody" or (row.kind == "position" and not liquidates)
    }
    for where, total in wanted.items():
        _require(found.get(where, 0) == total, f"{name} {where}: {found.get(where)}", f"{total}")


def _known_again(message: Any, place: tuple[str, int, int], ending: Ending) -> str:  # noqa: ANN401 - rows are read by attribute
    """The pool that took or parked the same event; a message without a row must be one."""
    event = _content(message.value)
    pool = str(event.get("pool"))
    numbers = [shard.shard for shard in ending.shards if shard.name == pool]
    for row in ending.events[numbers[0]] if numbers else ():
        if row.event_id == event.get("event_id") and row.rejection in {None, "quarantined"}:
            if _content(row.raw) == event:
                return pool
            _require(row.rejection is not None, f"{place} passed over", "a conflict")
    raise Broken(f"found no row of {place}: {message.value!r}; expected one")


def _content(raw: bytes | None) -> dict[str, Any]:
    try:
        event = json.loads(raw or b"")
    except ValueError:
        return {}
    return {"pool": "main", "version": 1} | event if isinstance(event, dict) else {}


def _rank(topic: str) -> int:
    return ("reference", "transfers", "prices", "funding", "trades").index(topic.split(".")[1])


def _require(holds: bool, found: str, expected: str) -> None:  # noqa: FBT001 - a condition
    if not holds:
        raise Broken(f"found {found}; expected {expected}")
