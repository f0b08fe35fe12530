"""Commands that make and keep checkpoints: `checkpoint`, `key`."""

from pathlib import Path
from typing import Annotated

import typer

from ledger.assembly import database
from ledger.audit.proofs.sealing import Sealer, append_copies, endorsed, seal_heads
from ledger.audit.proofs.signing import Signer, home_key, make_key, signer
from ledger.cli.options import AsJson, DatabaseUrl, columns, notes, say, say_json
from ledger.codec.checkpoints import decode_checkpoint
from ledger.errors import ConfigurationError
from ledger.ports import SigningKey
from ledger.settings import signing_key
from ledger.store.audit.books import Audited
from ledger.store.log.postgres import PostgresLog

keys = typer.Typer(
    help="Show the keys that sign checkpoints, or go over to a new one. Example: clearing key show"
)


def checkpoint(
    database_url: DatabaseUrl = None,
    pool: Annotated[str | None, typer.Option("--pool", help="Only this pool.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Add all that FILE does not have yet to it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a signed checkpoint of every pool at its head; a running writer is not disturbed.

    Copies in a file that the database's administrators cannot reach are what `clearing verify
    --anchors` compares with. Exit code 1: FILE has another checkpoint than the books.

    Example: clearing checkpoint --out anchors.jsonl
    """
    with database(database_url) as url:
        log = PostgresLog.connect(url, "clearing checkpoint")
        try:
            sealer = Sealer(signer(may_make=not log.signing_keys()))
            sealer.prepare(log)
            seal_heads(log, sealer, pool)
            added = 0 if out is None else append_copies(log, out, pool)
            newest = [
                decode_checkpoint(made.body)
                for shard in log.shards()
                if pool in (None, shard.name)
                for made in [log.latest_checkpoint(shard.shard)]
                if made is not None
            ]
        finally:
            log.close()
    rows = [
        {"pool": one.pool, "sequence": one.sequence, "chain": one.chain.hex(), "key": one.key.hex()}
        for one in newest
    ]
    if as_json:
        say_json({"checkpoints": rows, "added": added})
        return
    for line in columns(rows):
        say(line)
    if out is not None:
        say(f"{added} added to {out}")


@keys.command()
def show(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show the keys that these books know, the oldest first, and who vouches for each.

    Example: clearing key show
    """
    with database(database_url) as url:
        books = Audited.connect(url)
        try:
            known = books.keys()
        finally:
            books.close()
    rows = [
        {
            "key": one.key.hex(),
            "endorsed_by": None if one.endorsed_by is None else one.endorsed_by.hex(),
        }
        for one in known
    ]
    if as_json:
        say_json(rows)
        return
    for line in columns(rows) or ["no key yet: the first one that signs is made known"]:
        say(line)


@keys.command()
def rotate(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where the new key goes. Default: in place."),
    ] = None,
    lost: Annotated[
        bool, typer.Option("--lost", help="The old key is gone, so it vouches for nothing.")
    ] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a new signing key, vouched for by the one in use; writers take it at their next start.

    A key of CLEARING_HOME is replaced, and kept beside under its own name. A key from elsewhere
    stays; set CLEARING_SIGNING_KEY_FILE to the new FILE. After --lost `clearing verify` reports
    what the new key signs, unless it is told `--trust KEY`.

    Example: clearing key rotate --out new.key
    """
    in_place = out is None
    if out is None:
        if signing_key() != (None, None):
            raise ConfigurationError(
                "the signing key comes from the environment: name a file for the new one, --out"
            )
        out = home_key().with_suffix(".new")
    with database(database_url) as url:
        log = PostgresLog.connect(url, "clearing key")
        try:
            old = None if lost else signer(may_make=not log.signing_keys())
            if old is not None:
                Sealer(old).prepare(log)
            new = make_key(out)
            row = SigningKey(new.key, None, None) if old is None else endorsed(old, new)
            added = log.add_signing_key(row, lost=lost)
            assert added, f"key {new.key.hex()} is known already"
        finally:
            log.close()
    if in_place:
        _replace(out, old)
    say(new.key.hex())
    notes.print(f"the new key is in {home_key() if in_place else out}; keep a copy of it")


def _replace(new: Path, old: Signer | None) -> None:
    """Put the new key in the old one's place, which goes beside."""
    place = home_key()
    if place.exists():
        name = "lost" if old is None else old.key.hex()[:8]
        place.rename(place.with_name(f"{place.name}.{name}"))
    new.rename(place)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(checkpoint)
    app.add_typer(keys, name="key")
