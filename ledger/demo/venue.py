"""The state of the simulated exchange that outlives a day, and how its messages are made."""

import json
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from ledger.demo.listings import Contract
from ledger.demo.market import Market
from ledger.demo.participants import Seat
from ledger.demo.prices import CALM_PPM, Path
from ledger.demo.tally import Tally
from ledger.demo.wire import Clock, Role, WireMessage


class OpenRequest(NamedTuple):
    """A withdrawal asked for and not yet settled. `amount`: smallest units."""

    request_id: str
    pool: str
    seat: Seat
    amount: int


class Venue:
    """Participants, markets and open requests, and the day that is under way.

    Attributes:
        seats: By pool, then account.
        paths: By what is priced (`BTC`, `ETH`, `SOL`).
        markets: By instrument, open ones only, in order of listing.
        contracts: By instrument, expired ones included.
        requests: Oldest first.
        clock, tally: Of the day under way.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - a simulation wants a seed, not secrecy
        self.paths = {
            "BTC": Path(self.random, 97_400_000_000),
            "ETH": Path(self.random, 3_615_000_000, beta_percent=140),
            "SOL": Path(self.random, 215_300_000, beta_percent=420),
        }
        self.seats: dict[str, dict[str, Seat]] = {}
        self.markets: dict[str, Market] = {}
        self.contracts: dict[str, Contract] = {}
        self.requests: list[OpenRequest] = []
        self.begin_day(0)

    def begin_day(self, day: int) -> None:
        self.day = day
        self.clock = Clock(day)
        self.tally = Tally()
        self._numbered = 0

    @property
    def is_calm(self) -> bool:
        """No price has run far lately; only then does money leave the exchange."""
        return all(path.stress_ppm < CALM_PPM for path in self.paths.values())

    def next_id(self, letter: str) -> str:
        """A new event id: it names seed and day, so that no run meets the ids of another."""
        self._numbered += 1
        return f"s{self.seed}d{self.day}-{letter}{self._numbered}"

    def good(self, role: Role, kind: str, pool: str, fields: Mapping[str, object]) -> WireMessage:
        """A message that the ledger should accept."""
        self.tally.applied[kind] += 1
        return self.message(role, kind, pool, fields)

    def message(
        self,
        role: Role,
        kind: str,
        pool: str,
        fields: Mapping[str, object],
        event_id: str | None = None,
    ) -> WireMessage:
        """A message that is not counted."""
        body = {
            "kind": kind,
            "event_id": event_id or self.next_id(kind[0]),
            "pool": pool,
            "occurred_at": self.clock.stamp(),
            **fields,
        }
        return self.wrap(role, pool, json.dumps(body, separators=(",", ":")).encode())

    def wrap(self, role: Role, pool: str, value: bytes) -> WireMessage:
        """Bytes as a message of this moment."""
        moment = self.clock.midnight_ms + self.clock.now_ms
        return WireMessage(role, pool.encode(), moment, value)
