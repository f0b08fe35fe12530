"""Our own wire events as the engine's word on its trades: JSON lines, of which trades count.

Rules of this file:

* A trade's id is its `trade_id`, else its `event_id`, as in our books; a mapping may name others.
* A trade that a `trade_bust` of the same file undoes is not there. A bust of a trade that does not
  stand above it is one of another day: it comes out as such (`Trade.change`), by its event id.
* Events of other kinds say nothing of trades. The events are of one pool.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ledger.importers.reading import failure, json_rows
from ledger.recon.formats import fields
from ledger.recon.formats.fields import Field, Unreadable
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.formats.tables.rows import Rows, columns_of
from ledger.recon.formats.tables.trades import trades_of
from ledger.recon.lines import Trade

TRADE, BUST = "trade", "trade_bust"


def events(path: Path, mapping: SourceMapping) -> Iterator[Trade]:
    """The trades of a file that no bust of it undoes, in its order, then busts of other trades.

    Raises:
        ImportFailed: While iterating; names file, line and column.
    """
    columns = {"at": "occurred_at", **mapping.columns}
    mapped = replace(mapping, columns=columns)
    yield from trades_of(_rows, path, mapped)
    moment = fields.times(mapped)
    for of, (line, bust) in _busts(path)[1].items():
        try:
            at = moment(bust.get(columns["at"]))
        except Unreadable as fault:
            raise failure(path, line, f"column {columns['at']} {fault}") from None
        yield Trade(line, of, at, "", Decimal(0), Decimal(0), None, None, change="bust")


def _rows(path: Path, mapping: SourceMapping, wanted: Sequence[Field]) -> Rows:
    busted, _ = _busts(path)
    columns = columns_of(mapping, wanted)
    for line, event in _events(path):
        if event["kind"] == TRADE and event["event_id"] not in busted:
            told = {name: event.get(column) for name, column in columns.items()}
            yield line, [*({**told, "trade_id": told["trade_id"] or event["event_id"]}).values()]


def _busts(path: Path) -> tuple[set[str], dict[str, tuple[int, dict[str, Any]]]]:
    """Event ids of the file's trades that are undone; and of others, with line and time."""
    above: set[object] = set()
    found: set[str] = set()
    elsewhere: dict[str, tuple[int, dict[str, Any]]] = {}
    for line, event in _events(path):
        if event["kind"] == TRADE:
            above.add(event["event_id"])
        elif event["kind"] == BUST:
            of = event.get("trade_event_id")
            if not isinstance(of, str):
                raise failure(path, line, "busts no trade, expected a trade_event_id")
            if of in above:
                found.add(of)
            else:
                elsewhere.setdefault(of, (line, event))
    return found, elsewhere


def _events(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, event in json_rows(path):
        for name in ("kind", "event_id"):
            if not isinstance(event.get(name), str):
                raise failure(path, line, f"has no {name}, expected an event of the ledger")
        yield line, event
