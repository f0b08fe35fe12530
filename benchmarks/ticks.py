"""Prices over many open positions, in the core alone: what a tick, an examination, a default cost.

Each size runs in a process of its own, so that its memory is its own. Events are made before the
clock starts; what is timed is `decide`, the mark's record included, in seconds of the processor.
"""

import argparse
import gc
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

from ledger.core import events
from ledger.core.events import Event, Fact, Tier
from ledger.core.machine import decide
from ledger.core.outcome import Outcome
from ledger.core.state import State
from ledger.core.units import Fixed, Microseconds
from ledger.core.watch.index import Watch

POSITIONS = (1_000, 10_000, 100_000, 1_000_000)
TICKS = 20_000
INSTRUMENTS_OF_AN_ACCOUNT = 15
SEED = 20_261_121
SIDES = (1, -1)
ZERO, ONE = Fixed(0, 0), Fixed(1, 0)
TIERS = (
    Tier(Fixed(1_000_000, 0), Fixed(2, 2), Fixed(1, 2), ZERO),
    Tier(None, Fixed(5, 2), Fixed(25, 3), Fixed(15_000, 0)),
)


class Pool:
    """A pool of the core, fed with facts."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.state = State("bench", watch=self.watch)
        self._sent = 0
        self.apply(
            events.Pool("USDT", 6, "full", Fixed(5, 3), ZERO, ZERO, "binance", "open"),
        )

    def list_perpetual(self, instrument: str) -> None:
        self.apply(events.Instrument(instrument, "linear", ONE, 1, 3, None, TIERS))

    def admit(self, accounts: Iterable[str]) -> None:
        """List them, all before the first opening: openings wait for the next other event."""
        for account in accounts:
            self.apply(events.Account(account))

    def open(self, account: str, cash: int, positions: Iterable[tuple[str, int]]) -> None:
        """Take an account over: cash, and (instrument, thousandths of a contract) at 60,000."""
        self.apply(events.OpeningBalance(account, "USDT", Fixed(cash, 0)))
        for instrument, contracts in positions:
            self.apply(
                events.OpeningPosition(account, instrument, Fixed(contracts, 3), Fixed(60_000, 0))
            )

    def price(self, instrument: str, tenths: int) -> Outcome:
        return self.apply(events.Price(instrument, Fixed(tenths, 1)))

    def event(self, fact: Fact) -> Event:
        self._sent += 1
        number = Microseconds(1_767_225_600_000_000 + self._sent)
        return Event(type(fact).__name__, f"e{self._sent}", "bench", number, fact)

    def apply(self, fact: Fact) -> Outcome:
        return self.decide(self.event(fact))

    def decide(self, event: Event) -> Outcome:
        outcome = decide(self.state, event, None, self._sent)
        assert isinstance(outcome, Outcome), (event, outcome)
        return outcome


def calm_ticks(positions: int) -> dict[str, float]:
    """A tick that crosses no bound, over so many open positions in one instrument."""
    pool = Pool()
    pool.list_perpetual("BTC-PERP")
    draw = random.Random(SEED)
    before = _resident()
    pool.admit(_name(number, side) for number in range(positions // 2) for side in SIDES)
    for number in range(positions // 2):
        contracts, cash = draw.randrange(1, 1000), draw.randrange(20, 50)
        for side in SIDES:
            pool.open(_name(number, side), contracts * cash, [("BTC-PERP", side * contracts)])
    gc.freeze()
    gc.disable()
    started = time.process_time()
    pool.price("BTC-PERP", 600_000)
    first = time.process_time() - started
    memory = _resident() - before
    ticks = [
        pool.event(events.Price("BTC-PERP", Fixed(600_000 + draw.randrange(-3000, 3000), 1)))
        for _ in range(TICKS)
    ]
    crossed = pool.watch.crossed
    started = time.process_time()
    for tick in ticks:
        pool.decide(tick)
    seconds = time.process_time() - started
    prices = [600_000 + draw.randrange(-3000, 3000) for _ in range(TICKS)]
    started = time.process_time()
    for price in prices:
        pool.watch.moved(pool.state, "BTC-PERP", price)
    watching = time.process_time() - started
    assert pool.watch.crossed == crossed, "a tick has crossed a bound"
    return {
        "tick_us": _us(seconds, TICKS),
        "watch_us": _us(watching, TICKS),
        "examine_everyone_us_per_position": _us(first, positions),
        "bytes_per_position": round(memory / positions, 0),
        "resident_mb": round(_resident() / 2**20, 0),
    }


def crossed_accounts(accounts: int) -> dict[str, float]:
    """An account of 15 positions whose bound a tick crosses; nobody defaults.

    It is given another range for that position, or it is examined and given ranges for all.

    Every second account is short, so half of them have their bound below and half above.
    """
    pool = Pool()
    names = [f"C{number:02}-PERP" for number in range(INSTRUMENTS_OF_AN_ACCOUNT)]
    for name in names:
        pool.list_perpetual(name)
    draw = random.Random(SEED)
    pool.admit(_name(number, side) for number in range(accounts // 2) for side in SIDES)
    for number in range(accounts // 2):
        contracts = [draw.randrange(1, 200) for _ in names]
        cash = sum(contracts) * draw.randrange(8, 20)
        for side in SIDES:
            held = [(name, side * count) for name, count in zip(names, contracts, strict=True)]
            pool.open(_name(number, side), cash, held)
    for name in names:
        pool.price(name, 600_000)
    gc.freeze()
    gc.disable()
    crossed, examined = pool.watch.crossed, pool.watch.examined
    seconds = 0.0
    for name in names:
        # One instrument after the other goes far out, on both sides, and comes back.
        for tenths in (800_000, 600_000, 400_000, 600_000):
            tick = pool.event(events.Price(name, Fixed(tenths, 1)))
            started = time.process_time()
            outcome = pool.decide(tick)
            seconds += time.process_time() - started
            assert not any(record.kind == "liquidation" for record in outcome.records)
    crossed = pool.watch.crossed - crossed
    return {
        "crossed_account_us": _us(seconds, crossed),
        "crossed_accounts": float(crossed),
        "crossed_examined": float(pool.watch.examined - examined),
    }


def cascade(liquidations: int) -> dict[str, float]:
    """One tick that puts so many accounts under maintenance, out of ten times as many."""
    pool = Pool()
    pool.list_perpetual("BTC-PERP")
    pool.apply(events.InsuranceDeposit("USDT", Fixed(10**9, 0)))
    pool.admit(_name(number, side) for number in range(10 * liquidations) for side in SIDES)
    for number in range(10 * liquidations):
        # 100 contracts of 60 USDT: 300 is under maintenance 1% at 5% down, 1,200 is not.
        cash = 300 if number % 10 == 0 else 1_200
        pool.open(_name(number, 1), cash, [("BTC-PERP", 100)])
        pool.open(_name(number, -1), 6_000, [("BTC-PERP", -100)])
    pool.price("BTC-PERP", 600_000)
    gc.freeze()
    gc.disable()
    tick = pool.event(events.Price("BTC-PERP", Fixed(573_000, 1)))
    started = time.process_time()
    outcome = pool.decide(tick)
    seconds = time.process_time() - started
    found = sum(record.kind == "liquidation" for record in outcome.records)
    assert found == liquidations, found
    return {
        "cascade_liquidations": float(found),
        "cascade_seconds": round(seconds, 3),
        "cascade_us_per_liquidation": _us(seconds, found),
        "cascade_postings": float(len(outcome.postings)),
    }


def measured(sizes: Iterable[int] = POSITIONS) -> dict[str, float]:
    """All figures, by name; those of one size carry it (`tick_us_100000`)."""
    figures: dict[str, float] = {}
    for size in sizes:
        found = _apart("calm", size)
        figures |= {f"{name}_{size}": value for name, value in found.items()}
    return figures | _apart("crossed", 500) | _apart("cascade", 1000)


def table(figures: dict[str, float]) -> Iterator[str]:
    """The figures as lines for people."""
    sizes = [int(name.rpartition("_")[2]) for name in figures if name.startswith("tick_us_")]
    yield (
        f"{'open positions':>16} {'tick, us':>10} {'watch, us':>10} {'first price, us each':>22}"
        f" {'memory, MB':>12}"
    )
    for size in sizes:
        yield (
            f"{size:>16,} {figures[f'tick_us_{size}']:>10.2f} {figures[f'watch_us_{size}']:>10.2f}"
            f" {figures[f'examine_everyone_us_per_position_{size}']:>22.1f}"
            f" {figures[f'resident_mb_{size}']:>12,.0f}"
        )
    yield (
        f"crossed account of {INSTRUMENTS_OF_AN_ACCOUNT} positions:"
        f" {figures['crossed_account_us']:.0f} us"
    )
    yield (
        f"{figures['cascade_liquidations']:,.0f} liquidations in one tick:"
        f" {figures['cascade_seconds']:.2f} s,"
        f" {figures['cascade_us_per_liquidation']:.0f} us each"
    )


def _apart(what: str, size: int) -> dict[str, float]:
    """One measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ticks", "--one", what, str(size)],
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _resident() -> float:
    """Bytes of this process in memory now."""
    with open("/proc/self/statm", encoding="ascii") as text:  # noqa: PTH123 - not a file of ours
        return float(text.read().split()[1]) * resource.getpagesize()


def _name(number: int, side: int) -> str:
    return f"participant-{number}-{'long' if side > 0 else 'short'}"


def _us(seconds: float, count: int) -> float:
    return round(seconds / max(1, count) * 1e6, 3)


def main() -> int:
    """`python -m benchmarks.ticks`: these figures alone, as a table and as JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks.ticks", description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "SIZE"), help="one figure, as JSON")
    parser.add_argument("--sizes", type=int, nargs="*", default=POSITIONS)
    asked = parser.parse_args()
    if asked.one:
        what, size = asked.one
        found = {"calm": calm_ticks, "crossed": crossed_accounts, "cascade": cascade}[what]
        sys.stdout.write(json.dumps(found(int(size))) + "\n")
        return 0
    figures = measured(asked.sizes)
    sys.stderr.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
