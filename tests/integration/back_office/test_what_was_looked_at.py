"""A break is gone only where a run held together what it says: accounts, links, closings."""

import json
from pathlib import Path

import pytest

from tests.integration.back_office.test_days_of_work import HEADER, Desk
from tests.integration.back_office.test_running import EXAMPLES, called
from tests.integration.test_detaching import live

RULES = """version = 1
[sources.bank]
kind = "statements"
format = "statements-csv"
window_s = 60
[sources.bank.accounts]
FIRST = "@custody"
"""
TWO = f'{RULES}SECOND = "@custody"\n'


class Bank:
    """Runs rules on statements that are written here."""

    def __init__(self, desk: Desk, rules: str) -> None:
        self._desk = desk
        self._rules = desk.folder / "rules.toml"
        self._rules.write_text(rules)

    def day(
        self,
        day: int,
        balances: tuple[int, int],
        *movements: str,
        account: str = "FIRST",
        ends: str = "23:59:59",
    ) -> Path:
        """The file of a day; of each movement hour, amount, reference and our reference."""
        at = f"2026-01-{day:02}T"
        lines = [f"opening,{at}00:00:00Z,{balances[0]},,"]
        for movement in movements:
            hour, rest = movement.split(",", 1)
            lines.append(f"movement,{at}{hour}Z,{rest}")
        lines.append(f"closing,{at}{ends}Z,{balances[1]},,")
        path = self._desk.folder / f"{account}-{day}-{ends[:5].replace(':', '')}.csv"
        path.write_text("\n".join([HEADER, *(f"{account},USDT,{each}" for each in lines), ""]))
        return path

    def run(self, *files: Path) -> dict[str, str]:
        """State by what a break is about, after a run of these files."""
        given = [word for path in files for word in ("--file", f"bank={path}")]
        called(self._desk.url, "run", str(self._rules), *given, "--by", "rosa", "--json")
        printed = json.loads(called(self._desk.url, "breaks", "--closed", "--json").stdout)
        return {one["subject"]: one["state"] for one in printed}


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Desk:
    """The eleven events of the first example, and a folder."""
    live(database_url, (EXAMPLES / "first.jsonl").read_bytes().splitlines())
    return Desk(database_url, tmp_path)


DAY = ("09:00:10,10000,B-1,dep-1", "09:00:12,10000,B-2,dep-2", "17:00:00,-100,B-4,wd-1")


def test_a_break_of_two_accounts_is_gone_only_by_the_statements_of_both(desk: Desk) -> None:
    bank = Bank(desk, TWO)
    first = bank.day(5, (0, 19900), *DAY)
    second = bank.day(5, (0, -40), "15:00:00,-40,S-1,", account="SECOND")
    subject = "S-1 of 2026-01-05"
    assert bank.run(first, second)[subject] == "open"
    assert bank.run(first)[subject] == "open", "the second was not looked at"
    mended = bank.day(5, (0, 0), account="SECOND")
    assert bank.run(mended)[subject] == "open", "it may be on the first by now"
    assert bank.run(first, mended)[subject] == "gone"


def test_a_break_of_a_closing_is_gone_only_where_that_closing_was_compared(desk: Desk) -> None:
    bank = Bank(desk, TWO)
    first = bank.day(5, (0, 19900), *DAY)
    second = bank.day(5, (-10, -10), account="SECOND")
    subject = "closing @custody/USDT"
    assert bank.run(first, second)[subject] == "open"
    early = bank.day(5, (-10, -10), account="SECOND", ends="23:58:59")
    assert bank.run(first, early)[subject] == "open", "they do not end alike"
    assert bank.run(first, bank.day(5, (0, 0), account="SECOND"))[subject] == "gone"


def test_a_break_between_two_statements_is_gone_only_where_both_are_given(desk: Desk) -> None:
    bank = Bank(desk, RULES)
    fifth, sixth = bank.day(5, (0, 19900), *DAY), bank.day(6, (19950, 19950))
    seventh = bank.day(7, (19950, 19950))
    subject = "statement 2026-01-06, FIRST"
    assert bank.run(fifth, sixth)[subject] == "open"
    assert bank.run(sixth, seventh)[subject] == "open", "nothing before the sixth was given"
    assert bank.run(sixth)[subject] == "open"
    assert bank.run(fifth, bank.day(6, (19900, 19900)))[subject] == "gone"


def test_what_stands_in_two_files_is_gone_only_where_both_are_given(desk: Desk) -> None:
    only = "window_s = 60\nonly = ['dep-', 'wd-']"
    bank = Bank(desk, RULES.replace("window_s = 60", only))
    fifth = bank.day(5, (0, 19900), *DAY)
    sixth = bank.day(6, (19900, 19800), "08:00:00,-100,B-10,wd-1")
    seventh = bank.day(7, (19800, 19800))
    subject = "B-10 of 2026-01-06"
    assert bank.run(fifth, sixth)[subject] == "open"
    assert bank.run(sixth)[subject] == "open", "it stands there once"
    assert bank.run(sixth, seventh)[subject] == "open", "two files, and not those of then"
    assert bank.run(fifth, bank.day(6, (19900, 19900)), seventh)[subject] == "gone"


def test_a_trade_that_stands_in_two_files_is_gone_only_where_both_are_given(desk: Desk) -> None:
    trades = (
        "trade-1,2026-01-05T10:00:00Z,BTC-PERP,60000,0.5,alice,bob,15,-3",
        "trade-2,2026-01-05T12:00:00Z,BTC-PERP,61000,0.2,bob,alice,6.1,6.1",
    )
    whole, again = desk.engine("whole.csv", *trades), desk.engine("again.csv", trades[1])
    desk.run(whole, again)
    assert desk.breaks() == {"trade-2": "open"}
    desk.run(whole)
    assert desk.breaks() == {"trade-2": "open"}
    desk.run(whole, desk.engine("again.csv"))
    assert desk.breaks() == {"trade-2": "gone"}
