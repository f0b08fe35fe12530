"""Average entry prices of positions that a source tells, against what ours cost by what they hold.

Where the rules ask for it (`entry_prices = true`). Compared is what can be: one line of an account
and instrument that tells a price, and the same contracts as ours. A price that differs by no more
than a tick of the instrument, or the rules' `price_tolerance`, is the same: each venue rounds.
"""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from fractions import Fraction

from ledger.recon.lines import Holding
from ledger.recon.matching.comparison import About, Comparison
from ledger.store.recon.entries import Entry

SHOWN_DECIMALS = 18
"""Of our price where it is shown; it is compared exact."""

_WIDE = Context(prec=200)

Owned = tuple[str, str]


def compare_entries(
    found: Comparison,
    ours: Mapping[Owned, Entry],
    lines: Iterable[tuple[str, Holding]],
) -> None:
    """Hold the entry prices of one moment against ours.

    Args:
        found: Takes the breaks.
        ours: Positions of that moment, by our names.
        lines: With where each stands.
    """
    source = found.source
    told: dict[Owned, list[tuple[str, Holding]]] = {}
    for place, line in lines:
        if source.is_ours(line.commodity):
            owned = source.accounts(line.account), source.commodities(line.commodity)
            told.setdefault(owned, []).append((place, line))
    for owned, several in sorted(told.items()):
        mine = ours.get(owned)
        if mine is not None and len({line[2:] for _, line in several}) == 1:
            place, line = several[0]
            if line.entry_price is not None and line.amount == mine.quantity:
                _compare(found, owned, mine, (place, line, line.entry_price))


def _compare(
    found: Comparison, owned: Owned, mine: Entry, told: tuple[str, Holding, Decimal]
) -> None:
    place, line, theirs = told
    account, instrument = owned
    allowed = max(mine.tick, found.source.tolerated_price(instrument))
    if mine.price is not None and abs(mine.price - Fraction(theirs)) <= Fraction(allowed):
        return
    price = None if mine.price is None else _shown(mine.price)
    about = About(
        f"entry price of {account}/{instrument}",
        *(account, instrument, price, theirs),
        their_references=(place,),
        at=line.at,
    )
    here = "none above zero" if price is None else f"{price:f}"
    words = (
        f"{account} entered {instrument} at {here} here and at {theirs:f} at {found.source.name},"
        f" {mine.quantity:f} contracts on both sides"
    )
    found.found("amount", about, words)


def _shown(price: Fraction) -> Decimal:
    """Rounded half to even; without zeros at its end."""
    units = round(price * 10**SHOWN_DECIMALS)
    written = Decimal(units).scaleb(-SHOWN_DECIMALS, _WIDE)
    return Decimal(f"{written:f}".rstrip("0").rstrip("."))
