"""Trades without a partner that are alike: the points of each figure that they share."""

from collections.abc import Callable, Collection, Hashable
from datetime import timedelta
from decimal import Decimal

from ledger.recon.matching.comparison import Comparison, line_number
from ledger.recon.matching.proposals import (
    ASKED_MAX,
    Candidates,
    Pair,
    Why,
    best,
    differing,
    keep,
    near_in_time,
    ordered,
    proposal,
)
from ledger.recon.result import Proposal, Side
from ledger.recon.trades.breaks import (
    AT,
    BUYER,
    INSTRUMENT,
    KEY,
    PLACE,
    PRICE,
    QUANTITY,
    SELLER,
    TradeRow,
    figures_differ,
    moment,
    says,
    subject_of,
)

_FIGURES: tuple[Callable[[TradeRow], Hashable], ...] = (
    lambda row: row[INSTRUMENT:BUYER],
    lambda row: (row[INSTRUMENT], row[QUANTITY]),
    lambda row: (row[INSTRUMENT], row[PRICE]),
    lambda row: (row[INSTRUMENT], row[BUYER], row[SELLER]),
)


def propose_trades(
    found: Comparison, ours: list[TradeRow], theirs: list[TradeRow], approved: Collection[str]
) -> None:
    """Propose pairs of trades; those that were approved leave both lists.

    What their figures differ by is a break; that their times are apart was agreed to.
    """
    candidates = Candidates(ours, _FIGURES, lambda row: (row[AT], row[PLACE]))
    pairs: list[Pair] = []
    for row in sorted(theirs, key=subject_of)[:ASKED_MAX]:
        alike = candidates.of(row, row[AT])
        pairs += best(
            [Pair(_proposal(found, mine, row), [mine], [row]) for mine in alike], approved
        )
    for pair in keep(found, pairs, ours, theirs, approved):
        figures_differ(found, pair.ours[0], pair.theirs[0])


def why(mine: TradeRow, other: TradeRow, window: timedelta) -> Why:
    """What speaks for two trades of an instrument being one; 100 for all of it."""
    quantities, prices = (
        differing(what, Decimal(mine[field]), Decimal(other[field]))
        for what, field in (("quantity", QUANTITY), ("price", PRICE))
    )
    points = ordered(
        ("same quantity", 30 if mine[QUANTITY] == other[QUANTITY] else 0),
        ("same price", 20 if mine[PRICE] == other[PRICE] else 0),
        ("same buyer", 15 if mine[BUYER] == other[BUYER] else 0),
        ("same seller", 15 if mine[SELLER] == other[SELLER] else 0),
        *near_in_time(moment(mine), moment(other), window),
    )
    return (*points, *quantities, *prices)


def _proposal(found: Comparison, mine: TradeRow, other: TradeRow) -> Proposal:
    reasons = why(mine, other, found.source.window)
    ours = _side(mine, mine[PLACE], 0)
    theirs = _side(other, subject_of(other), line_number(other[PLACE]))
    return proposal(found, [ours], [theirs], reasons)


def _side(row: TradeRow, reference: str, line: int) -> Side:
    return Side(
        reference,
        line,
        moment(row),
        "",
        row[INSTRUMENT],
        Decimal(row[QUANTITY]),
        f"{says(row)} id {row[KEY] or 'none'}",
    )
