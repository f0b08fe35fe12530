"""Trades of a table by a mapping: both sides in a row, or one side a row.

A row has `buyer` and `seller` (and their fees), or `account`, `side` and `fee`: then it tells one
side, and the other is None. A tape without accounts has neither. Where the mapping says that the
source has no ids, only the content of its trades is known.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.importers.reading import failure
from ledger.recon.formats import fields
from ledger.recon.formats.fields import Field
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.formats.tables.rows import RowSource, records
from ledger.recon.lines import Trade


def trades_of(source: RowSource, path: Path, mapping: SourceMapping) -> Iterator[Trade]:
    """The trades of a file, in its order.

    Raises:
        ImportFailed: While iterating; names file, line and column.
    """
    for line, row in records(source, path, mapping, _fields(mapping)):
        trade_id, *rest, account, side, fee = row
        told = [trade_id or "", *rest]
        if account is None and side is None and fee is None:
            yield Trade(line, *told)
        else:
            yield _one_sided(path, line, told, (account, side, fee))


def _fields(mapping: SourceMapping) -> list[Field]:
    account = fields.translated(mapping.accounts)
    fee = fields.fees(mapping)
    return [
        Field("trade_id", fields.name, required=True, may_lack=True),
        Field("at", fields.times(mapping)),
        Field("instrument", fields.translated(mapping.commodities), required=True),
        Field("price", fields.numbers(mapping), required=True),
        Field("quantity", fields.positives(mapping), required=True),
        Field("buyer", account),
        Field("seller", account),
        Field("buyer_fee", fee),
        Field("seller_fee", fee),
        Field("account", account),
        Field("side", fields.words(mapping), beside="account"),
        Field("fee", fee, beside="account"),
    ]


def _one_sided(path: Path, line: int, told: list[Any], one: tuple[Any, Any, Any]) -> Trade:
    account, side, fee = one
    *_, buyer, seller, buyer_fee, seller_fee = told
    if account is None or side is None:
        raise failure(path, line, f"account {account} and side {side}, expected both or neither")
    if any(each is not None for each in (buyer, seller, buyer_fee, seller_fee)):
        message = "has account and side, and buyer or seller as well; expected one of the two"
        raise failure(path, line, message)
    sides = (account, None, fee, None) if side > 0 else (None, account, None, fee)
    return Trade(line, *told[:5], *sides)
