"""Outcomes folded to balances: what the postings alone say, without any rule of the core.

I1  each event's postings sum to zero per commodity
I2  all balances of a commodity sum to zero, after every event (I1, from books that did)
I3  positions of an instrument sum to zero (I2 of its contracts)
I4  running balance = the one before + amount; lines, account sequences and events without gaps
I5  no variation without a position; `insurance >= 0 >= deficit`
and: a posting's account is in the registry and holds its commodity; a refused event led to nothing;
sums are those of every checkpoint on the way; offsets are not behind the events; the newest posting
that the account index finds has the balance that was folded.

Memory: one balance an account.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from ledger.arrivals import FILE_CLUSTER, UNROUTED
from ledger.audit.verification.chain import Registries, Signed
from ledger.audit.verification.findings import Findings
from ledger.codec.checkpoints import AssetSum
from ledger.core.accounts import (
    CUSTODY,
    DEFICIT,
    HOLD,
    INSURANCE,
    ISOLATED,
    POSITION,
    VARIATION,
    WALLET,
    kinds_of,
)
from ledger.core.outcome import Posting
from ledger.ports import Shard, Source
from ledger.store.audit.books import Entry

_OWED: Final = frozenset({WALLET, ISOLATED, HOLD})
_NEVER: Final = {INSURANCE: -1, DEFICIT: 1}
"""The sign that a balance must not have."""


class FoldCheck:
    """Balances of a range of events."""

    def __init__(
        self,
        pool: str,
        registries: Registries,
        base: Mapping[int, tuple[int, int]] | None,
        signed: Iterable[Signed],
    ) -> None:
        """Begin at balances.

        Args:
            pool: Name of the shard.
            registries: Of the shard.
            base: By account its count of postings and its balance; None: what is before is not at
                hand, so each account's first posting is believed.
            signed: Checkpoints to be met.
        """
        self.found = Findings(pool)
        self.ends: dict[tuple[str, str, str, int], int] = {}
        self._registries = registries
        self._believes = base is None
        self._is_whole = base is not None and not base
        self._partitions: set[int] = set()
        self._sources: set[Source] = set()
        self._counts = {account: count for account, (count, _) in (base or {}).items()}
        self._balances = {account: balance for account, (_, balance) in (base or {}).items()}
        self._met: dict[int, list[Signed]] = {}
        for one in signed:
            self._met.setdefault(one.checkpoint.sequence, []).append(one)
        self._numbers = {one[1:]: one.account for one in registries.accounts.values()}
        self._check_registries()

    def take(self, entry: Entry) -> None:
        """Fold an event."""
        event = entry.event
        at = event.sequence
        if event.rejection is not None and (entry.postings.count or entry.records):
            found = f"{entry.postings.count} postings, {len(entry.records)} records"
            self.found.add(at, "posting", "rows", "none", found, "a refused event leads to nothing")
        sums: dict[int, int] = {}
        touched: dict[int, None] = {}
        expected = 1
        for line, posting in entry.postings.split():
            if line != expected:
                self._gap(at, "posting", expected, line)
            expected = line + 1
            self._fold(at, line, posting)
            sums[posting[2]] = sums.get(posting[2], 0) + posting[4]
            touched[posting[0]] = None
        for commodity, total in sums.items():
            if total:
                said = f"the entry does not balance in commodity {commodity} (I1)"
                self.found.add(at, "posting", "sum of amounts", 0, total, said)
        for account in touched:
            self._rest(at, account)
        for expected, record in enumerate(entry.records, start=1):
            if record[0] != expected:
                self._gap(at, "record", expected, record[0])
                break
        if event.source.cluster != FILE_CLUSTER and event.redrive_of is None:
            where = (*event.source, event.partition)
            self.ends[where] = max(event.offset + 1, self.ends.get(where, 0))
            self._is_whole = False
            if event.rejection is None:
                self._settle(event.source, event.partition)
        for one in self._met.get(at, ()) if not self._believes else ():
            self._compare_sums(one)

    def _settle(self, source: Source, partition: int) -> None:
        """A pool goes over to another partition number only with all of its topics, for good."""
        if partition not in self._partitions and source not in self._sources:
            self._partitions = set()
        self._partitions.add(partition)
        self._sources.add(source)

    def end(
        self, at: int, offsets: Mapping[tuple[str, str, str, int], int] | None, shard: Shard
    ) -> None:
        """Check the books as a whole after the last event.

        Args:
            at: That event.
            offsets: Next offsets that the books expect; None: the range ends before the head.
            shard: Its head.
        """
        numbers = sorted(self._partitions)
        if shard.name.startswith(UNROUTED):
            numbers = [int(shard.name.removeprefix(UNROUTED))]
        if numbers and [shard.partition] != numbers:
            said = "messages of the pool came from another partition number"
            self.found.add(at, "shard", "partition", numbers, shard.partition, said, 2)
        elif not numbers and self._is_whole and shard.partition is not None and offsets is not None:
            said = "no message of the pool came from Kafka"
            self.found.add(at, "shard", "partition", None, shard.partition, said, 2)
        totals: dict[int, int] = {}
        for account, balance in self._balances.items():
            commodity = self._registries.commodity_of.get(account)
            if commodity is not None:
                totals[commodity] = totals.get(commodity, 0) + balance
        for commodity, total in totals.items():
            if total and not self._believes:
                said = f"commodity {commodity} does not sum to zero over all accounts (I2)"
                self.found.add(at, "posting", "balance", 0, total, said, 2)
        for where, end in self.ends.items() if offsets is not None else ():
            expected = (offsets or {}).get(where, 0)
            if expected < end:
                said = f"messages of {where[2]}, partition {where[3]} would be applied twice"
                self.found.add(
                    at, "source_offset", "next_offset", f"{end} or more", expected, said, 2
                )

    def compare_newest(self, at: int, newest: Iterable[tuple[int, int, int]]) -> None:
        """Hold each account's balance against the one that views find by the account index.

        Args:
            at: The last event that was folded.
            newest: Account, count of its postings, balance; those without postings are left out.
        """
        left = set(self._counts)
        for account, count, balance in newest:
            left.discard(account)
            said = f"account {account} as the views find it; rows fold to something else"
            expected = (self._counts.get(account, 0), self._balances.get(account, 0))
            names = ("newest account_sequence", "newest balance")
            for name, folded, shown in zip(names, expected, (count, balance), strict=True):
                self.found.differ(at, "posting", name, folded, shown, said, 2)
        for account in sorted(left & set(self._registries.accounts)):
            said = f"account {account} has postings that the views do not find"
            self.found.add(at, "posting", "newest balance", self._balances[account], None, said, 2)

    def _gap(self, at: int, table: str, expected: int, found: int) -> None:
        self.found.add(at, table, "line", expected, found, "lines count from 1, without gaps")

    def _check_registries(self) -> None:
        for number in range(1, self._registries.last + 1):
            account = self._registries.accounts.get(number)
            if account is None:
                self.found.add(0, "account", "account", number, None, "numbers have no gaps")
            elif account.kind not in kinds_of(account.owner):
                said = f"{account.owner} has no such account"
                kinds = ", ".join(sorted(kinds_of(account.owner)))
                self.found.add(0, "account", f"{number} kind", kinds, account.kind, said)
            elif self._registries.commodity_of[number] is None:
                held = account.asset or account.instrument
                said = f"account {number} holds what is not in the registry"
                self.found.add(0, "commodity", "asset or instrument", held, None, said)
        last = max(self._registries.commodities, default=0)
        for number in range(1, last + 1):
            if number not in self._registries.commodities:
                self.found.add(0, "commodity", "commodity", number, None, "numbers have no gaps")
        held_by_some = set(self._registries.commodity_of.values())
        for number in self._registries.commodities:
            if number not in held_by_some:
                said = "no account holds it"
                self.found.add(0, "commodity", "commodity", "an account of it", number, said)

    def _fold(self, at: int, line: int, posting: Posting) -> None:
        """Hold a posting against its account; what differs is put into words apart, for speed."""
        account, count, commodity, _, amount, balance = posting
        counts, balances = self._counts, self._balances
        held = self._registries.commodity_of.get(account)
        if held is None or held != commodity:
            self._misplaced(at, line, posting, held)
        if account in counts or not self._believes:
            expected_count = counts.get(account, 0) + 1
            expected_balance = balances.get(account, 0) + amount
            if count != expected_count:
                said = f"postings of account {account} are counted without gaps (I4)"
                self.found.add(
                    at, "posting", f"line {line} account_sequence", expected_count, count, said
                )
            if balance != expected_balance:
                said = f"the balance of account {account} before, and this amount (I4)"
                self.found.add(
                    at, "posting", f"line {line} balance", expected_balance, balance, said
                )
        counts[account] = count
        balances[account] = balance

    def _misplaced(self, at: int, line: int, posting: Posting, held: int | None) -> None:
        account, commodity = posting[0], posting[2]
        if account not in self._registries.accounts:
            said = "no such account is in the registry"
            self.found.add(at, "posting", f"line {line} account", "an account", account, said)
        else:
            said = f"account {account} holds another commodity"
            self.found.add(at, "posting", f"line {line} commodity", held, commodity, said)

    def _rest(self, at: int, number: int) -> None:
        account = self._registries.accounts.get(number)
        balance = self._balances[number]
        if account is None or not balance:
            return
        if account.kind in _NEVER and (balance < 0) == (_NEVER[account.kind] < 0):
            said = "insurance is never negative, deficit never positive (I5)"
            self.found.add(at, "posting", f"balance of {account.kind}", 0, balance, said)
        elif account.kind == VARIATION and not self._believes:
            position = self._numbers.get((account.owner, POSITION, account.instrument, None))
            if not self._balances.get(position or 0, 0):
                said = f"{account.owner} has a variation in {account.instrument}, no position (I5)"
                self.found.add(at, "posting", "balance of variation", 0, balance, said)

    def _compare_sums(self, signed: Signed) -> None:
        owed: dict[str, int] = {}
        kept: dict[str, int] = {}
        for number, balance in self._balances.items():
            account = self._registries.accounts.get(number)
            if account is not None and account.asset is not None:
                is_owed = account.kind in _OWED and not account.owner.startswith("@")
                owed[account.asset] = owed.get(account.asset, 0) + is_owed * balance
                is_kept = account.kind == CUSTODY
                kept[account.asset] = kept.get(account.asset, 0) + is_kept * balance
        found = {name: AssetSum(name, owed[name], kept[name]) for name in kept}
        checkpoint, origin = signed
        for one in checkpoint.sums:
            folded = found.pop(one.asset, AssetSum(one.asset, 0, 0))
            said = f"{origin} says so of {one.asset}; postings fold to something else"
            self.found.differ(
                checkpoint.sequence, "checkpoint", "sums", tuple(one), tuple(folded), said, 2
            )
        for name, folded in found.items():
            if folded[1:] != (0, 0):
                said = f"{origin} does not know {name}"
                self.found.add(checkpoint.sequence, "checkpoint", "sums", None, folded, said, 2)
