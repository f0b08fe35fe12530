"""Where a run looked, as its lines tell it: accounts, instruments, spans, moments."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from ledger.recon.lines import Holding, Statement, Trade
from ledger.recon.rules import SourceRules
from ledger.recon.scopes import LookedAt, Place, looked
from tests.unit.recon_match.books import START, at, line, source, statement, theirs

DAY = timedelta(days=1)


def is_looked_at(
    rules: SourceRules, lines: Sequence[Trade | Holding | Statement], place: Place
) -> bool:
    seen = LookedAt(rules)
    assert len(list(seen.seen(("", each) for each in lines))) == len(lines)
    return looked(list(seen.scopes()), rules, place, {})


def of_day(number: int, account: str = "@custody") -> Statement:
    """The statement of a day of January, with one line."""
    (_, made) = statement(line(1, "5", account=account))
    begins = START + (number - 1) * DAY
    return made._replace(account=account, begins=begins, ends=begins + DAY - timedelta(seconds=1))


def held(account: str, day: int, commodity: str = "USDT") -> Holding:
    """What an account has at noon of a day."""
    return Holding(1, START + day * DAY - DAY / 2, account, commodity, Decimal(5))


BANK = source("statements")
NOON = START + DAY / 2


@pytest.mark.parametrize(
    ("place", "is_seen"),
    [
        (Place("@custody", "USDT", NOON), True),
        (Place("ada", "USDT", NOON), False),
        (Place("@custody", "BTC", NOON), False),
        (Place("@custody", "USDT", NOON + DAY), False),
        (Place("@custody", "USDT", NOON + 2 * DAY), True),
        (Place("@custody", "USDT", None), False),
    ],
    ids=["there", "another account", "another asset", "between both", "the third", "timeless"],
)
def test_statements_look_at_their_own_accounts_and_days(place: Place, *, is_seen: bool) -> None:
    assert is_looked_at(BANK, [of_day(1), of_day(3)], place) == is_seen


@pytest.mark.parametrize("kind", ["trades", "holdings", "statements"])
@pytest.mark.parametrize("covers", ["span", "all"])
def test_a_file_without_a_line_looks_at_nothing(kind: str, covers: str) -> None:
    rules = source(kind, f'covers = "{covers}"')
    assert not is_looked_at(rules, [], Place("ada", "USDT", NOON))
    assert not is_looked_at(rules, [], Place("", "BTC-PERP", None))


def test_trades_of_one_instrument_say_nothing_of_what_only_the_source_has_of_another() -> None:
    file = [theirs(1), theirs(9)]
    rules = source("trades")
    assert is_looked_at(rules, file, Place("", "BTC-PERP", at(5)))
    assert not is_looked_at(rules, file, Place("", "ETH-PERP", at(5)))
    assert is_looked_at(rules, file, Place("", "ETH-PERP", at(5), only_ours=True)), "all are asked"
    assert not is_looked_at(rules, file, Place("", "BTC-PERP", at(10)))


@pytest.mark.parametrize(
    ("place", "is_seen"),
    [
        (Place("ada", "USDT", NOON), True),
        (Place("ada", "BTC-PERP", NOON), True),
        (Place("ada", "USDT", NOON - DAY), True),
        (Place("ada", "USDT", NOON + DAY), False),
        (Place("ben", "USDT", NOON), False),
    ],
    ids=["there", "what it does not name", "before", "after", "another"],
)
def test_holdings_look_at_the_accounts_that_they_name_until_their_moment(
    place: Place, *, is_seen: bool
) -> None:
    assert is_looked_at(source("holdings"), [held("ada", 1)], place) == is_seen


def test_holdings_of_everybody_look_at_every_participant() -> None:
    rules = source("holdings", 'covers = "all"')
    assert is_looked_at(rules, [held("ada", 1)], Place("ben", "USDT", NOON))
    assert not is_looked_at(rules, [held("ada", 1)], Place("@fees", "USDT", NOON))
    assert is_looked_at(rules, [held("@fees", 1)], Place("@fees", "USDT", NOON))


def test_a_statement_that_ends_in_whole_seconds_looks_at_the_last_one_whole() -> None:
    last = START + DAY - timedelta(milliseconds=500)
    assert is_looked_at(BANK, [of_day(1)], Place("@custody", "USDT", last))
    assert not is_looked_at(BANK, [of_day(1)], Place("@custody", "USDT", START + DAY))
