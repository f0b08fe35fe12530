"""Our own wire events as the engine's word on its trades: JSON lines, of which trades count.

Rules of this file:

* A trade's id is its `trade_id`, else its `event_id`, as in our books; a mapping may name others.
* A trade that a `trade_bust` of the same file undoes is not there. A bust of a trade that does not
  stand above it is refused: it would be passed over in silence.
* Events of other kinds say nothing of trades. The events are of one pool.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ledger.importers.reading import failure, json_rows
from ledger.recon.formats.fields import Field
from ledger.recon.formats.mapping import SourceMapping
from ledger.recon.formats.tables import Rows, columns_of
from ledger.recon.formats.trades import trades_of
from ledger.recon.lines import Trade

TRADE, BUST = "trade", "trade_bust"


def events(path: Path, mapping: SourceMapping) -> Iterator[Trade]:
    """The trades of a file that no bust of it undoes, in its order.

    Raises:
        ImportFailed: While iterating; names file, line and column.
    """
    columns = {"at": "occurred_at", **mapping.columns}
    return trades_of(_rows, path, replace(mapping, columns=columns))


def _rows(path: Path, mapping: SourceMapping, fields: Sequence[Field]) -> Rows:
    busted = _busted(path)
    columns = columns_of(mapping, fields)
    for line, event in _events(path):
        if event["kind"] == TRADE and event["event_id"] not in busted:
            told = {name: event.get(column) for name, column in columns.items()}
            yield line, [*({**told, "trade_id": told["trade_id"] or event["event_id"]}).values()]


def _busted(path: Path) -> set[str]:
    """Event ids of the trades that are undone."""
    above: set[object] = set()
    found: set[str] = set()
    for line, event in _events(path):
        if event["kind"] == TRADE:
            above.add(event["event_id"])
        elif event["kind"] == BUST:
            of = event.get("trade_event_id")
            if of not in above:
                raise failure(path, line, f"busts the trade {of}, expected it above in the file")
            found.add(str(of))
    return found


def _events(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, event in json_rows(path):
        for name in ("kind", "event_id"):
            if not isinstance(event.get(name), str):
                raise failure(path, line, f"has no {name}, expected an event of the ledger")
        yield line, event
