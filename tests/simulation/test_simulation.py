"""The simulated clearing house: fixed seeds, fresh seeds, the same trace every time."""

import json
import os
import random
import subprocess
import sys

import pytest

from consumers.simulation.plan import FAULTS, plan_of
from consumers.simulation.run import Verdict, simulate

FRESH = random.SystemRandom().randrange(10**6, 10**9)


def require_well(verdict: Verdict, options: str = "") -> None:
    again = f"clearing simulate {verdict.seed} {options}"
    assert verdict.found is None, f"{verdict.found}; run it again: {again}"


@pytest.mark.parametrize("seed", [6, 7, 13, 10102])
def test_books_hold_under_every_fault(seed: int) -> None:
    require_well(simulate(seed))


@pytest.mark.parametrize("number", range(4))
def test_books_hold_in_worlds_never_seen_before(number: int) -> None:
    require_well(simulate(FRESH + number, steps=1500), "--steps 1500")


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_each_fault_alone_is_survived(fault: str) -> None:
    seed = next(seed for seed in range(1000) if fault in plan_of(seed, [fault]).rates)
    require_well(simulate(seed, steps=500, faults=[fault]), f"--steps 500 --faults {fault}")


def test_without_faults_everything_arrives_once_and_nobody_dies() -> None:
    verdict = simulate(3, faults=[])
    require_well(verdict)
    assert verdict.messages == verdict.accepted + verdict.refused >= 100
    assert verdict.duplicates == 0
    assert list(verdict.lives) == ["stopped"]


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_has_one_trace_whatever_the_hashes_of_strings(hash_seed: str) -> None:
    lines: list[str] = []
    verdict = simulate(7, steps=600, tell=lines.append)
    call = "from ledger.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", call, "simulate", "7", "--steps", "600", "--trace", "--json"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
        text=True,
    )
    *trace, result = ran.stdout.splitlines()
    assert trace == lines
    assert json.loads(result)["trace_hash"] == verdict.trace_hash


def test_another_seed_has_another_trace() -> None:
    traces = {simulate(seed, steps=200).trace_hash for seed in range(5)}
    assert len(traces) == 5
