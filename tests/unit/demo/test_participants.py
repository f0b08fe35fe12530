"""A seat's own books, worked by hand: closed parts realize, isolated margin comes and goes."""

import pytest

from ledger.demo.listings import SOL_PERP
from ledger.demo.participants import Participant, Seat, Style

NAME = "SOL-PERP"


@pytest.fixture
def seat() -> Seat:
    """1,000 in its wallet."""
    seat = Seat(Participant("p-1", Style.PRIVATE, 1_000, ("usdt",)))
    seat.list_instrument(NAME)
    seat.cash = 1_000
    return seat


def test_the_closed_part_realizes_and_the_rest_keeps_its_cost(seat: Seat) -> None:
    """Long 4 for 400; 1 sold at 130 realizes 30, less a fee of 2."""
    seat.trade(NAME, 4, 400, 0)
    seat.trade(NAME, -1, -130, 2)
    holding = seat.holdings[NAME]
    assert (holding.quantity, holding.variation, seat.cash) == (3, -300, 1_028)


def test_a_trade_through_zero_closes_then_opens(seat: Seat) -> None:
    """Long 2 for 200; 5 sold at 90 each: 20 lost, short 3 for 270."""
    seat.trade(NAME, 2, 200, 0)
    seat.trade(NAME, -5, -450, 0)
    holding = seat.holdings[NAME]
    assert (holding.quantity, holding.variation, seat.cash) == (-3, 270, 980)


def test_isolated_margin_keeps_profit_until_the_position_is_flat(seat: Seat) -> None:
    seat.holdings[NAME].is_isolated = True
    seat.trade(NAME, 4, 400, 1, margin=40)
    assert (seat.cash, seat.holdings[NAME].margin) == (959, 40)
    seat.trade(NAME, -2, -260, 1)
    assert (seat.cash, seat.holdings[NAME].margin) == (958, 100)
    seat.trade(NAME, -2, -220, 1)
    assert (seat.cash, seat.holdings[NAME].margin) == (1_077, 0)


def test_isolated_margin_goes_home_before_the_other_side_takes_its_own(seat: Seat) -> None:
    """Long 2 for 200 with 20; 3 sold at 110: 20 won, 40 go home, 11 stay for short 1."""
    seat.holdings[NAME].is_isolated = True
    seat.trade(NAME, 2, 200, 0, margin=20)
    assert seat.opened(NAME, -3) == 1
    seat.trade(NAME, -3, -330, 0, margin=11)
    assert (seat.cash, seat.holdings[NAME].margin) == (1_009, 11)


@pytest.mark.parametrize(
    ("notional", "leverage", "margin"),
    [
        (100_000_000_000, None, 2_000_000_000),  # 100,000 USDT in the first tier: 2%
        (100_000_000_000, 10, 10_000_000_000),  # a tenth is more than 2%
        (100_000_000_000, 80, 2_000_000_000),  # an eightieth is less
        (500_000_000_000, None, 20_000_000_000),  # on its border: the second tier's 4%
        (1, None, 1),  # up
    ],
)
def test_initial_margin_is_the_tier_s_or_the_leverage_s(
    notional: int, leverage: int | None, margin: int
) -> None:
    assert SOL_PERP.initial(notional, leverage) == margin
