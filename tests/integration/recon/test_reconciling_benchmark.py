"""The benchmark of reconciliation, on few trades: it finds what it put there, and nothing else."""

from pathlib import Path

from benchmarks import reconciling, traffic
from ledger.recon.rules import parse_rules
from ledger.recon.run import reconcile
from tests.unit.recon_match.books import at

TRADES = 1_500


def test_the_benchmark_finds_its_faults_in_its_file(database_url: str, tmp_path: Path) -> None:
    made = reconciling.fill(database_url, TRADES)
    path = tmp_path / "trades.csv"
    reconciling.write(database_url, made, path)
    told: list[tuple[str, int]] = []
    rules = parse_rules(reconciling.RULES)
    result = reconcile(
        database_url,
        rules,
        {"engine": [path]},
        traffic.POOL,
        tell=lambda what, count: told.append((what, count)),
    )
    reconciling.require(result, TRADES)
    assert result.inputs[0].lines == TRADES
    assert result.inputs[0].begins is not None
    assert result.inputs[0].begins >= at(0)
    assert told[-1] == ("controls", 0)
