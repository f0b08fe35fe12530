"""Files of wire events, one JSON object a line, plain or gzip, as messages for the writer."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ledger.arrivals import FILE_CLUSTER
from ledger.errors import ConfigurationError
from ledger.ports import Message, Source

GZIP_MAGIC = b"\x1f\x8b"


def open_lines(path: Path) -> BinaryIO:
    """A file to read bytes from, unpacked where it is gzip; `-` is standard input.

    Raises:
        ConfigurationError: It is not there or cannot be read.
    """
    if str(path) == "-":
        import sys  # noqa: PLC0415 - the one place that reads standard input

        return sys.stdin.buffer
    try:
        file = path.open("rb")
    except OSError as fault:
        raise ConfigurationError(f"cannot read {path}: {fault.strerror}") from fault
    packed = file.read(2) == GZIP_MAGIC
    file.seek(0)
    if not packed:
        return file
    file.close()
    return io.BufferedReader(gzip.GzipFile(path))  # which closes what it opened itself


def messages(path: Path) -> Iterator[Message]:
    """Every line that is not blank, as a message; its offset is the number of the line, from 1.

    Such messages have no key, no partition of their own (0) and no time of delivery (0).

    Raises:
        ConfigurationError: It cannot be read, or not to its end.
    """
    source = Source(FILE_CLUSTER, path.name, path.name)
    with open_lines(path) as lines:
        for number, line in enumerate(_whole(path, lines), start=1):
            stripped = line.strip()
            if stripped:
                yield Message(source, 0, number, 0, None, stripped)


def _whole(path: Path, lines: BinaryIO) -> Iterator[bytes]:
    """All lines.

    Raises:
        ConfigurationError: It is packed, and cut off or damaged.
    """
    try:
        yield from lines
    except (EOFError, OSError, zlib.error) as fault:
        raise ConfigurationError(
            f"cannot read {path} to its end, it is cut off or damaged: {fault}; the lines before"
            " were read, and to ingest it again when it is whole does no harm"
        ) from fault


def batches(path: Path, size: int) -> Iterator[list[Message]]:
    """The messages of a file, `size` at a time."""
    batch: list[Message] = []
    for message in messages(path):
        batch.append(message)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
