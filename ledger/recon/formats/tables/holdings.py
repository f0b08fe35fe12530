"""Holdings of a table by a mapping: positions and balances, one a row."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from ledger.importers.reading import failure
from ledger.recon.formats import fields
from ledger.recon.formats.fields import Field
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.formats.tables.rows import RowSource, records
from ledger.recon.lines import Holding


def holdings_of(source: RowSource, path: Path, mapping: SourceMapping) -> Iterator[Holding]:
    """The holdings of a file, in its order.

    Raises:
        ImportFailed: While iterating; names file, line and column.
    """
    wanted = [
        Field("at", fields.times(mapping)),
        Field("account", fields.translated(mapping.accounts), required=True),
        Field("commodity", fields.translated(mapping.commodities), required=True),
        Field("amount", fields.numbers(mapping), required=True),
        Field("side", fields.words(mapping)),
        Field("entry_price", fields.numbers(mapping)),
    ]
    for line, (at, account, commodity, amount, side, entry_price) in records(
        source, path, mapping, wanted
    ):
        held = signed(path, line, amount, side, mapping)
        yield Holding(line, at, account, commodity, held, entry_price)


def signed(
    path: Path, line: int, amount: Decimal, side: int | None, mapping: SourceMapping
) -> Decimal:
    """The amount as its holder sees it.

    Raises:
        ImportFailed: A negative amount beside a side, which may mean either sign.
    """
    if side is not None:
        if amount < 0:
            raise failure(path, line, f"amount {amount} beside a side, expected no sign of its own")
        amount = amount if side > 0 else amount.copy_negate()
    return amount.copy_negate() if mapping.sign == "reversed" else amount
