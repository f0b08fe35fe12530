"""The daily close: figures worked by hand, views of the same books, the same bytes again."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.audit.proofs.sealing import Sealer
from ledger.audit.proofs.signing import signer
from ledger.cli import app
from ledger.errors import ConfigurationError
from ledger.reports.close.report import close
from ledger.reports.model import DoesNotTie, Report, Table
from ledger.reports.output.files import FORMATS, Written, write_files
from ledger.reports.rows import Row
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.reports import large_books
from tests.integration.reports.conftest import messages
from tests.integration.test_tampering import altered
from tests.integration.varied_books import fresh

COMMAND = (sys.executable, "-c", "from ledger.cli import main; main()", "report", "close")
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


def tables(report: Report) -> dict[str, Table]:
    return {table.name: table for table in report.tables()}


def rows(report: Report, name: str) -> list[Row]:
    """A table's rows, figures as plain decimal strings."""
    return [
        tuple(f"{cell.normalize():f}" if isinstance(cell, Decimal) else cell for cell in row)
        for row in tables(report)[name].rows
    ]


def test_each_figure_of_the_day_is_as_worked_by_hand(two_days: str) -> None:
    report = close(two_days, "main", SECOND)
    assert rows(report, "profit_by_participant") == [
        # realized, settled, funding, fees, covered, net
        ("carol", "BTC-PERP", "-1045", "0", "-1.02", "2", "0", "-1048.02"),  # 8,955 - 10,000
        ("bob", "BTC-PERP", "800", "0", "1.53", "3", "0", "798.53"),  # -100, then 900
        ("@liquidation", "BTC-PERP", "145", "0", "0", "0.5", "0", "144.5"),  # 9,100 - 8,955
        ("alice", "BTC-PERP", "100", "0", "-0.51", "1", "0", "98.49"),  # 0.1 * 1,000
    ]
    assert rows(report, "profit_by_instrument") == [
        ("BTC-PERP", 3, "0.5", "0", "0", "0", "6.5", "0", "-6.5")
    ]
    assert rows(report, "fund") == [
        ("insurance", "500", "144.5", "644.5"),
        ("deficit", "0", "0", "0"),
    ]
    assert rows(report, "liquidations")[0][2:] == (
        *("L-1", "carol", "BTC-PERP", "0.2", "45000", "44775"),
        *("96.98", "450", "8955", "96.98", "45"),  # 0.005 of 9,000 is the penalty
    )
    assert rows(report, "open_interest") == [
        ("BTC-PERP", 1, 1, "0.2", "0.1", "0.1", "45000", "4500")
    ]
    assert rows(report, "funding")[0][3:] == (
        *("BTC-PERP", "0.0001", "51000", 3),
        *("1.53", "1.53", "0"),
    )
    assert rows(report, "trial_balance") == [
        ("USDT", "asset", "31600", "31600", "25600", "25600"),
        ("BTC-PERP", "contracts", "0.2", "0.2", "0.1", "0.1"),
    ]
    assert ("withdrawal", 1, 1) in rows(report, "messages")


def test_one_days_closing_is_the_next_ones_opening(two_days: str) -> None:
    first, second = close(two_days, "main", FIRST), close(two_days, "main", SECOND)
    closing = {row[:4]: row[8] for row in rows(first, "chart_of_accounts")}
    opening = {row[:4]: row[5] for row in rows(second, "chart_of_accounts") if row[5] != "0"}
    assert opening == {line: balance for line, balance in closing.items() if balance != "0"}
    assert first.taken_at["Sequence"] == "11"
    assert second.taken_at["First event"] == "12"


def test_a_day_without_events_moves_nothing_and_ties(two_days: str) -> None:
    log = PostgresLog.connect(two_days, "test")
    late = (
        b'{"kind":"deposit","event_id":"late","occurred_at":"2026-03-05T00:00:00Z",'
        b'"account":"bob","asset":"USDT","amount":"1"}'
    )
    assert Writer(log).take(messages([late], 100)).applied == 1
    log.close()
    report = close(two_days, "main", date(2026, 3, 4))
    assert rows(report, "movements") == rows(report, "messages") == []
    assert report.taken_at["First event"] == "none"
    assert report.remarks == ()
    before = rows(close(two_days, "main", SECOND), "trial_balance")
    assert [row[2:4] for row in rows(report, "trial_balance")] == [row[4:] for row in before]


def _sums(url: str, query: str) -> dict[tuple[str, str | None], Decimal]:
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE clearing_auditor")
        found = connection.execute(query.encode()).fetchall()
    return {(account, instrument): total for account, instrument, total in found if total}


@pytest.mark.parametrize(
    ("view", "column", "place"),
    [
        ("realized_pnl", "realized_pnl", 2),
        ("funding_payments", "payment", 4),
        ("fees", "fee", 5),
    ],
)
def test_profits_are_those_of_the_views(varied: str, view: str, column: str, place: int) -> None:
    report = close(varied, "main")
    shown = {
        (row[0], row[1]): row[place]
        for row in tables(report)["profit_by_participant"].rows
        if row[place]
    }
    assert shown == _sums(
        varied,
        f"SELECT account, instrument, sum({column}) FROM reporting.{view}"
        " WHERE pool = 'main' GROUP BY 1, 2",
    )


def test_balances_interest_and_margin_are_those_of_the_views(varied: str) -> None:
    report = close(varied, "main")
    found = tables(report)
    with psycopg.connect(varied) as connection:
        connection.execute("SET ROLE clearing_auditor")
        ask: Callable[[str], list[Row]] = lambda query: connection.execute(  # noqa: E731 - short
            f"SELECT {query}".encode()
        ).fetchall()
        trial = ask("commodity, debit, credit FROM reporting.trial_balance WHERE pool = 'main'")
        assert {(row[0], *row[4:]) for row in found["trial_balance"].rows} == set(trial)
        interest = ask("instrument, quantity, mark_price, notional FROM reporting.open_interest")
        shown = {(row[0], row[4], row[6], row[7]) for row in found["open_interest"].rows if row[1]}
        assert shown == set(interest)
        total = ask("count(*), sum(equity) FROM reporting.margin WHERE pool = 'main'")
        margin = next(iter(found["margin"].rows))
        assert (margin[0], margin[3]) == total[0]
        deleveraged = ask("count(*) FROM reporting.deleveragings")
        assert len(found["deleveragings"].rows) == deleveraged[0][0]
        assert len(found["deleveragings"].rows) > 0


def _digests(url: str, folder: Path, at: int | None) -> list[Written]:
    return write_files(close(url, "main", at=at), folder, FORMATS, 50)


def test_the_same_books_at_the_same_sequence_give_the_same_bytes(
    two_days: str, tmp_path: Path
) -> None:
    log = PostgresLog.connect(two_days, "test")
    writer = Writer(log, seal=Sealer(signer()))
    writer.take(
        messages(
            [
                (
                    b'{"kind":"deposit","event_id":"d-2","occurred_at":"2026-03-02T16:00:00Z",'
                    b'"account":"bob","asset":"USDT","amount":"5"}'
                )
            ],
            200,
        )
    )
    writer.close()
    once = _digests(two_days, tmp_path / "once", 18)
    log = PostgresLog.connect(two_days, "test")
    assert (
        Writer(log)
        .take(
            messages(
                [
                    (
                        b'{"kind":"deposit","event_id":"d-3","occurred_at":"2026-03-09T16:00:00Z",'
                        b'"account":"bob","asset":"USDT","amount":"5"}'
                    )
                ],
                300,
            )
        )
        .applied
    )
    log.close()
    again = _digests(two_days, tmp_path / "again", 18)
    assert [each.name for each in once[:2]] == ["close.html", "close.pdf"]
    assert len(once) > 40
    assert once == again
    for name in ("close.pdf", "report.json"):
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert [each.sha256 for each in _digests(two_days, tmp_path / "other", 17)] != [
        each.sha256 for each in once
    ]


def test_what_covers_the_report_is_named_or_said_to_be_missing(two_days: str, varied: str) -> None:
    assert close(two_days, "main").taken_at["Checkpoint"] == (
        "no checkpoint yet that covers event 18"
    )
    report = close(varied, "main", at=150)
    with psycopg.connect(varied) as connection:
        row = connection.execute(
            "SELECT c.sequence, encode(c.key, 'hex') FROM ledger.checkpoint c"
            "  JOIN ledger.shard USING (shard) WHERE name = 'main' AND sequence >= 150"
            " ORDER BY sequence LIMIT 1"
        ).fetchone()
    assert row is not None
    assert report.taken_at["Checkpoint"] == f"after event {row[0]}"
    assert report.taken_at["Checkpoint key"] == row[1]
    assert len(report.taken_at["Checkpoint root"]) == 64


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE ledger.posting SET balance = balance + 1 WHERE sequence = 17 AND line = 1",
            "Opening and movements against closing",
        ),
        (
            (
                "UPDATE ledger.posting SET amount = amount + 1, balance = balance + 1"
                " WHERE sequence = 17 AND line = 1"
            ),
            "Debits of the day against its credits",
        ),
        (
            (
                "DELETE FROM ledger.record WHERE kind = 'takeover'; DELETE FROM ledger.record"
                " WHERE kind = 'fund' AND subject = 'F-3'"
            ),
            "Balance of the last record against closing: insurance",
        ),
        (
            "DELETE FROM ledger.record WHERE kind = 'takeover'",
            "Contracts taken over against postings of @liquidation \\(BTC-PERP\\): 0 against",
        ),
        (
            (
                "UPDATE ledger.posting SET purpose = 1 FROM ledger.account a"
                " WHERE a.account = posting.account AND a.kind = 'insurance' AND purpose = 4"
            ),
            "Realized P&L of all holders against what came to cash",
        ),
        (
            "UPDATE ledger.posting SET purpose = 1 WHERE sequence = 14 AND line = 1",
            "Funding paid less received against rounding",
        ),
    ],
    ids=["balance", "amount", "record", "takeover", "realized", "purpose"],
)
def test_a_close_that_does_not_tie_is_refused(two_days: str, statement: str, words: str) -> None:
    altered(two_days, *statement.split("; "))
    with pytest.raises(DoesNotTie, match=words):
        close(two_days, "main", SECOND)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"pool": "other"}, "these books have main: choose one"),
        ({"at": 19}, "pool main has the events 1 to 18"),
        ({"day": date(2026, 2, 28)}, "no event yet by the end of 2026-02-28"),
        ({"day": date(2026, 3, 3)}, "2026-03-03 had not begun"),
        ({"day": FIRST, "at": 12}, "event 12 of pool main is after the end of 2026-03-01"),
    ],
)
def test_what_cannot_be_closed_is_said(two_days: str, asked: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        close(two_days, **{"pool": "main", **asked})  # type: ignore[arg-type]


def test_the_command_writes_files_and_says_what_it_was_taken_at(
    two_days: str, tmp_path: Path
) -> None:
    words = ["report", "close", "--out", str(tmp_path / "out"), "--database-url", two_days]
    done = CliRunner().invoke(
        app, [*words, "--json", "--format", "csv,html", "--day", "2026-03-01"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["sequence"] == 11
    assert {each["name"] for each in told["files"]} >= {"close.html", "fund.csv", "about.csv"}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == told
    wrong = CliRunner().invoke(app, [*words, "--format", "xlsx"])
    assert isinstance(wrong.exception, ConfigurationError)
    wrong = CliRunner().invoke(app, [*words, "--day", "yesterday"])
    assert isinstance(wrong.exception, ConfigurationError)


def _processor_of_server(server: embedded.Embedded) -> float:
    """Seconds of the processor that its sessions took, those that ended."""
    number = (server.directory / "postmaster.pid").read_text().split()[0]
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif("CLEARING_LARGE_REPORTS" not in os.environ, reason="takes minutes")
@pytest.mark.timeout(900)
def test_a_close_of_so_many_participants_takes_a_minute_of_processors_and_bounded_memory(
    postgres: embedded.Embedded, tmp_path: Path
) -> None:
    with fresh(postgres, "large") as url:
        participants = int(os.environ["CLEARING_LARGE_REPORTS"])
        large_books.fill(url, participants)
        server, began = _processor_of_server(postgres), time.perf_counter()
        with subprocess.Popen(
            [*COMMAND, "--out", str(tmp_path), "--database-url", url, "--quiet", "--json"],
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdout is not None
            told = json.loads(running.stdout.read())
            _, status, usage = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        clock = time.perf_counter() - began
        server = _processor_of_server(postgres) - server
        command = usage.ru_utime + usage.ru_stime
        megabytes = usage.ru_maxrss / 1024
    rows_of = {each["name"]: each["rows"] for each in told["files"]}
    assert rows_of["profit_by_participant.csv"] > participants
    print(  # noqa: T201 - the figures are the point
        f"{clock:.0f} s by the clock; of a processor {server:.0f} s the server,"
        f" {command:.0f} s the command; {megabytes:.0f} MB"
    )
    assert server + command < 60
    assert megabytes < 500
