"""Foreign venue files to wire events: one file a venue, this registry in front of them.

`import_events("hyperliquid", path)` gives a run: iterate over it for the events, then read its
`report`. What each importer takes and makes: docs/reference/importers.md.
"""

from pathlib import Path

from ledger.errors import ConfigurationError, ImportFailed
from ledger.importers.binance import binance
from ledger.importers.bitmex import bitmex
from ledger.importers.hyperliquid import hyperliquid
from ledger.importers.run import (
    Gap,
    Importer,
    ImportOptions,
    ImportReport,
    ImportRun,
    WireEvent,
)

__all__ = [
    "IMPORTERS",
    "Gap",
    "ImportOptions",
    "ImportReport",
    "ImportRun",
    "WireEvent",
    "import_events",
]

IMPORTERS: dict[str, Importer] = {
    "binance": binance,
    "bitmex": bitmex,
    "hyperliquid": hyperliquid,
}
"""By the name that `clearing import` takes."""


def import_events(source: str, path: Path, options: ImportOptions | None = None) -> ImportRun:
    """The wire events of a foreign file, made as they are asked for, and a report.

    Args:
        source: A name in `IMPORTERS`.
        path: The file, plain or gzip. It is read more than once: no pipe.
        options: None for the defaults.

    Raises:
        ConfigurationError: No importer of that name, or prices for one that takes none.
        ImportFailed: No such file. While iterating: a line does not read as its format says.
    """
    importer = IMPORTERS.get(source)
    if importer is None:
        message = f"no importer {source!r}; there are {', '.join(IMPORTERS)}"
        raise ConfigurationError(message)
    if not path.is_file():
        message = f"{path}: no such file; expected one that {source} wrote, plain or gzip"
        raise ImportFailed(message)
    chosen = options or ImportOptions()
    if chosen.prices is not None and importer is not binance:
        message = f"{source} takes no file of prices, found {chosen.prices}; only binance does"
        raise ConfigurationError(message)
    report = ImportReport(source, path)
    return ImportRun(importer(path, chosen, report), report)
