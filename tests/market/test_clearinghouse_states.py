"""Hyperliquid's clearinghouse states rebuilt: 7 accounts, 66 positions, 42 liquidation prices.

Expected figures are the venue's own. Where the venue follows another rule (the state of 2023, the
account whose spot holdings count) the test says which, and works the difference out in fractions.
"""

from fractions import Fraction

import pytest

from tests.market.books import Books, rounded, up, written
from tests.market.states import (
    CROSS10,
    MAY_2023,
    ME,
    MONEY,
    PRICE,
    Account,
    Held,
    accounts,
    built,
)

UNIT = Fraction(1, 10**MONEY)
COINS_MAX = 200
"""Coins of the vaults whose states show a part: each is rounded by the venue, and left out here."""

Built = list[tuple[Account, Books]]


@pytest.fixture(scope="module")
def states() -> Built:
    """Every account with its books; they are only read."""
    return [(account, built(account)) for account in accounts()]


def relative(found: Fraction | None, expected: Fraction | None) -> Fraction:
    assert found is not None
    assert expected is not None
    return abs(found - expected) / expected


def explained(account: Account) -> bool:
    """The README's formula holds; the other two follow a rule of their own."""
    return account.name not in {CROSS10, MAY_2023}


def slack(account: Account) -> Fraction:
    """A unit for each position that was rounded."""
    return (len(account.positions) if account.is_whole else COINS_MAX) * UNIT


def with_price(account: Account) -> list[Held]:
    return [held for held in account.positions if held.liquidation is not None]


def test_the_file_is_the_whole_file(states: Built) -> None:
    assert len(states) == 7
    assert sum(len(account.positions) for account, _ in states) == 66
    assert sum(len(with_price(account)) for account, _ in states) == 42
    assert sum(len(with_price(account)) for account, _ in states if explained(account)) == 34


def test_equity_is_the_venues_account_value_to_a_unit(states: Built) -> None:
    for account, books in states:
        assert books.money(books.statement(ME).equity) == account.equity, account.name


def test_unrealized_pnl_of_every_position_is_the_venues(states: Built) -> None:
    compared = 0
    for account, books in states:
        for held in account.positions:
            where = None if held.cash is None else held.coin
            (line,) = (
                line
                for line in books.statement(ME, where).positions
                if line.instrument == held.coin
            )
            assert books.money(line.cost) == -held.entry_value, held
            assert books.money(line.value) == held.value, held
            assert books.money(line.cost + line.value) == held.pnl, held
            compared += 1
    assert compared == 66


def test_entry_price_truncated_is_the_venues(states: Built) -> None:
    for account, books in states:
        for held in account.positions:
            cost = -books.balance(ME, "variation", held.coin)
            entry = cost / books.contracts(ME, held.coin)
            tick = Fraction(1, 10 ** len(str(float(held.entry_price)).partition(".")[2]))
            assert 0 <= entry - held.entry_price < 10 * tick, held
    assert states


def test_maintenance_margin_is_the_venues_to_a_unit_a_position(states: Built) -> None:
    compared = 0
    for account, books in states:
        if account.maintenance is None:
            continue
        found = books.money(books.statement(ME).maintenance)
        assert abs(found - account.maintenance) <= slack(account), account.name
        compared += 1
    assert compared == 6


def test_margin_used_is_initial_margin_at_the_chosen_leverage(states: Built) -> None:
    """Cross: notional over leverage. The venue rounds a position half-up, the core up."""
    for account, books in states:
        statement = books.statement(ME)
        lines = {line.instrument: line for line in statement.positions}
        for held in account.cross:
            found = books.money(lines[held.coin].initial)
            assert found == up(abs(held.value) / held.leverage, MONEY)
            assert abs(found - held.margin_used) <= UNIT, held
        found = books.money(statement.initial)
        assert abs(found - account.margin_used) <= slack(account), account.name


def test_equity_of_isolated_positions_is_the_venues_margin_used(states: Built) -> None:
    compared = 0
    for account, books in states:
        for held in account.isolated:
            assert books.money(books.statement(ME, held.coin).equity) == held.margin_used
            compared += 1
    assert compared == 3


def test_34_liquidation_prices_are_the_venues(states: Built) -> None:
    """To 1e-6 relative, as the README states, and nearly all to 1e-9.

    Six decimals of margin on an account of millions move the price of a small position that far.
    """
    errors = sorted(
        relative(books.liquidation_price(ME, held.coin), held.liquidation)
        for account, books in states
        if explained(account)
        for held in with_price(account)
    )
    assert len(errors) == 34
    assert errors[-1] <= Fraction(1, 10**6)
    assert sum(error <= Fraction(1, 10**9) for error in errors) >= 30


def test_where_the_venue_has_no_liquidation_price_the_core_has_none(states: Built) -> None:
    compared = 0
    for account, books in states:
        for held in account.positions:
            if held.liquidation is None and account.name != CROSS10:
                assert books.liquidation_price(ME, held.coin) is None, held
                compared += 1
    assert compared == 66 - 42 - 7, "the other seven count on spot collateral, below"


def test_three_prices_of_one_account_tell_the_same_spot_collateral(states: Built) -> None:
    """The account's spot holdings count as collateral, and stand nowhere in its state.

    Each of its prices gives away the account's whole collateral value: 8,163,905.1353 by the README
    of the files. Put into the core as an asset at par, one value makes all three prices.
    """
    account = next(account for account, _ in states if account.name == CROSS10)
    books = built(account)
    values = []
    for held in with_price(account):
        side = 1 if held.size > 0 else -1
        assert held.liquidation is not None
        assert account.maintenance is not None
        spare = (held.mark - held.liquidation) * held.size * (1 - held.maintenance_rate * side)
        values.append(spare + account.maintenance)
    assert len(values) == 3
    assert max(values) - min(values) < Fraction(1, 10**4)
    assert {rounded(value, 4) for value in values} == {Fraction("8163905.1353")}
    spot = rounded(values[0] - account.equity, 4)
    books.send("asset", asset="SPOT", scale=4, haircut="0")
    books.send("asset_price", asset="SPOT", price="1")
    books.send("deposit", account=ME, asset="SPOT", amount=written(spot))
    assert abs(books.money(books.statement(ME).equity) - Fraction("8163905.1353")) < Fraction(
        1, 10**4
    )
    for held in with_price(account):
        error = relative(books.liquidation_price(ME, held.coin), held.liquidation)
        assert error < Fraction(1, 10**9), held
    without = [held for held in account.positions if held.liquidation is None]
    assert len(without) == 7
    assert all(books.liquidation_price(ME, held.coin) is None for held in without)


def test_prices_of_2023_follow_the_older_rule_without_the_divisor(states: Built) -> None:
    """Then: mark - side * spare/|size|. Since: the same over (1 - l * side), as in the core."""
    account, books = next((account, books) for account, books in states if account.name == MAY_2023)
    compared = 0
    for held in with_price(account):
        side = 1 if held.size > 0 else -1
        found = books.liquidation_price(ME, held.coin)
        assert found is not None
        older = held.mark + (found - held.mark) * (1 - held.maintenance_rate * side)
        assert relative(older, held.liquidation) < Fraction(1, 10**6), held
        compared += 1
    assert compared == 5


def test_withdrawable_is_free_collateral(states: Built) -> None:
    """The venue also keeps a tenth of the notional back, but did not in 2023.

    Five of seven agree; the others can withdraw less, for reasons that their state does not show.
    """
    agreeing = []
    for account, books in states:
        statement = books.statement(ME)
        floor = Fraction(0) if account.name == MAY_2023 else account.notional / 10
        free = books.money(statement.equity) - max(books.money(statement.initial), floor)
        assert account.withdrawable <= free + slack(account), account.name
        if abs(free - account.withdrawable) <= slack(account):
            agreeing.append(account.name)
    assert len(agreeing) == 5
    assert MAY_2023 in agreeing


def test_accounts_are_liquidated_past_their_price_and_not_before_it(states: Built) -> None:
    """The same accounts in a pool that liquidates, once for each position that has a price.

    Requirements are rounded up to a unit a position, so the price is met within that.
    """
    compared = 0
    for account, _ in states:
        for held in with_price(account):
            _crossed(account, held)
            compared += 1
    assert compared == 42


def _crossed(account: Account, held: Held) -> None:
    books = built(account)
    books.change_pool(liquidation="full")
    price = books.liquidation_price(ME, held.coin)
    assert price is not None
    step = rounded((len(account.positions) + 4) * UNIT / held.size, PRICE)
    assert not list(books.bodies("liquidation"))
    books.send("price", instrument=held.coin, mark_price=written(price + step))
    assert not list(books.bodies("liquidation")), held
    books.send("price", instrument=held.coin, mark_price=written(price - step))
    (liquidation, *_) = books.bodies("liquidation")
    assert liquidation["account"] == ME
    assert liquidation["margin_instrument"] == (None if held.cash is None else held.coin)
