"""Files of outside sources to what they say (`ledger/recon/lines.py`): a registry, one front door.

`read("trades-csv", path, mapping)` gives trades one by one, as the file is read, plain or gzip.
`read_trades`, `read_holdings` and `read_statements` do the same for callers that want one kind.
Every format, its columns and what it refuses: docs/reference/reconciliation-formats.md.

Rules of these readers:

* Nothing is passed over in silence: a line that does not read stops the reading with an
  `ImportFailed` that names file and line, what was found and what was expected.
* Amounts are exact. A binary double is refused; nothing goes through one.
* Times are UTC to the microsecond; finer digits are cut.
* A character that no database keeps (NUL, half of a pair) reads as U+FFFD.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, cast

from ledger.errors import ConfigurationError, ImportFailed
from ledger.recon.formats.banks.camt053 import camt053
from ledger.recon.formats.banks.mt940 import mt940
from ledger.recon.formats.events import events
from ledger.recon.formats.fix.reports import fix
from ledger.recon.formats.storable import storable
from ledger.recon.formats.tables.csv_rows import csv_rows
from ledger.recon.formats.tables.holdings import holdings_of
from ledger.recon.formats.tables.json_rows import json_rows
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.formats.tables.parquet_rows import parquet_rows
from ledger.recon.formats.tables.statements import statements_of
from ledger.recon.formats.tables.trades import trades_of
from ledger.recon.formats.vega import vega
from ledger.recon.formats.venues import binance, bitmex, hyperliquid, hyperliquid_all
from ledger.recon.lines import Holding, Statement, Trade

__all__ = [
    "FORMATS",
    "Format",
    "SourceMapping",
    "read",
    "read_holdings",
    "read_statements",
    "read_trades",
]

Kind = Literal["trades", "holdings", "statements"]
Line = Trade | Holding | Statement


class Format(NamedTuple):
    """A format that can be read.

    Attributes:
        kind: What comes out: `Trade`, `Holding` or `Statement`.
        reader: From a file and its mapping.
        says: What it is, in words.
    """

    kind: Kind
    reader: Callable[[Path, SourceMapping], Iterator[Line]]
    says: str


FORMATS: Mapping[str, Format] = {
    "trades-csv": Format("trades", partial(trades_of, csv_rows), "trades as CSV"),
    "trades-jsonl": Format("trades", partial(trades_of, json_rows), "trades as JSON lines"),
    "trades-parquet": Format("trades", partial(trades_of, parquet_rows), "trades as Parquet"),
    "holdings-csv": Format("holdings", partial(holdings_of, csv_rows), "holdings as CSV"),
    "holdings-jsonl": Format("holdings", partial(holdings_of, json_rows), "holdings as JSON lines"),
    "holdings-parquet": Format(
        "holdings", partial(holdings_of, parquet_rows), "holdings as Parquet"
    ),
    "statements-csv": Format("statements", partial(statements_of, csv_rows), "statements as CSV"),
    "statements-jsonl": Format(
        "statements", partial(statements_of, json_rows), "statements as JSON lines"
    ),
    "statements-parquet": Format(
        "statements", partial(statements_of, parquet_rows), "statements as Parquet"
    ),
    "mt940": Format("statements", mt940, "a bank's statement, SWIFT MT940"),
    "camt053": Format("statements", camt053, "a bank's statement, ISO 20022 camt.053"),
    "events": Format("trades", events, "trades among the ledger's own wire events"),
    "fix": Format("trades", fix, "FIX trade capture reports (35=AE)"),
    "hyperliquid": Format("trades", hyperliquid, "Hyperliquid fills: perpetuals of two accounts"),
    "hyperliquid-all": Format("trades", hyperliquid_all, "Hyperliquid fills: all of them"),
    "binance": Format("trades", binance, "a Binance tape of trades"),
    "bitmex": Format("trades", bitmex, "a BitMEX tape of trades"),
    "vega": Format("statements", vega, "ledger movements of a Vega core"),
}
"""By the name that a rules file gives."""


def read(format_name: str, path: Path, mapping: SourceMapping | None = None) -> Iterator[Line]:
    """What a file says, in its order, as it is read.

    Args:
        format_name: A name in `FORMATS`.
        path: Plain or gzip, told by its first bytes. It may be read more than once: no pipe.
        mapping: None for a file that has our names of columns.

    Raises:
        ConfigurationError: No such format. While iterating: a library for it is not installed.
        ImportFailed: No such file. While iterating: a line does not read as its format says.
    """
    chosen = FORMATS.get(format_name)
    if chosen is None:
        raise ConfigurationError(f"no format {format_name!r}; there are {', '.join(FORMATS)}")
    if not path.is_file():
        raise ImportFailed(f"{path}: no such file; expected one in the format {format_name}")
    return storable(chosen.reader(path, mapping or SourceMapping()))


def read_trades(
    format_name: str, path: Path, mapping: SourceMapping | None = None
) -> Iterator[Trade]:
    """As `read`; a format of another kind is refused."""
    _require_kind(format_name, "trades")
    return cast("Iterator[Trade]", read(format_name, path, mapping))


def read_holdings(
    format_name: str, path: Path, mapping: SourceMapping | None = None
) -> Iterator[Holding]:
    """As `read`; a format of another kind is refused."""
    _require_kind(format_name, "holdings")
    return cast("Iterator[Holding]", read(format_name, path, mapping))


def read_statements(
    format_name: str, path: Path, mapping: SourceMapping | None = None
) -> Iterator[Statement]:
    """As `read`; a format of another kind is refused."""
    _require_kind(format_name, "statements")
    return cast("Iterator[Statement]", read(format_name, path, mapping))


def _require_kind(format_name: str, kind: Kind) -> None:
    found = FORMATS.get(format_name)
    if found is not None and found.kind != kind:
        names = ", ".join(name for name, each in FORMATS.items() if each.kind == kind)
        raise ConfigurationError(
            f"the format {format_name} has {found.kind}, expected one of {kind}: {names}"
        )
