"""Trades that share an id, ours and theirs: which match, by what rule, and what is wrong with them.

In this order: halves that tell one side each become whole; pairs that agree in all that is told;
one against many, where the quantities and the values add up; pairs within tolerance; breaks, a
figure each; and what is left over has an id that stands more than once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.recon.matching import About, Comparison
from ledger.recon.result import MatchRule
from ledger.recon.rules import SourceRules
from ledger.store.recon_books import moment_of

TradeRow = tuple[Any, ...]
"""key, at (microseconds), instrument, price, quantity, buyer, seller, buyer_fee, seller_fee, and
the event id (ours) or the place in a file (theirs). Figures are canonical text; None is untold."""

KEY, AT, INSTRUMENT, PRICE, QUANTITY, BUYER, SELLER, BUYER_FEE, SELLER_FEE, PLACE = range(10)
_SIDES = ((BUYER, BUYER_FEE, "buyer", 1), (SELLER, SELLER_FEE, "seller", -1))


class Group(NamedTuple):
    """Trades of one id, one of each at least, and the rule that brought them together."""

    ours: Sequence[TradeRow]
    theirs: Sequence[TradeRow]
    rule: MatchRule = "exact_reference"


def resolve(found: Comparison, group: Group) -> None:
    """Match what can be matched, and keep breaks of the rest."""
    ours = sorted(group.ours, key=_content)
    theirs = merged(sorted(group.theirs, key=_content))
    used: list[TradeRow] = []
    for mine, other in _agreeing(found.source, ours, theirs):
        found.matched[group.rule] += 1
        used.append(other)
        _side_lacks(found, mine, other)
        ours.remove(mine)
        theirs.remove(other)
    if ours and theirs and len(ours) + len(theirs) > 2:  # noqa: PLR2004 - not a pair
        rule = _adds_up(found.source, ours, theirs)
        if rule is not None:
            found.matched[rule] += 1
            return
    while ours and theirs:
        mine, other = _nearest(found.source, ours, theirs)
        ours.remove(mine)
        theirs.remove(other)
        used.append(other)
        _differ(found, mine, other)
    _left_over(found, ours, theirs)


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
                f"{bought[PLACE]} and {sold[PLACE]}",
            )
        )
    return whole


def unknown(found: Comparison, rows: Sequence[TradeRow]) -> list[TradeRow]:
    """Lines of one id that we do not know: the first is missing, those after it are duplicates."""
    first, *others = merged(sorted(rows, key=_content))
    _left_over(found, [], others)
    return [first]


def missing_here(found: Comparison, row: TradeRow) -> None:
    """A trade of the source that our books do not have."""
    about = About(
        subject_of(row),
        commodity=row[INSTRUMENT],
        theirs=Decimal(row[QUANTITY]),
        their_references=their_references(row),
        at=moment(row),
    )
    found.found("missing_here", about, f"{says(row)} is not in our books")


def missing_there(found: Comparison, row: TradeRow) -> None:
    """A trade of our books that the source does not have."""
    about = About(
        subject_of(row),
        commodity=row[INSTRUMENT],
        ours=Decimal(row[QUANTITY]),
        our_references=(row[PLACE],),
        at=moment(row),
    )
    found.found("missing_there", about, f"{says(row)} is not at {found.source.name}")


def subject_of(row: TradeRow) -> str:
    """What the next run calls the same trade."""
    if row[KEY]:
        return str(row[KEY])
    return f"{row[INSTRUMENT]} {row[QUANTITY]} at {row[PRICE]}, {moment(row) or 'no time'}"


def says(row: TradeRow) -> str:
    """The trade in words."""
    sides = f"{row[BUYER] or '?'} from {row[SELLER] or '?'}"
    return f"trade of {row[QUANTITY]} {row[INSTRUMENT]} at {row[PRICE]}, {sides},"


def their_references(row: TradeRow) -> tuple[str, ...]:
    """The id, where there is one, and where it stands in the file."""
    places = str(row[PLACE]).split(" and ")
    return (row[KEY], *places) if row[KEY] else tuple(places)


def _agreeing(
    source: SourceRules, ours: Sequence[TradeRow], theirs: Sequence[TradeRow]
) -> list[tuple[TradeRow, TradeRow]]:
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
    return all(theirs is None or ours == theirs for ours, theirs in told) and not _late(
        source, mine, other
    )


def _adds_up(
    source: SourceRules, ours: Sequence[TradeRow], theirs: Sequence[TradeRow]
) -> MatchRule | None:
    """One of the two sides is a single trade, and the other its parts."""
    if len(ours) != 1 and len(theirs) != 1:
        return None
    one = (ours if len(ours) == 1 else theirs)[0]
    parts = theirs if len(ours) == 1 else ours
    same = all(
        part[at] is None or one[at] is None or part[at] == one[at]
        for part in parts
        for at in (INSTRUMENT, BUYER, SELLER)
    )
    if not same or any(_late(source, one, part) for part in parts):
        return None
    quantity = sum((Decimal(part[QUANTITY]) for part in parts), Decimal(0))
    value = sum((Decimal(part[QUANTITY]) * Decimal(part[PRICE]) for part in parts), Decimal(0))
    if quantity != Decimal(one[QUANTITY]) or value != quantity * Decimal(one[PRICE]):
        return None
    for at in (BUYER_FEE, SELLER_FEE):
        told = [part[at] for part in parts]
        if one[at] is not None and None not in told and sum(map(Decimal, told)) != Decimal(one[at]):
            return None
    return "one_to_many" if len(ours) == 1 else "many_to_one"


def _nearest(
    source: SourceRules, ours: Sequence[TradeRow], theirs: Sequence[TradeRow]
) -> tuple[TradeRow, TradeRow]:
    """The pair with the fewest figures that differ."""
    return min(
        ((mine, other) for mine in ours for other in theirs),
        key=lambda pair: (
            sum(a != b for a, b in zip(pair[0][AT:PLACE], pair[1][AT:PLACE], strict=True)),
            _late(source, *pair),
            _content(pair[0]),
            _content(pair[1]),
        ),
    )


def _differ(found: Comparison, mine: TradeRow, other: TradeRow) -> None:
    """A break for each figure that is not within tolerance; none: they match by tolerance."""
    before = len(found.breaks)
    if other[INSTRUMENT] != mine[INSTRUMENT]:
        _other_instrument(found, mine, other)
    else:
        _other_figure(found, mine, other, QUANTITY, "quantity")
        _other_figure(found, mine, other, PRICE, "price")
        for side, fee, name, sign in _SIDES:
            _other_account(found, mine, other, (side, name, sign))
            _other_fee(found, mine, other, (side, fee, name))
    if _late(found.source, mine, other):
        _other_time(found, mine, other)
    if len(found.breaks) == before:
        found.matched["tolerance"] += 1
    _side_lacks(found, mine, other)


def _about(mine: TradeRow, other: TradeRow, what: str = "") -> About:
    subject = subject_of(mine)
    return About(
        f"{subject} {what}" if what else subject,
        commodity=mine[INSTRUMENT],
        our_references=(mine[PLACE],),
        their_references=their_references(other),
        at=moment(mine),
    )


def _other_figure(
    found: Comparison, mine: TradeRow, other: TradeRow, field: int, name: str
) -> None:
    ours, theirs = Decimal(mine[field]), Decimal(other[field])
    source = found.source
    tolerated = source.tolerated_price if field == PRICE else source.tolerated
    if abs(ours - theirs) > tolerated(mine[INSTRUMENT]):
        about = _about(mine, other, "" if field == QUANTITY else name)
        found.found(
            "amount",
            about._replace(ours=ours, theirs=theirs),
            f"{says(mine)} has the {name} {other[field]} there",
        )


def _other_instrument(found: Comparison, mine: TradeRow, other: TradeRow) -> None:
    about = _about(mine, other, "instrument")
    words = f"{says(mine)} is one in {other[INSTRUMENT]} there"
    ours = about._replace(ours=Decimal(mine[QUANTITY]), theirs=Decimal(0))
    found.found("amount", ours, words)
    theirs = about._replace(
        commodity=other[INSTRUMENT], ours=Decimal(0), theirs=Decimal(other[QUANTITY])
    )
    found.found("amount", theirs, words)


def _other_account(
    found: Comparison, mine: TradeRow, other: TradeRow, side: tuple[int, str, int]
) -> None:
    """What the account of ours has there of this trade: nothing, or the other side."""
    field, name, sign = side
    if other[field] is None or other[field] == mine[field]:
        return
    turned = other[SELLER if field == BUYER else BUYER] == mine[field]
    theirs = -sign * Decimal(other[QUANTITY]) if turned else Decimal(0)
    about = _about(mine, other, name)._replace(
        account=mine[field], ours=sign * Decimal(mine[QUANTITY]), theirs=theirs
    )
    found.found("wrong_account", about, f"{says(mine)} has {name} {other[field]} there")


def _other_fee(
    found: Comparison, mine: TradeRow, other: TradeRow, side: tuple[int, int, str]
) -> None:
    """Fees are paid amounts: from the holder's side they are negative."""
    account, field, name = side
    if other[field] is None:
        return
    ours, theirs = Decimal(mine[field]), Decimal(other[field])
    asset = found.settlement_asset
    if abs(ours - theirs) > found.source.tolerated(asset):
        about = _about(mine, other, f"{name}_fee")._replace(
            account=mine[account], commodity=asset, ours=-ours, theirs=-theirs
        )
        words = f"{says(mine)} costs its {name} a fee of {mine[field]} here, {other[field]} there"
        found.found("amount", about, words)


def _other_time(found: Comparison, mine: TradeRow, other: TradeRow) -> None:
    apart = abs(timedelta(microseconds=mine[AT] - other[AT]))
    about = _about(mine, other, "time")._replace(
        ours=Decimal(mine[QUANTITY]), theirs=Decimal(other[QUANTITY])
    )
    words = f"{says(mine)} is at {moment(mine)} here and {moment(other)} there, {apart} apart"
    found.found("timing", about, words)


def _side_lacks(found: Comparison, mine: TradeRow, other: TradeRow) -> None:
    """A source that tells both sides left one out."""
    if found.source.sides != "both":
        return
    for field, _, name, sign in _SIDES:
        if other[field] is None:
            about = _about(mine, other, name)._replace(
                account=mine[field], ours=sign * Decimal(mine[QUANTITY])
            )
            found.found("unpaired", about, f"{says(mine)} has no {name} there")


def _left_over(found: Comparison, ours: Iterable[TradeRow], theirs: Sequence[TradeRow]) -> None:
    """An id that stands more often than it has partners."""
    for row in ours:
        about = About(
            subject_of(row),
            commodity=row[INSTRUMENT],
            ours=Decimal(row[QUANTITY]),
            our_references=(row[PLACE],),
            at=moment(row),
        )
        found.found("duplicate", about, f"{says(row)} has an id that stands in our books before")
    if theirs:
        about = About(
            subject_of(theirs[0]),
            commodity=theirs[0][INSTRUMENT],
            theirs=sum((Decimal(row[QUANTITY]) for row in theirs), Decimal(0)),
            their_references=(theirs[0][KEY], *(place for row in theirs for place in _places(row))),
            at=moment(theirs[0]),
        )
        words = f"{says(theirs[0])} stands {len(theirs)} times too often at {found.source.name}"
        found.found("duplicate", about, words)


def _places(row: TradeRow) -> list[str]:
    return str(row[PLACE]).split(" and ")


def _completes(one: TradeRow, other: TradeRow) -> bool:
    """One tells the buyer, the other the seller, and the rest is the same."""
    told = {one[BUYER] is None, one[SELLER] is None}
    return (
        told == {True, False}
        and (one[BUYER] is None) != (other[BUYER] is None)
        and (one[SELLER] is None) != (other[SELLER] is None)
        and one[INSTRUMENT:BUYER] == other[INSTRUMENT:BUYER]
    )


def _late(source: SourceRules, mine: TradeRow, other: TradeRow) -> bool:
    if mine[AT] is None or other[AT] is None:
        return False
    return abs(timedelta(microseconds=mine[AT] - other[AT])) > source.window


def _content(row: TradeRow) -> tuple[str, ...]:
    """An order that does not know where a line stands."""
    return tuple("" if each is None else str(each) for each in row[AT:PLACE])


def moment(row: TradeRow) -> datetime | None:
    """When, as whoever says so."""
    return None if row[AT] is None else moment_of(row[AT])
