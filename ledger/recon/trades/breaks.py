"""Breaks of trades: what is said of one that has no partner, and of two that are not alike."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ledger.recon.matching.comparison import About, Comparison
from ledger.recon.rules import SourceRules
from ledger.store.recon.books import moment_of

TradeRow = tuple[Any, ...]
"""key, at (microseconds), instrument, price, quantity, buyer, seller, buyer_fee, seller_fee, and
the event id (ours) or the place in a file (theirs). Figures are canonical text; None is untold."""

KEY, AT, INSTRUMENT, PRICE, QUANTITY, BUYER, SELLER, BUYER_FEE, SELLER_FEE, PLACE = range(10)
AND = " and "
"""Between the places of one trade that stands in several."""

Side = tuple[int, int, str, int]
"""Field of its account and of its fee, its name, and its sign."""
SIDES: tuple[Side, Side] = (
    (BUYER, BUYER_FEE, "buyer", 1),
    (SELLER, SELLER_FEE, "seller", -1),
)


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


def missing_sides(found: Comparison, rows: Sequence[TradeRow]) -> None:
    """The buyer's side and the seller's of a trade that our books do not have, not alike."""
    for row, (field, _, name, sign) in zip(rows, SIDES, strict=True):
        about = About(
            f"{subject_of(row)} {name}",
            account=row[field],
            commodity=row[INSTRUMENT],
            theirs=sign * Decimal(row[QUANTITY]),
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


def busted_here_alone(found: Comparison, mine: TradeRow, other: TradeRow) -> None:
    """A trade that our books took back, and the source did not."""
    about = _about(mine, other)._replace(ours=Decimal(0), theirs=Decimal(other[QUANTITY]))
    words = f"{says(mine)} was busted here, and {found.source.name} has it still"
    found.found("amount", about, words)


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
    return (row[KEY], *_places(row)) if row[KEY] else _places(row)


def differ(found: Comparison, mine: TradeRow, other: TradeRow, side: Side | None = None) -> bool:
    """A break for each figure that is not within tolerance; returns whether there is none.

    Args:
        side: The only one that is told; its breaks then lie on its account.
    """
    before = len(found.breaks)
    figures_differ(found, mine, other, side)
    if is_late(found.source, mine, other):
        _other_time(found, mine, other, _about(mine, other, side))
    return len(found.breaks) == before


def figures_differ(
    found: Comparison, mine: TradeRow, other: TradeRow, side: Side | None = None
) -> None:
    """The breaks of all figures but the time; `side` is as of `differ`."""
    about = _about(mine, other, side)
    if other[INSTRUMENT] != mine[INSTRUMENT]:
        _other_instrument(found, mine, other, about)
    else:
        _other_quantity(found, mine, other, about, 1 if side is None else side[3])
        _other_price(found, mine, other, about)
        for each in SIDES:
            _other_account(found, mine, other, each)
            _other_fee(found, mine, other, each)


def _about(mine: TradeRow, other: TradeRow, side: Side | None = None) -> About:
    """What breaks of a pair are about; with a side the one on its account."""
    subject = subject_of(mine)
    return About(
        subject if side is None else f"{subject} {side[2]}",
        account="" if side is None else mine[side[0]],
        commodity=mine[INSTRUMENT],
        our_references=_places(mine),
        their_references=their_references(other),
        at=moment(other) or moment(mine),
    )


def _named(about: About, what: str) -> About:
    return about._replace(subject=f"{about.subject} {what}")


def _other_quantity(
    found: Comparison, mine: TradeRow, other: TradeRow, about: About, sign: int
) -> None:
    ours, theirs = Decimal(mine[QUANTITY]), Decimal(other[QUANTITY])
    if abs(ours - theirs) > found.source.tolerated(mine[INSTRUMENT]):
        amounts = about._replace(ours=sign * ours, theirs=sign * theirs)
        found.found("amount", amounts, f"{says(mine)} has the quantity {other[QUANTITY]} there")
    else:
        found.passed(mine[INSTRUMENT], ours - theirs)


def _other_price(found: Comparison, mine: TradeRow, other: TradeRow, about: About) -> None:
    ours, theirs = Decimal(mine[PRICE]), Decimal(other[PRICE])
    if abs(ours - theirs) > found.source.tolerated_price(mine[INSTRUMENT]):
        amounts = _named(about, "price")._replace(ours=ours, theirs=theirs)
        found.found("amount", amounts, f"{says(mine)} has the price {other[PRICE]} there")


def _other_instrument(found: Comparison, mine: TradeRow, other: TradeRow, about: About) -> None:
    about = _named(about, "instrument")
    words = f"{says(mine)} is one in {other[INSTRUMENT]} there"
    ours = about._replace(ours=Decimal(mine[QUANTITY]), theirs=Decimal(0))
    found.found("amount", ours, words)
    theirs = about._replace(
        commodity=other[INSTRUMENT], ours=Decimal(0), theirs=Decimal(other[QUANTITY])
    )
    found.found("amount", theirs, words)


def _other_account(found: Comparison, mine: TradeRow, other: TradeRow, side: Side) -> None:
    """What the account of ours has there of this trade: nothing, or the other side.

    An account that has no side of it here has there what is too much, a break of its own.
    """
    field, _, name, sign = side
    if other[field] is None or other[field] == mine[field]:
        return
    turned = other[SELLER if field == BUYER else BUYER] == mine[field]
    theirs = -sign * Decimal(other[QUANTITY]) if turned else Decimal(0)
    about = _about(mine, other, side)._replace(ours=sign * Decimal(mine[QUANTITY]), theirs=theirs)
    words = f"{says(mine)} has {name} {other[field]} there"
    found.found("wrong_account", about, words)
    if other[field] not in {mine[BUYER], mine[SELLER]}:
        has = about._replace(
            account=other[field], ours=Decimal(0), theirs=sign * Decimal(other[QUANTITY])
        )
        found.found("wrong_account", has, words)


def _other_fee(found: Comparison, mine: TradeRow, other: TradeRow, side: Side) -> None:
    """Fees are paid amounts: from the holder's side they are negative."""
    account, field, name, _ = side
    if other[field] is None:
        return
    ours, theirs = Decimal(mine[field]), Decimal(other[field])
    asset = found.settlement_asset
    if abs(ours - theirs) > found.source.tolerated(asset):
        about = _named(_about(mine, other), f"{name}_fee")._replace(
            account=mine[account], commodity=asset, ours=-ours, theirs=-theirs
        )
        words = f"{says(mine)} costs its {name} a fee of {mine[field]} here, {other[field]} there"
        found.found("amount", about, words)
    else:
        found.passed(asset, ours - theirs)


def _other_time(found: Comparison, mine: TradeRow, other: TradeRow, about: About) -> None:
    apart = abs(timedelta(microseconds=mine[AT] - other[AT]))
    about = _named(about, "time")._replace(
        ours=Decimal(mine[QUANTITY]), theirs=Decimal(other[QUANTITY])
    )
    words = f"{says(mine)} is at {moment(mine)} here and {moment(other)} there, {apart} apart"
    found.found("timing", about, words)


def side_lacks(found: Comparison, mine: TradeRow, other: TradeRow) -> None:
    """A source that tells both sides left one out."""
    for side in SIDES:
        if other[side[0]] is None:
            unpaired(found, mine, side, _about(mine, other, side))


def unpaired(found: Comparison, mine: TradeRow, side: Side, about: About | None = None) -> None:
    """A side of ours that a source which tells both sides does not have."""
    if found.source.sides == "both":
        _, _, name, sign = side
        at = about or _alone(mine, side)
        amounts = at._replace(ours=sign * Decimal(mine[QUANTITY]))
        found.found("unpaired", amounts, f"{says(mine)} has no {name} there")


def _alone(mine: TradeRow, side: Side) -> About:
    return About(
        f"{subject_of(mine)} {side[2]}",
        account=mine[side[0]],
        commodity=mine[INSTRUMENT],
        our_references=_places(mine),
        at=moment(mine),
    )


def left_over(
    found: Comparison,
    ours: Iterable[TradeRow],
    theirs: Sequence[TradeRow],
    side: Side | None = None,
) -> None:
    """An id that stands more often than it has partners; with a side, on that side alone."""
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
        first = theirs[0]
        subject = subject_of(first)
        total = sum((Decimal(row[QUANTITY]) for row in theirs), Decimal(0))
        about = About(
            subject if side is None else f"{subject} {side[2]}",
            account="" if side is None else first[side[0]],
            commodity=first[INSTRUMENT],
            theirs=total if side is None else side[3] * total,
            their_references=(first[KEY], *(place for row in theirs for place in _places(row))),
            at=moment(first),
        )
        words = f"{says(first)} stands {len(theirs)} times too often at {found.source.name}"
        found.found("duplicate", about, words)


def _places(row: TradeRow) -> tuple[str, ...]:
    return tuple(str(row[PLACE]).split(AND))


def is_late(source: SourceRules, mine: TradeRow, other: TradeRow) -> bool:
    if mine[AT] is None or other[AT] is None:
        return False
    return abs(timedelta(microseconds=mine[AT] - other[AT])) > source.window


def content_of(row: TradeRow) -> tuple[str, ...]:
    """An order that does not know where a line stands."""
    return tuple("" if each is None else str(each) for each in row[AT:PLACE])


def moment(row: TradeRow) -> datetime | None:
    """When, as whoever says so."""
    return None if row[AT] is None else moment_of(row[AT])
