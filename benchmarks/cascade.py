"""Defaults in great numbers, in the core alone: `python -m benchmarks.cascade`.

* `bitmex` to `capped_pro_rata`: one price takes `--accounts` past their bankruptcy prices; all are
  liquidated, and the inventory is deleveraged by this policy, in that one event.
* `inventories`: accounts of ten positions over a hundred instruments, as many takeovers in one
  event, and every inventory is deleveraged.
* `wide`: one account of `--positions`, liquidated whole.
* `border`: prices take `--border` accounts of two positions down to the very price at which their
  equity equals their maintenance margin, and stay there, to and fro; nobody is liquidated. Each
  account reaches its border at another price, over half a percent of it.
* `border_at_once`: the same, all of them at the same price, which is the worst there is.

Each case runs in a process of its own, on a state made before the clock starts; what is timed is
`decide` alone, in seconds of the processor. Prints a table, and JSON.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from benchmarks.ticks import ZERO, Pool
from ledger.core import events
from ledger.core.events import Event
from ledger.core.outcome import Outcome
from ledger.core.units import Fixed

ACCOUNTS = 10_000
POSITIONS = 1_000
BORDER_ACCOUNTS = 20_000
HELD = 10
LISTED = 100
NAME, OTHER = "BTC-PERP", "ETH-PERP"
Policy = Literal["bitmex", "binance", "hyperliquid", "pro_rata", "capped_pro_rata"]
POLICIES: tuple[Policy, ...] = ("bitmex", "binance", "hyperliquid", "pro_rata", "capped_pro_rata")
PHASES = ("coming", "near", "there")

Figures = dict[str, float]


def deleveraged(policy: Policy, accounts: int) -> Figures:
    """Long accounts at one price, short winners of them at three; the fund is empty."""
    pool = _pool(policy)
    pool.list_perpetual(NAME)
    names = [(f"long-{number}", f"short-{number}") for number in range(accounts)]
    pool.admit(name for pair in names for name in pair)
    for number, (long, short) in enumerate(names):
        # A contract of 60,000 with 3,000: nothing is left at 57,000, and at 54,000 it owes.
        pool.open(long, 3_000, [(NAME, 1_000)])
        pool.open(short, 6_000 + 1_000 * (number % 3) + number, [(NAME, -1_000)])
    pool.price(NAME, 600_000)
    outcome, seconds = _timed(pool, pool.event(events.Price(NAME, Fixed(540_000, 1))))
    counts = _counts(outcome)
    assert counts["liquidation"] == accounts, counts
    assert counts["deleveraging"] == 1, counts
    return {
        "liquidations": counts["liquidation"],
        "deleveraged": counts["deleveraged"],
        "postings": len(outcome.postings),
        "seconds": round(seconds, 3),
    }


def inventories(accounts: int) -> Figures:
    """One instrument falls, and pulls the nine others of everyone who is long of it along."""
    pool = _pool("bitmex")
    listed = [f"C{number:02}-PERP" for number in range(LISTED)]
    for name in listed:
        pool.list_perpetual(name)
    count = accounts // HELD
    pairs = [(f"long-{number}", f"short-{number}") for number in range(count)]
    pool.admit(name for pair in pairs for name in pair)
    for number, (long, short) in enumerate(pairs):
        held = [listed[0]]
        held += [listed[1 + (number * 7 + step) % (LISTED - 1)] for step in range(HELD - 1)]
        pool.open(long, 40_000, [(name, 1_000) for name in held])
        pool.open(short, 100_000 + number, [(name, -1_000) for name in held])
    for name in listed:
        pool.price(name, 600_000)
    outcome, seconds = _timed(pool, pool.event(events.Price(listed[0], Fixed(100_000, 1))))
    counts = _counts(outcome)
    assert counts["takeover"] == count * HELD, counts
    return {
        "liquidations": counts["liquidation"],
        "takeovers": counts["takeover"],
        "inventories": counts["deleveraging"],
        "deleveraged": counts["deleveraged"],
        "postings": len(outcome.postings),
        "seconds": round(seconds, 3),
    }


def wide(positions: int) -> Figures:
    """A loss in one instrument, and all of the account's positions go."""
    pool = _pool("bitmex", floor=-(10**9))
    listed = [f"I{number}" for number in range(positions)]
    for name in listed:
        pool.list_perpetual(name)
    pool.admit(("wide", "other"))
    pool.open("wide", 2_000 * positions, [(name, 1_000 + n) for n, name in enumerate(listed)])
    pool.open("other", 10**9, [(name, -1_000 - n) for n, name in enumerate(listed)])
    for name in listed:
        pool.price(name, 600_000)
    fall = 600_000 - 15_000 * positions
    outcome, seconds = _timed(pool, pool.event(events.Price(listed[0], Fixed(max(1, fall), 1))))
    for name in listed[1:]:
        if _counts(outcome)["liquidation"]:
            break
        outcome, seconds = _timed(pool, pool.event(events.Price(name, Fixed(1, 1))))
    counts = _counts(outcome)
    assert counts["takeover"] == positions, counts
    return {
        "takeovers": counts["takeover"],
        "postings": len(outcome.postings),
        "seconds": round(seconds, 3),
    }


def border(accounts: int, spread: int = 2_850) -> Figures:
    """Everybody gets a margin call and comes to the border; nobody is liquidated.

    With a contract of each at 60,000 and 1% required, equity is what is required at `x` where
    `cash + x - 60,000 = 0.01 * (x + 60,000)`.

    Args:
        accounts: How many.
        spread: Tenths over which their borders lie, above 57,000.
    """
    pool = _pool("bitmex")
    for name in (NAME, OTHER):
        pool.list_perpetual(name)
    names = [(f"long-{number}", f"short-{number}") for number in range(accounts)]
    pool.admit(name for pair in names for name in pair)
    for number, (long, short) in enumerate(names):
        above = number * spread // accounts
        pool.apply(events.OpeningBalance(long, "USDT", Fixed(4_170_000 - above * 99, 3)))
        pool.open(long, 0, [(NAME, 1_000), (OTHER, 1_000)])
        pool.open(short, 60_000, [(NAME, -1_000), (OTHER, -1_000)])
    for name in (NAME, OTHER):
        pool.price(name, 600_000)
    figures: Figures = {"accounts": accounts, "called": 0}
    lowest = 570_000 + (accounts - 1) * spread // accounts
    phases = {
        "coming": [lowest + (600_000 - lowest) * left // 100 for left in range(99, 0, -1)],
        "near": [lowest + 1 + number * 7 % 40 for number in range(40)],
        "there": [lowest + number % 2 for number in range(20)],
    }
    for phase, prices in phases.items():
        took, examined = [], pool.watch.examined
        for price in prices:
            outcome, seconds = _timed(pool, pool.event(events.Price(NAME, Fixed(price, 1))))
            counts = _counts(outcome)
            assert not counts["liquidation"], price
            figures["called"] += counts["margin_call"]
            took.append(1000 * seconds)
        figures |= {
            f"{phase}_mean_ms": round(sum(took) / len(took), 3),
            f"{phase}_worst_ms": round(max(took), 3),
            f"{phase}_examined_a_tick": (pool.watch.examined - examined) / len(took),
        }
    return figures


def measured(
    accounts: int = ACCOUNTS, positions: int = POSITIONS, near: int = BORDER_ACCOUNTS
) -> dict[str, Figures]:
    """All cases, by name."""
    sizes: dict[str, int] = dict.fromkeys(POLICIES, accounts)
    sizes |= {"inventories": accounts, "wide": positions}
    sizes |= {"border": near, "border_at_once": near}
    return {case: _apart(case, size) for case, size in sizes.items()}


def table(figures: dict[str, Figures]) -> Iterator[str]:
    """The figures as lines for people."""
    yield f"{'case':<16} {'what happened':<76} {'seconds':>8}"
    for case, found in figures.items():
        told = [
            f"{found[key]:,.0f} {key}"
            for key in ("liquidations", "takeovers", "inventories", "deleveraged", "called")
            if key in found
        ]
        if "seconds" in found:
            yield f"{case:<16} {', '.join(told):<76} {found['seconds']:>8.3f}"
    yield f"{'a tick':<16} {'':<10} {'mean, ms':>10} {'worst, ms':>10} {'examined':>10}"
    for case in ("border", "border_at_once"):
        for phase in PHASES:
            mean, worst, examined = (
                figures[case][f"{phase}_{what}"]
                for what in ("mean_ms", "worst_ms", "examined_a_tick")
            )
            yield f"{case:<16} {phase:<10} {mean:>10.2f} {worst:>10.2f} {examined:>10,.0f}"


def _pool(policy: Policy, floor: int = 0) -> Pool:
    pool = Pool()
    terms = events.Pool("USDT", 6, "full", Fixed(5, 3), ZERO, Fixed(floor, 0), policy, "open")
    pool.apply(terms)
    return pool


def _timed(pool: Pool, event: Event) -> tuple[Outcome, float]:
    if gc.isenabled():
        gc.collect()
        gc.freeze()
        gc.disable()
    started = time.process_time()
    outcome = pool.decide(event)
    return outcome, time.process_time() - started


def _counts(outcome: Outcome) -> dict[str, int]:
    kinds = ("liquidation", "takeover", "deleveraging", "deleveraged", "margin_call")
    found = dict.fromkeys(kinds, 0)
    for record in outcome.records:
        found[record.kind] = found.get(record.kind, 0) + 1
    return found


def _apart(case: str, size: int) -> Figures:
    """One case in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cascade", "--one", case, str(size)],
        capture_output=True,
        check=True,
        text=True,
    )
    found: Figures = json.loads(done.stdout)
    return found


def _cases() -> dict[str, Callable[[int], Figures]]:
    cases: dict[str, Callable[[int], Figures]] = {
        policy: partial(deleveraged, policy) for policy in POLICIES
    }
    return cases | {
        "inventories": inventories,
        "wide": wide,
        "border": border,
        "border_at_once": partial(border, spread=0),
    }


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.cascade",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--one", nargs=2, metavar=("CASE", "SIZE"), help="one case, as JSON")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--positions", type=int, default=POSITIONS)
    parser.add_argument("--border", type=int, default=BORDER_ACCOUNTS)
    asked = parser.parse_args()
    if asked.one:
        case, size = asked.one
        sys.stdout.write(json.dumps(_cases()[case](int(size))) + "\n")
        return 0
    figures = measured(asked.accounts, asked.positions, asked.border)
    sys.stderr.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
