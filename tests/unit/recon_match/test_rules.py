"""Rules files: what they say, their hash, and the faults of those that say something wrong."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from ledger.recon.formats import FORMATS
from ledger.recon.rules import load_rules, parse_rules

SOURCE = '[sources.engine]\nkind = "trades"\nformat = "trades-csv"\n'


def test_the_rules_of_the_documentation_are_read_as_it_says() -> None:
    page = Path(__file__).parents[3] / "docs/concepts/reconciliation.md"
    rules = parse_rules(page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0])
    engine = rules.sources["engine"]
    assert [engine.commodities(name) for name in ("USDC", "BTC")] == ["USDC", "BTC-PERP"]
    assert engine.tolerated("USDC") == Decimal("0.000001")
    assert engine.tolerated("BTC") == 0
    assert engine.left_out == ("gap:",)
    assert engine.mapping.columns["trade_id"] == "tid"
    assert engine.severity("timing", "USDT", Decimal(9_999)) == "low"
    assert engine.severity("timing", "USDT", Decimal(-10_000)) == "critical"
    assert rules.controls.trade_ids == "instrument"
    assert rules.sources["custodian"].window == timedelta(days=1)
    assert [each.name for each in rules.of_pool("main")] == ["custodian", "engine"]
    assert {each.format for each in rules.sources.values()} <= FORMATS.keys()


def test_the_hash_is_of_what_a_file_says_and_not_of_how() -> None:
    one = parse_rules("version = 1\n" + SOURCE)
    other = parse_rules(
        '# the same\nversion = 1\n[sources.engine]\nformat = "trades-csv"\nkind = "trades"\n'
    )
    changed = parse_rules("version = 1\n" + SOURCE + "window_s = 61\n")
    assert one.digest == other.digest
    assert one.digest != changed.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 1", r"no \[sources.NAME\]"),
        (SOURCE, "version is missing"),
        ("version = 2\n" + SOURCE, "version 2, this program knows 1"),
        ("version = [", "is not TOML"),
        ("version = 1\ncolour = 1\n" + SOURCE, "colour is unknown; here may stand"),
        ("version = 1\n" + SOURCE + "windows = 1", "sources.engine.windows is unknown"),
        (
            "version = 1\n" + SOURCE + 'window_s = "1"',
            "sources.engine.window_s: found '1', expected a whole number",
        ),
        (
            "version = 1\n" + SOURCE + "window_s = 99999999999999999999",
            "sources.engine.window_s: found 9+, expected a whole number from 0 to 31622400",
        ),
        (
            "version = 1\n" + SOURCE.replace("trades-csv", "trade-csv"),
            "sources.engine.format: found 'trade-csv', expected one of trades-csv, ",
        ),
        (
            "version = 1\n" + SOURCE.replace("trades-csv", "camt053"),
            "sources.engine.format: the source engine has trades, and the format camt053 has state",
        ),
        ("version = 1\n" + SOURCE + 'sides = "two"', "expected one of both, one, none"),
        (
            "version = 1\n" + SOURCE + "[sources.engine.tolerance]\nUSDT = -1",
            "sources.engine.tolerance.USDT: found -1, expected an amount from 0",
        ),
        ("version = 1\n[severity]\namount = 'bad'\n" + SOURCE, "severity.amount: found 'bad'"),
        ("version = 1\n" + SOURCE + "[sources.engine.mapping]\ntimes = 1", "no key 'times'"),
        ("version = 1\n[sources]\nx = 1", "sources.x: found 1, expected a table"),
    ],
)
def test_a_wrong_rule_is_refused_with_file_key_and_what_was_expected(
    text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        parse_rules(text, "my.toml")
    assert "my.toml" in str(refused.value)


def test_a_rules_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.toml cannot be read"):
        load_rules(tmp_path / "no.toml")
