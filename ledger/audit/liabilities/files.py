"""The files of an audit of liabilities: published, private, and a participant's own.

    DIR/liabilities.json     published: root, sums, disclosures, the books it is of
    DIR/private/audit.json   the secret, and the node above each chunk of leaves; mode 0600
    DIR/private/leaves.bin   the leaves, chunk by chunk, compressed; mode 0600

Whoever has the secret can find every participant's place; whoever has the leaves knows what each is
owed. Both are needed for a participant's file, and nothing else is. An audit is never written over.

Source: docs/spec/liabilities.md.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ledger.audit.liabilities.liabilities import Audit, Chunk, Column, Header, Proof, decimal
from ledger.audit.liabilities.tree import HASH_LENGTH
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.audit.liabilities import Anchor, HouseAccount

FORMAT = 1
PUBLIC = "liabilities.json"
PRIVATE = "private"
INDEX = "audit.json"
LEAVES = "leaves.bin"

Json = dict[str, Any]


def public_file(made: Audit) -> Json:
    """What is published."""
    anchor = made.header.anchor
    return {
        "format": FORMAT,
        "kind": "liabilities",
        "pool": anchor.pool,
        "sequence": anchor.sequence,
        "chain": anchor.chain.hex(),
        "checkpoint": None if anchor.checkpoint is None else anchor.checkpoint.hex(),
        "leaves": made.leaves,
        "columns": [
            {
                "column": column.name,
                "asset": column.asset,
                "scale": column.scale,
                "sum": decimal(total, column.scale),
                "negative": decimal(column.negative, column.scale),
                "negative_count": column.negative_count,
            }
            for column, total in zip(made.header.columns, made.sums(), strict=True)
        ],
        "house": [account._asdict() for account in made.header.house],
        "top": made.top[:HASH_LENGTH].hex(),
        "root": made.root.hex(),
    }


def participant_file(made: Audit, proof: Proof) -> Json:
    """What a participant gets."""
    columns = made.header.columns
    return {
        "format": FORMAT,
        "kind": "liability",
        "pool": made.header.anchor.pool,
        "sequence": made.header.anchor.sequence,
        "root": made.root.hex(),
        "account": proof.account,
        "salt": proof.salt.hex(),
        "values": [
            {"column": column.name, "asset": column.asset, "value": value}
            for column, value in zip(columns, _decimals(columns, proof.values), strict=True)
        ],
        "index": proof.place,
        "leaves": made.leaves,
        "path": [
            {
                "side": side,
                "hash": entry[:HASH_LENGTH].hex(),
                "sums": _decimals(columns, made.shape.values(made.shape.row(entry))),
            }
            for side, entry in proof.steps
        ],
    }


def write_audit(folder: Path, made: Audit) -> None:
    """Write the files of an audit; the public one last.

    Raises:
        ConfigurationError: The folder has an audit already, or cannot be written to.
    """
    try:
        (folder / PRIVATE).mkdir(parents=True, mode=0o700)
        with _private(folder, LEAVES) as leaves:
            for chunk in made.chunks:
                leaves.write(chunk.packed)
        with _private(folder, INDEX) as index:
            index.write(json.dumps(_index(made)).encode())
        with (folder / PUBLIC).open("x", encoding="utf-8") as public:
            public.write(json.dumps(public_file(made), indent=1) + "\n")
    except FileExistsError:
        raise ConfigurationError(
            f"--out {folder}: there is an audit already, and a secret is for one audit alone:"
            " choose another directory"
        ) from None
    except OSError as fault:
        raise ConfigurationError(f"--out {folder}: {fault.strerror}") from fault


def read_audit(folder: Path, account: str) -> Audit:
    """An audit from its files, with the leaves of the one chunk in which the participant may stand.

    Raises:
        ConfigurationError: The files are missing, or not those of an audit.
        LedgerError: The public file is not what its root says.
    """
    try:
        public = json.loads((folder / PUBLIC).read_bytes())
        index = json.loads((folder / PRIVATE / INDEX).read_bytes())
        made = _audit(public, index)
        number = made.chunk_of(account)
        at, end = index["ends"][number - 1] if number else 0, index["ends"][number]
        with (folder / PRIVATE / LEAVES).open("rb") as leaves:
            leaves.seek(at)
            made.chunks[number] = made.chunks[number]._replace(packed=leaves.read(end - at))
    except OSError as fault:
        raise ConfigurationError(
            f"--from {folder}: {fault.filename}: {fault.strerror}; expected what"
            " clearing prove liabilities --out wrote there"
        ) from fault
    except (KeyError, TypeError, ValueError) as fault:
        raise ConfigurationError(
            f"--from {folder}: not the files of an audit of liabilities ({fault!r})"
        ) from fault
    if made.root.hex() != public["root"]:
        raise LedgerError(f"{folder / PUBLIC}: not what its root says: was it altered?")
    return made


def _index(made: Audit) -> Json:
    ends = []
    end = 0
    for chunk in made.chunks:
        end += len(chunk.packed)
        ends.append(end)
    return {
        "format": FORMAT,
        "secret": made.secret.hex(),
        "ends": ends,
        "firsts": [chunk.first.hex() for chunk in made.chunks],
        "entries": [chunk.entry.hex() for chunk in made.chunks],
    }


def _audit(public: Mapping[str, Any], index: Mapping[str, Any]) -> Audit:
    """Both files together; the chunks have no leaves yet."""
    columns = [
        Column(
            each["column"],
            each["asset"],
            each["scale"],
            _units(each["negative"], each["scale"]),
            each["negative_count"],
        )
        for each in public["columns"]
    ]
    sums = [_units(each["sum"], each["scale"]) for each in public["columns"]]
    checkpoint = public["checkpoint"]
    anchor = Anchor(
        public["pool"],
        public["sequence"],
        bytes.fromhex(public["chain"]),
        None if checkpoint is None else bytes.fromhex(checkpoint),
        None,
    )
    header = Header(anchor, columns, [HouseAccount(**account) for account in public["house"]])
    return Audit(
        header,
        public["leaves"],
        bytes.fromhex(public["top"]) + b"".join(total.to_bytes(16, "big") for total in sums),
        bytes.fromhex(index["secret"]),
        [
            Chunk(bytes.fromhex(first), bytes.fromhex(entry), b"")
            for first, entry in zip(index["firsts"], index["entries"], strict=True)
        ],
    )


def _private(folder: Path, name: str) -> IO[bytes]:
    descriptor = os.open(folder / PRIVATE / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(descriptor, "wb")


def _decimals(columns: Sequence[Column], values: Sequence[int]) -> list[str]:
    pairs = zip(columns, values, strict=True)
    return [decimal(value, column.scale) for column, value in pairs]


def _units(decimals: str, scale: int) -> int:
    """Smallest units of a decimal that this module wrote."""
    whole, _, fraction = decimals.partition(".")
    return int(whole + fraction.ljust(scale, "0"))
