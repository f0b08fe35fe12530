"""A simulation that cannot find faults is worth nothing: each mutant is found by its seed."""

import pytest
from typer.testing import CliRunner

from ledger.cli import app
from tests.simulation.mutants import MUTANTS, Mutant, found_by, ids_not_looked_up

pytestmark = pytest.mark.interpreted


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.put_into.__name__)
def test_a_broken_promise_is_found(mutant: Mutant) -> None:
    assert found_by(mutant, mutant.seed) is not None


def test_a_failing_seed_ends_with_the_line_that_runs_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids_not_looked_up(monkeypatch)
    ran = CliRunner().invoke(app, ["simulate", "1", "--seeds", "3"])
    assert ran.exit_code == 1
    assert "seed 1 found StoreError" in ran.stdout
    assert ran.stdout.endswith("run it again: clearing simulate 1\n")


def test_faults_that_do_not_exist_are_named() -> None:
    ran = CliRunner().invoke(app, ["simulate", "1", "--faults", "crash,hail"])
    assert ran.exit_code != 0
    assert "hail" in str(ran.exception)
