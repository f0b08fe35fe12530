"""The figures of a whole ledger on one page, read through the reporting views."""

from typing import Any, NamedTuple

import psycopg
from psycopg.rows import DictRow, dict_row

from ledger.store.faults import translated

_TRIAL_BALANCE = """
    SELECT pool, commodity, debit, credit FROM reporting.trial_balance ORDER BY pool, commodity"""
_FEES = """
    SELECT pool, asset, trim_scale(sum(greatest(fee, 0))) AS fees_paid,
           trim_scale(sum(greatest(-fee, 0))) AS rebates
      FROM reporting.fees GROUP BY pool, asset ORDER BY pool, asset"""
_FUNDING = """
    SELECT pool, instrument, trim_scale(sum(greatest(payment, 0))) AS received,
           trim_scale(sum(greatest(-payment, 0))) AS paid
      FROM reporting.funding_payments GROUP BY pool, instrument ORDER BY pool, instrument"""
_OPEN_INTEREST = """
    SELECT pool, instrument, quantity AS open_interest, mark_price
      FROM reporting.open_interest ORDER BY pool, instrument"""
_REALIZED = """
    WITH total AS MATERIALIZED (
        SELECT pool, account, trim_scale(sum(realized_pnl)) AS realized_pnl
          FROM reporting.realized_pnl WHERE left(account, 1) <> '@' GROUP BY pool, account)
    SELECT * FROM (
        (SELECT * FROM total WHERE pool = %(pool)s ORDER BY realized_pnl DESC, account LIMIT 3)
        UNION
        (SELECT * FROM total WHERE pool = %(pool)s ORDER BY realized_pnl, account LIMIT 3)) AS ends
     ORDER BY realized_pnl DESC, account"""
_INSURANCE = """
    SELECT pool, asset, balance FROM reporting.balances
     WHERE account = '@house' AND kind = 'insurance' ORDER BY pool"""
_REJECTIONS = """
    SELECT code, count(*) AS messages, min(detail) AS for_example
      FROM reporting.rejections GROUP BY code ORDER BY code"""


class Summary(NamedTuple):
    """Rows of each section, with the names of their columns."""

    trial_balance: list[DictRow]
    fees: list[DictRow]
    funding: list[DictRow]
    open_interest: list[DictRow]
    realized: list[DictRow]
    insurance: list[DictRow]
    rejections: list[DictRow]

    @property
    def balances(self) -> bool:
        """Debit and credit are equal in every pool and commodity."""
        return all(row["debit"] == row["credit"] for row in self.trial_balance)


def summary(url: str, pool: str) -> Summary:
    """Read the page.

    Args:
        url: Of the database.
        pool: Whose largest gains and losses are shown.
    """
    with (
        translated(),
        psycopg.connect(url, application_name="clearing summary") as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        cursor.execute("SET ROLE clearing_auditor")
        named: dict[str, Any] = {"pool": pool}
        return Summary(
            cursor.execute(_TRIAL_BALANCE).fetchall(),
            cursor.execute(_FEES).fetchall(),
            cursor.execute(_FUNDING).fetchall(),
            cursor.execute(_OPEN_INTEREST).fetchall(),
            cursor.execute(_REALIZED, named).fetchall(),
            cursor.execute(_INSURANCE).fetchall(),
            cursor.execute(_REJECTIONS).fetchall(),
        )


def rejections_by_code(url: str) -> dict[str, int]:
    """How many messages were refused for each reason."""
    with translated(), psycopg.connect(url) as connection:
        connection.execute("SET ROLE clearing_auditor")
        return dict(
            connection.execute(
                "SELECT code, count(*) FROM reporting.rejections GROUP BY code"
            ).fetchall()
        )
