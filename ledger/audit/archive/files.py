"""Tables as Parquet files: exact columns, written in one go, read back by ranges of sequence.

The one place that knows pyarrow. Amounts are decimal128(38, 0), moments microseconds in UTC, bytes
stay bytes. A file is written under another name and moved to its own when it is whole. Row groups
are small, so that memory is bounded and a range is found by the least and largest sequence of each.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.errors import ConfigurationError, LedgerError

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 10_000
"""Rows of a row group at most."""

GROUP_BYTES = 16 * 1024 * 1024
"""Bytes of messages after which a row group ends."""

READ_ROWS = 1_000
"""Rows made into Python at once."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "event": {
        "shard": "int32",
        "source": "int32",
        "sequence": "int64",
        "offset": "int64",
        "timestamp_ms": "int64",
        "occurred_at": "moment",
        "pool_time": "moment",
        "redrive_sequence": "int64",
        "redrive_shard": "string",
        "partition": "int32",
        "rules": "int16",
        "kind": "string",
        "event_id": "string",
        "rejection": "string",
        "detail": "string",
        "message_key": "binary",
        "content_hash": "binary",
        "leaf": "binary",
        "chain": "binary",
        "raw": "binary",
    },
    "posting": {
        "shard": "int32",
        "account": "int32",
        "sequence": "int64",
        "account_sequence": "int64",
        "line": "int32",
        "commodity": "int32",
        "purpose": "int16",
        "amount": "amount",
        "balance": "amount",
    },
    "record": {
        "shard": "int32",
        "line": "int32",
        "sequence": "int64",
        "kind": "string",
        "subject": "string",
        "body": "binary",
    },
    "account": {
        "shard": "int32",
        "account": "int32",
        "owner": "string",
        "kind": "string",
        "instrument": "string",
        "asset": "string",
    },
    "commodity": {
        "shard": "int32",
        "commodity": "int32",
        "asset": "string",
        "instrument": "string",
        "scale": "int16",
    },
    "checkpoint": {
        "shard": "int32",
        "sequence": "int64",
        "body": "binary",
        "key": "binary",
        "signature": "binary",
    },
    "source": {"source": "int32", "cluster": "string", "topic_id": "string", "topic": "string"},
    "signing_key": {"key": "binary", "endorsed_by": "binary", "signature": "binary"},
}
"""Column and type of each table, in the order of the database."""


class ArchiveDamaged(LedgerError):
    """A file of an archive is not there, or is not what was written."""


class File(NamedTuple):
    """A finished file of an archive.

    Attributes:
        table: What its rows are.
        path: Relative to the archive, with `/`.
        rows: How many.
        sha256: Of its bytes, in hex.
    """

    table: str
    path: str
    rows: int
    sha256: str


def write(directory: Path, table: str, path: str, rows: Iterable[Sequence[Any]]) -> File:
    """Write a table's rows to a file of the archive; one of that name is replaced.

    Raises:
        ConfigurationError: pyarrow is not installed, or the place cannot be written.
    """
    arrow, parquet = _arrow()
    target = directory / path
    partial = target.with_suffix(".partial")
    schema = _schema(arrow, table)
    written = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
            for group in _groups(rows):
                columns = zip(*group, strict=True)
                arrays = [
                    arrow.array(column, field.type)
                    for column, field in zip(columns, schema, strict=True)
                ]
                writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
                written += len(group)
        partial.replace(target)
    except OSError as fault:
        raise ConfigurationError(f"cannot write the archive: {fault}") from fault
    return File(table, path, written, sha256(target))


def read(
    directory: Path, file: File, first: int | None = None, last: int | None = None
) -> Iterator[tuple[Any, ...]]:
    """Rows of a file in their order; of a range of sequences where one is given.

    Moments are microseconds since 1970, amounts are Decimals without fraction.

    Raises:
        ArchiveDamaged: It cannot be read, or its columns are others.
    """
    arrow, parquet = _arrow()
    try:
        with parquet.ParquetFile(directory / file.path) as opened:
            if opened.schema_arrow != _schema(arrow, file.table):
                raise ArchiveDamaged(
                    f"{directory / file.path}: columns {opened.schema_arrow.names}, expected those"
                    f" of {file.table}"
                )
            for group in range(opened.num_row_groups):
                if first is not None and not _overlaps(opened, group, file.table, first, last):
                    continue
                for batch in opened.iter_batches(READ_ROWS, row_groups=[group]):
                    yield from _rows(arrow, _within(arrow, batch, first, last))
    except (OSError, arrow.ArrowException) as fault:
        raise ArchiveDamaged(f"{directory / file.path} cannot be read: {fault}") from fault


def sha256(path: Path) -> str:
    """Hash of a file, in hex.

    Raises:
        ArchiveDamaged: It is not there.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        raise ArchiveDamaged(f"{path}: {fault.strerror}") from fault


def require() -> None:
    """Refuse where pyarrow is not installed.

    Raises:
        ConfigurationError: It is not; the message says how.
    """
    _arrow()


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        import pyarrow.compute  # noqa: PLC0415 - as above
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise ConfigurationError(
            "archives need pyarrow, which is not installed: `pip install clearing-ledger[archive]`"
        ) from missing
    return pa, parquet


def _schema(arrow: Any, table: str) -> "pa.Schema":  # noqa: ANN401 - pyarrow ships no types
    types = {
        "int16": arrow.int16(),
        "int32": arrow.int32(),
        "int64": arrow.int64(),
        "string": arrow.string(),
        "binary": arrow.binary(),
        "moment": arrow.timestamp("us", tz="UTC"),
        "amount": arrow.decimal128(38, 0),
    }
    return arrow.schema([(name, types[kind]) for name, kind in COLUMNS[table].items()])


def _groups(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Rows by row groups."""
    group: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(row[-1]) if isinstance(row[-1], bytes) else 0
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _overlaps(opened: Any, group: int, table: str, first: int, last: int | None) -> bool:  # noqa: ANN401 - a pyarrow file
    place = list(COLUMNS[table]).index("sequence")
    found = opened.metadata.row_group(group).column(place).statistics
    if found is None or not found.has_min_max:
        return True
    return found.max >= first and (last is None or found.min <= last)


def _rows(arrow: Any, batch: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - a pyarrow batch
    columns = [
        (column.cast(arrow.int64()) if arrow.types.is_timestamp(column.type) else column)
        .to_pylist()
        for column in batch.columns
    ]  # fmt: skip
    return zip(*columns, strict=True)


def _within(arrow: Any, batch: Any, first: int | None, last: int | None) -> Any:  # noqa: ANN401 - a pyarrow batch
    """The rows of a range, before any is made into Python."""
    if first is None:
        return batch
    sequence = batch.column("sequence")
    chosen = arrow.compute.greater_equal(sequence, first)
    if last is not None:
        chosen = arrow.compute.and_(chosen, arrow.compute.less_equal(sequence, last))
    return batch.filter(chosen)
