"""Trades that share an id, ours and theirs: which match, by what rule, and what is wrong with them.

In this order: halves that tell one side each become whole; pairs that agree in all that is told;
one against many, where the quantities and the values add up; pairs within tolerance; breaks, a
figure each; and what is left over has an id that stands more than once. Halves of both sides that
do not become whole are held against ours side by side (`matching_trade_sides`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.recon.matching.comparison import Comparison
from ledger.recon.result import MatchRule
from ledger.recon.trades.breaks import (
    AND,
    BUYER,
    BUYER_FEE,
    INSTRUMENT,
    PLACE,
    PRICE,
    QUANTITY,
    SELLER,
    SELLER_FEE,
    TradeRow,
    content_of,
    differ,
    left_over,
    missing_sides,
    side_lacks,
)
from ledger.recon.trades.sides import (
    agreeing,
    by_likeness,
    resolve_sides,
    sides_of,
    summed,
)

_OF_A_WHOLE = (INSTRUMENT, PRICE, QUANTITY, BUYER, SELLER)
"""Figures that a sum of parts shares with the whole."""


class Group(NamedTuple):
    """Trades of one id, one of each at least, and the rule that brought them together."""

    ours: Sequence[TradeRow]
    theirs: Sequence[TradeRow]
    rule: MatchRule = "exact_reference"


def resolve(found: Comparison, group: Group) -> None:
    """Match what can be matched, and keep breaks of the rest."""
    ours = sorted(group.ours, key=content_of)
    told = sorted(group.theirs, key=content_of)
    theirs = merged(told)
    if _tell_both_sides(told) and any(map(_is_half, theirs)):
        resolve_sides(found, ours, told, group.rule)
        return
    for mine, other in agreeing(found.source, ours, theirs):
        found.matched[group.rule] += 1
        side_lacks(found, mine, other)
        ours.remove(mine)
        theirs.remove(other)
    if ours and theirs and len(ours) + len(theirs) > 2 and _add_up(found, ours, theirs):  # noqa: PLR2004 - not a pair
        return
    for mine, other in by_likeness(found.source, ours, theirs):
        ours.remove(mine)
        theirs.remove(other)
        found.matched["tolerance"] += differ(found, mine, other)
        side_lacks(found, mine, other)
    left_over(found, ours, theirs)


def merged(rows: Sequence[TradeRow]) -> list[TradeRow]:
    """Lines that tell the buyer and the seller of one trade apart, as one line."""
    whole: list[TradeRow] = []
    for row in rows:
        other = next((each for each in whole if _completes(each, row)), None)
        if other is None:
            whole.append(row)
            continue
        whole.remove(other)
        bought = other if other[BUYER] is not None else row
        sold = row if bought is other else other
        whole.append(
            (
                *bought[: BUYER + 1],
                *(sold[SELLER], bought[BUYER_FEE], sold[SELLER_FEE]),
                f"{bought[PLACE]}{AND}{sold[PLACE]}",
            )
        )
    return whole


def unknown(found: Comparison, rows: Sequence[TradeRow]) -> list[TradeRow]:
    """Lines of one id that we do not know: the first is missing, those after it are duplicates.

    Lines that tell a side each are added up by side; where the sides are not alike, each is missing
    on its account.
    """
    told = sorted(rows, key=content_of)
    theirs = merged(told)
    if _tell_both_sides(told) and any(map(_is_half, theirs)):
        sides = sides_of(told)
        if sides is not None and len(merged(sides)) == 1:
            return merged(sides)
        if sides is not None:
            missing_sides(found, sides)
            return []
    first, *others = theirs
    left_over(found, [], others)
    return [first]


def _add_up(found: Comparison, ours: Sequence[TradeRow], theirs: Sequence[TradeRow]) -> bool:
    """Whether one of the two sides is a single trade and the other its parts.

    Only quantity and value make it so: fees and times that do not add up are breaks.
    """
    mine: TradeRow | None = ours[0]
    other: TradeRow | None = theirs[0]
    rule: MatchRule = "one_to_many"
    if len(ours) == 1:
        other = summed(theirs, ours[0])
    elif len(theirs) == 1:
        mine, rule = summed(ours, theirs[0]), "many_to_one"
    else:
        return False
    if mine is None or other is None:
        return False
    if any(None not in {mine[at], other[at]} and mine[at] != other[at] for at in _OF_A_WHOLE):
        return False
    found.matched[rule] += differ(found, mine, other)
    side_lacks(found, mine, other)
    return True


def _tell_both_sides(rows: Sequence[TradeRow]) -> bool:
    """Some tell the buyer, and some the seller."""
    return all(any(row[field] is not None for row in rows) for field in (BUYER, SELLER))


def _is_half(row: TradeRow) -> bool:
    return (row[BUYER] is None) != (row[SELLER] is None)


def _completes(one: TradeRow, other: TradeRow) -> bool:
    """One tells the buyer, the other the seller, and the rest is the same."""
    return (
        _is_half(one)
        and _is_half(other)
        and (one[BUYER] is None) != (other[BUYER] is None)
        and one[INSTRUMENT:BUYER] == other[INSTRUMENT:BUYER]
    )
