"""Trades of one id whose sides stand in lines of their own: each side adds up to ours by itself.

So nothing of a buyer's line ever makes up for a seller's. What is said of a side (quantity, price,
time) is a break on its account. Shared with trades that tell both sides: pairs that agree, pairs
by likeness, sums.
"""

from collections.abc import Sequence
from decimal import Decimal

from ledger.recon.matching.comparison import Comparison, canonical
from ledger.recon.result import MatchRule
from ledger.recon.rules import SourceRules
from ledger.recon.trades.breaks import (
    AND,
    AT,
    BUYER,
    BUYER_FEE,
    INSTRUMENT,
    KEY,
    PLACE,
    PRICE,
    QUANTITY,
    SELLER,
    SELLER_FEE,
    SIDES,
    Side,
    TradeRow,
    content_of,
    differ,
    is_late,
    left_over,
    unpaired,
)

Pairs = list[tuple[TradeRow, TradeRow]]


def resolve_sides(
    found: Comparison, ours: Sequence[TradeRow], theirs: Sequence[TradeRow], rule: MatchRule
) -> None:
    """Hold lines that tell a side each against ours, side by side.

    Args:
        ours: One at least.
        theirs: Some of them tell one side alone; both sides are told.
        rule: What brought them together.
    """
    rules: set[MatchRule | None] = {rule}
    lacking = []
    for side in SIDES:
        told = [_only(row, side) for row in theirs if row[side[0]] is not None]
        lacking.append(_resolve_side(found, list(ours), told, side, rules))
    left_over(found, [], [row for row in theirs if row[BUYER] is row[SELLER] is None])
    for mine in ours:
        sides = [side for side, rows in zip(SIDES, lacking, strict=True) if mine in rows]
        if len(sides) == len(SIDES):
            left_over(found, [mine], [])
        for side in sides if len(sides) == 1 else ():
            unpaired(found, mine, side)
    weakest = max(rules, key=_WEAKER.index)
    if weakest is not None and not any(lacking):
        found.matched[weakest] += 1 if weakest in _SUMS else len(ours)


_SUMS: tuple[MatchRule, ...] = ("one_to_many", "many_to_one")
_WEAKER: tuple[MatchRule | None, ...] = (
    *("exact_reference", "exact_amount", "tolerance"),
    *(*_SUMS, None),
)
"""None: a figure is a break."""


def _resolve_side(
    found: Comparison,
    ours: list[TradeRow],
    theirs: list[TradeRow],
    side: Side,
    rules: set[MatchRule | None],
) -> list[TradeRow]:
    """Match one side, note by which rules, and return what of ours has no partner."""
    for mine, other in agreeing(found.source, ours, theirs):
        ours.remove(mine)
        theirs.remove(other)
    whole: TradeRow | None = None
    if len(theirs) > 1 and len(ours) == 1:
        whole = summed(theirs, ours[0])
    if whole is not None:
        rules.add("one_to_many" if differ(found, ours[0], whole, side) else None)
        return []
    if len(ours) > 1 and len(theirs) == 1:
        whole = summed(ours, theirs[0])
    if whole is not None and whole[PRICE:BUYER] == theirs[0][PRICE:BUYER]:
        rules.add("many_to_one" if differ(found, whole, theirs[0], side) else None)
        return []
    for mine, other in by_likeness(found.source, ours, theirs):
        ours.remove(mine)
        theirs.remove(other)
        rules.add("tolerance" if differ(found, mine, other, side) else None)
    left_over(found, [], theirs, side)
    return ours


def _only(row: TradeRow, side: Side) -> TradeRow:
    """A line with what it tells of one side."""
    if side[0] == BUYER:
        return (*row[:SELLER], None, row[BUYER_FEE], None, *row[PLACE:])
    return (*row[:BUYER], None, row[SELLER], None, *row[SELLER_FEE:])


def sides_of(rows: Sequence[TradeRow]) -> list[TradeRow] | None:
    """What each side comes to; None where its lines are of several prices or accounts.

    A line that stands there twice counts twice, for nothing of ours says how often it should.
    """
    found = []
    for side in SIDES:
        told = [_only(row, side) for row in rows if row[side[0]] is not None]
        whole = summed(told, told[0])
        if whole is None:
            return None
        found.append(whole)
    return found


def agreeing(source: SourceRules, ours: Sequence[TradeRow], theirs: Sequence[TradeRow]) -> Pairs:
    """Pairs that agree in all that is told, each trade in one of them."""
    pairs = []
    free = list(theirs)
    for mine in ours:
        other = next((each for each in free if _agrees(source, mine, each)), None)
        if other is not None:
            free.remove(other)
            pairs.append((mine, other))
    return pairs


def _agrees(source: SourceRules, mine: TradeRow, other: TradeRow) -> bool:
    told = zip(mine[INSTRUMENT:PLACE], other[INSTRUMENT:PLACE], strict=True)
    return all(theirs is None or ours == theirs for ours, theirs in told) and not is_late(
        source, mine, other
    )


def is_alike(source: SourceRules, mine: TradeRow, other: TradeRow) -> bool:
    """Whether instrument, price, quantity and told sides are the same, within tolerance."""
    instrument = mine[INSTRUMENT]
    return (
        instrument == other[INSTRUMENT]
        and all(other[at] in {None, mine[at]} for at in (BUYER, SELLER))
        and abs(Decimal(mine[PRICE]) - Decimal(other[PRICE])) <= source.tolerated_price(instrument)
        and abs(Decimal(mine[QUANTITY]) - Decimal(other[QUANTITY])) <= source.tolerated(instrument)
    )


def by_likeness(source: SourceRules, ours: Sequence[TradeRow], theirs: Sequence[TradeRow]) -> Pairs:
    """Pairs, each trade in one at most, first those with the fewest figures that differ."""
    ranked = sorted(
        ((mine, other) for mine in ours for other in theirs),
        key=lambda pair: (
            sum(a != b for a, b in zip(pair[0][AT:PLACE], pair[1][AT:PLACE], strict=True)),
            is_late(source, *pair),
            content_of(pair[0]),
            content_of(pair[1]),
        ),
    )
    pairs = []
    taken: set[int] = set()
    for mine, other in ranked:
        if taken.isdisjoint({id(mine), id(other)}):
            taken |= {id(mine), id(other)}
            pairs.append((mine, other))
    return pairs


def summed(parts: Sequence[TradeRow], whole: TradeRow) -> TradeRow | None:
    """The parts as one trade: quantities and fees added up, the time that is farthest off.

    The price is that of `whole` where their values come to it, else the one that they all have. A
    fee that a part does not tell is none. None: they are of several prices, accounts or
    instruments.
    """
    quantity = sum((Decimal(part[QUANTITY]) for part in parts), Decimal(0))
    value = sum((Decimal(part[QUANTITY]) * Decimal(part[PRICE]) for part in parts), Decimal(0))
    adds_up = value == quantity * Decimal(whole[PRICE])
    prices = {whole[PRICE]} if adds_up else {part[PRICE] for part in parts}
    told = [{part[at] for part in parts} - {None} for at in (INSTRUMENT, BUYER, SELLER)]
    if len(prices) > 1 or any(len(names) > 1 for names in told):
        return None
    (instrument,), buyer, seller = told
    moments = [part[AT] for part in parts if part[AT] is not None]
    about = whole[AT] or 0
    return (
        *(parts[0][KEY], max(moments, key=lambda at: (abs(at - about), at), default=None)),
        *(instrument, prices.pop(), canonical(quantity)),
        *(next(iter(buyer), None), next(iter(seller), None)),
        *(_fees(parts, BUYER_FEE), _fees(parts, SELLER_FEE)),
        AND.join(str(part[PLACE]) for part in parts),
    )


def _fees(parts: Sequence[TradeRow], field: int) -> str | None:
    told = [Decimal(part[field]) for part in parts if part[field] is not None]
    return canonical(sum(told, Decimal(0))) if told else None
