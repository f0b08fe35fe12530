"""A participant's statement: figures worked by hand, the views' figures, the same bytes again."""

from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.errors import ConfigurationError
from ledger.reports.model import DoesNotTie
from ledger.reports.output.files import write_files
from ledger.reports.statement import statement
from tests.integration.reports.test_close import rows, tables
from tests.integration.test_tampering import altered

OWNERS = ("ada", "ben", "cho", "dee", "eli", "fay", "gus", "zoe")


def test_each_figure_of_a_statement_is_as_worked_by_hand(two_days: str) -> None:
    report = statement(two_days, "main", "alice", "2026-03-02", "2026-03-02")
    assert rows(report, "balances") == [
        # 10,000 - 2.50 of the first day; then 100 - 0.51 - 1 - 1,000
        ("wallet", None, "USDT", "asset", "9997.5", "1001.51", "100", "9095.99"),
        ("variation", "BTC-PERP", "USDT", "asset", "-10000", "100", "5100", "-5000"),
        ("position", "BTC-PERP", "BTC-PERP", "contracts", "0.2", "0.1", "0", "0.1"),
    ]
    assert rows(report, "profit_by_instrument") == [
        ("BTC-PERP", "100", "0", "-0.51", "1", "0", "98.49")
    ]
    assert [row[2:] for row in rows(report, "trades")] == [
        ("trade", "trade-3", None, "BTC-PERP", "-0.1", "51000", "1")
    ]
    assert [row[2:] for row in rows(report, "funding")] == [
        ("funding-1", "BTC-PERP", "0.0001", "51000", "-0.51")
    ]
    assert [(row[2], row[4], *row[8:]) for row in rows(report, "movements")] == [
        ("trade", "realized", "100", "10097.5"),
        ("trade", "fee", "-1", "10096.5"),
        ("funding_rate", "funding", "-0.51", "10095.99"),
        ("withdrawal", "transfer", "-1000", "9095.99"),
    ]
    assert rows(report, "positions")[0][2:8] == ("0.1", "50000", "-5000", "45000", "4500", "-500")
    assert rows(report, "margin")[0][2:5] == ("9095.99", "-500", "8595.99")


def test_a_liquidated_account_sees_its_takeover(two_days: str) -> None:
    report = statement(two_days, "main", "carol")
    assert [row[2:] for row in rows(report, "defaults")] == [
        ("takeover", "L-1", "BTC-PERP", "0.2", "44775", "-1045", "45")
    ]
    assert rows(report, "positions") == []


@pytest.mark.parametrize("account", OWNERS)
def test_statements_of_eventful_books_tie_and_agree_with_the_views(
    varied: str, account: str
) -> None:
    report = statement(varied, "main", account, "1", "313")
    with psycopg.connect(varied) as connection:
        connection.execute("SET ROLE clearing_auditor")
        named = {"account": account}
        realized = connection.execute(
            "SELECT coalesce(sum(realized_pnl), 0) FROM reporting.realized_pnl"
            " WHERE pool = 'main' AND account = %(account)s",
            named,
        ).fetchall()
        trades = connection.execute(
            "SELECT count(*) FROM reporting.trades WHERE pool = 'main'"
            " AND %(account)s IN (buyer, seller)",
            named,
        ).fetchall()
        held = connection.execute(
            "SELECT coalesce(sum(balance), 0) FROM reporting.balances WHERE pool = 'main'"
            " AND account = %(account)s AND kind IN ('wallet', 'isolated', 'hold')"
            " AND asset = 'USD'",
            named,
        ).fetchall()
    found = tables(report)
    assert found["profit_by_instrument"].total("realized_pnl") == realized[0][0]
    assert sum(row[2] == "trade" for row in found["trades"].rows) == trades[0][0]
    money = [row[7] for row in found["balances"].rows if row[0] in {"wallet", "isolated", "hold"}
             and row[2] == "USD"]  # fmt: skip
    assert sum((each for each in money if isinstance(each, Decimal)), Decimal(0)) == held[0][0]


def test_two_statements_in_a_row_join(varied: str) -> None:
    first = statement(varied, "main", "eli", "1", "150")
    second = statement(varied, "main", "eli", "151", "313")
    closing = {row[:3]: row[7] for row in rows(first, "balances")}
    opening = {row[:3]: row[4] for row in rows(second, "balances") if row[4] != "0"}
    assert opening == {line: balance for line, balance in closing.items() if balance != "0"}


def test_days_moments_and_sequences_of_the_same_events_give_the_same_bytes(
    two_days: str, tmp_path: Path
) -> None:
    digests = [
        write_files(
            statement(two_days, "main", "bob", begins, ends), tmp_path / begins, ["csv", "pdf"], 50
        )
        for begins, ends in (
            ("2026-03-02", "2026-03-02"),
            ("2026-03-02T00:00:00Z", "2026-03-02T15:00:00.000001Z"),
            ("12", "18"),
        )
    ]
    assert digests[0] == digests[1] == digests[2]
    month = statement(two_days, "main", "bob")
    assert month.taken_at["First event"] == "1"
    assert month.subtitle == "bob in main, 2026-03-01 to 2026-03-02"


def test_a_statement_that_does_not_tie_is_refused(two_days: str) -> None:
    altered(two_days, "UPDATE ledger.posting SET balance = balance + 1 WHERE sequence = 17")
    with pytest.raises(DoesNotTie, match="Opening, in and out against closing: wallet"):
        statement(two_days, "main", "alice")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("nobody", None, None), "account nobody has no posting in pool main"),
        (("@house", None, None), "@house is no participant"),
        (("bob", "soon", None), "found 'soon'"),
        (("bob", None, "2026-03-02T00:00:00"), "expected a day"),
        (("bob", "12", "3"), "event 3 of pool main is before the beginning, event 12"),
        (("bob", "2026-03-05", "2026-03-01"), "--from 2026-03-05 is after the end"),
        (("bob", None, "2026-02-01"), "had no event yet before 2026-02-02"),
    ],
)
def test_what_cannot_be_stated_is_said(
    two_days: str, asked: tuple[str, str | None, str | None], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        statement(two_days, "main", *asked)


def test_the_command_writes_a_statement(two_days: str, tmp_path: Path) -> None:
    words = ["report", "statement", "bob", "--out", str(tmp_path), "--format", "html"]
    done = CliRunner().invoke(app, [*words, "--database-url", two_days])
    assert done.exit_code == 0, done.output
    assert "clearing report statement bob --pool main --from 1 --to 18 --out DIR" in done.stdout
    page = (tmp_path / "statement.html").read_text(encoding="utf-8")
    assert "bob in main, 2026-03-01 to 2026-03-02" in page
