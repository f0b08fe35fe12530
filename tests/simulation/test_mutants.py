"""A simulation that cannot find faults is worth nothing: each mutant is found by its seed."""

import pytest

from tests.simulation.mutants import MUTANTS, Mutant, found_by


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.put_into.__name__)
def test_a_broken_promise_is_found(mutant: Mutant) -> None:
    assert found_by(mutant, mutant.seed) is not None
