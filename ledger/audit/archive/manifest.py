"""The manifest of an archive: which files hold which events, their hashes, the chain at each seam.

`manifest.json` is written anew after every finished part, under another name first, so an export
that was interrupted goes on behind the last part that the manifest names.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ledger.audit.archive.files import ArchiveDamaged, File
from ledger.errors import ConfigurationError
from ledger.ports import Offset, Source

FORMAT = 1

NAME = "manifest.json"


class Part(NamedTuple):
    """Files of one range of events.

    Attributes:
        first, last: Sequences, inclusive.
        chain_before, chain: Before the first and after the last of them.
        files: Of events, postings and records.
    """

    first: int
    last: int
    chain_before: bytes
    chain: bytes
    files: Sequence[File]


class Head(NamedTuple):
    """The shard itself, in an archive that reaches its head of the moment of the export.

    `offsets` are `(source, partition, next offset)`.
    """

    next_account: int
    pool_time: int | None
    duplicates: int
    frontier: bytes
    offsets: Sequence[tuple[Source, int, int]]


class Archived(NamedTuple):
    """One shard in an archive.

    Attributes:
        name: Of the shard.
        shard: Its number in the database that was exported.
        partition: That its messages come from.
        registered: Last sequence when the registries below were written; less than `last` in an
            archive whose export was interrupted.
        head: None where the archive ends before the head of its moment.
        registries: Files of accounts, commodities and checkpoints.
        parts: Without gaps.
    """

    name: str
    shard: int
    partition: int | None
    registered: int
    head: Head | None
    registries: Sequence[File]
    parts: Sequence[Part]

    @property
    def first(self) -> int:
        """The first event in the archive."""
        return self.parts[0].first

    @property
    def last(self) -> int:
        """The last event in the archive."""
        return self.parts[-1].last

    @property
    def chain(self) -> bytes:
        """After the last event."""
        return self.parts[-1].chain

    def registry(self, table: str) -> File:
        """The file of a registry.

        Raises:
            ArchiveDamaged: There is none: the export did not come to its end.
        """
        for file in self.registries:
            if file.table == table:
                return file
        raise ArchiveDamaged(f"pool {self.name}: no file of {table}: run the export to its end")


class Manifest(NamedTuple):
    """All that an archive says of itself: registries of no pool, and its shards by name."""

    registries: Sequence[File]
    pools: Mapping[str, Archived]

    def registry(self, table: str) -> File:
        """The file of a registry that belongs to no pool.

        Raises:
            ArchiveDamaged: There is none: the export did not come to its end.
        """
        for file in self.registries:
            if file.table == table:
                return file
        raise ArchiveDamaged(f"no file of {table} in the manifest: run the export to its end")


def load(directory: Path) -> Manifest:
    """The manifest of an archive.

    Raises:
        ConfigurationError: There is none.
        ArchiveDamaged: It does not read as one.
    """
    try:
        text = (directory / NAME).read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"no {NAME} in {directory}: not an archive of `clearing export`"
        ) from None
    except (OSError, UnicodeDecodeError) as fault:
        raise ArchiveDamaged(f"{directory / NAME}: {fault}") from fault
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise ArchiveDamaged(
                f"{directory / NAME}: format {found['format']}, this version reads {FORMAT}"
            )
        return Manifest(
            [File(**file) for file in found["files"]],
            {name: _archived(name, body) for name, body in found["pools"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ArchiveDamaged(f"{directory / NAME} does not read as a manifest: {fault}") from fault


def save(directory: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all."""
    content = {
        "format": FORMAT,
        "files": [file._asdict() for file in manifest.registries],
        "pools": {name: _json(one) for name, one in sorted(manifest.pools.items())},
    }
    partial = directory / f"{NAME}.partial"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(directory / NAME)


def _json(one: Archived) -> dict[str, Any]:
    head = one.head
    return {
        "shard": one.shard,
        "partition": one.partition,
        "first": one.first,
        "last": one.last,
        "registered": one.registered,
        "head": None
        if head is None
        else {
            "next_account": head.next_account,
            "pool_time": head.pool_time,
            "duplicates": head.duplicates,
            "frontier": head.frontier.hex(),
            "offsets": [[*source, *where] for source, *where in head.offsets],
        },
        "files": [file._asdict() for file in one.registries],
        "parts": [
            {
                "first": part.first,
                "last": part.last,
                "chain_before": part.chain_before.hex(),
                "chain": part.chain.hex(),
                "files": [file._asdict() for file in part.files],
            }
            for part in one.parts
        ],
    }


def _archived(name: str, body: dict[str, Any]) -> Archived:
    head = body["head"]
    parts = [
        Part(
            part["first"],
            part["last"],
            bytes.fromhex(part["chain_before"]),
            bytes.fromhex(part["chain"]),
            [File(**file) for file in part["files"]],
        )
        for part in body["parts"]
    ]
    if not parts:
        raise ValueError(f"pool {name} has no part")
    return Archived(
        name,
        body["shard"],
        body["partition"],
        body["registered"],
        None
        if head is None
        else Head(
            head["next_account"],
            head["pool_time"],
            head["duplicates"],
            bytes.fromhex(head["frontier"]),
            [(Source(*row[:3]), row[3], row[4]) for row in head["offsets"]],
        ),
        [File(**file) for file in body["files"]],
        parts,
    )


def offsets_of(one: Archived) -> list[Offset]:
    """The stored offsets of a shard, where the archive has them."""
    held = () if one.head is None else one.head.offsets
    return [Offset(one.shard, *row) for row in held]
