"""`python -m tests.crash`: hundreds of rounds on real servers, a line each."""

import argparse
import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ledger.errors import LedgerError
from tests.crash.books import Wrong
from tests.crash.rounds import KINDS
from tests.crash.servers import started
from tests.crash.stage import Stage

_EVENTS = 150
_WRONG_MAX = 3
"""A server that is broken makes every round wrong: no more is learned from going on."""


_TRIED_MIN = 3


class Result(NamedTuple):
    """One round.

    Attributes:
        reached: Something was broken; else the program was done before.
    """

    seed: int
    kind: str
    good: bool
    reached: bool
    seconds: float
    events: int
    repeated_letters: int
    told: str


def main() -> int:
    """Run rounds; the exit code is 1 when one did not end as it must, or a kind broke nothing."""
    asked = _arguments()
    kinds = _kinds(asked)
    found: list[Result] = []
    began = time.monotonic()
    with (
        suppress(KeyboardInterrupt),
        started(asked.broker) as servers,
        Stage.opened(*servers) as stage,
    ):
        for seed in range(asked.seed, asked.seed + asked.rounds):
            result = _round(stage, seed, kinds[seed % len(kinds)])
            found.append(result)
            _say(result, asked)
            if sum(not each.good for each in found) >= _WRONG_MAX:
                break
    _sum_up(found, time.monotonic() - began, asked)
    idle = never_reached([(result.kind, result.reached) for result in found])
    if idle:
        sys.stdout.write(f"WRONG: {', '.join(idle)} came too late in every round: nothing broke\n")
    return 0 if all(result.good for result in found) and not idle else 1


def never_reached(rounds: Sequence[tuple[str, bool]]) -> list[str]:
    """Kinds that broke nothing, however often they were tried: their rounds prove nothing."""
    tried = Counter(kind for kind, _ in rounds)
    reached = {kind for kind, was_reached in rounds if was_reached}
    return [kind for kind in sorted(tried) if kind not in reached and tried[kind] >= _TRIED_MIN]


def _round(stage: Stage, seed: int, kind: str) -> Result:
    began = time.monotonic()
    events = repeated = 0
    try:
        with stage.round(seed, KINDS[kind].pools, _EVENTS, KINDS[kind].partitions):
            told = KINDS[kind].break_things(stage)
            events, repeated = stage.require_right()
        good = True
    except Wrong as wrong:
        good, told = False, str(wrong)
    except (LedgerError, OSError, AssertionError):
        good, told = False, traceback.format_exc()
    reached = told != "not reached"
    return Result(seed, kind, good, reached, time.monotonic() - began, events, repeated, told)


def _say(result: Result, asked: argparse.Namespace) -> None:
    if asked.json:
        line = json.dumps(result._asdict())
    else:
        verdict = "good" if result.good else "WRONG"
        line = f"{result.seed} {result.kind} {verdict} {result.seconds:.1f} s: {result.told}"
        if not result.good:
            line += (
                f"\nagain: python -m tests.crash --broker {asked.broker} --only {result.kind}"
                f" --rounds 1 --seed {result.seed}"
            )
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _sum_up(found: list[Result], seconds: float, asked: argparse.Namespace) -> None:
    by_kind = Counter(result.kind for result in found if result.reached)
    total = {
        "broker": asked.broker,
        "rounds": len(found),
        "reached": by_kind,
        "wrong": sum(not result.good for result in found),
        "events": sum(result.events for result in found),
        "rounds_per_minute": round(len(found) / seconds * 60, 1),
    }
    sys.stdout.write(json.dumps(total) + "\n")


def _kinds(asked: argparse.Namespace) -> list[str]:
    wanted = asked.only or [name for name, kind in KINDS.items() for _ in range(kind.share)]
    return [name for name in wanted if asked.broker == "apache" or not KINDS[name].is_apache_only]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--broker", choices=("embedded", "apache"), default="apache")
    parser.add_argument("--only", choices=sorted(KINDS), action="append", help="these kinds")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
