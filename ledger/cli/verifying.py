"""The command `verify`: whether the books are what they were, and are right."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ledger.assembly import database
from ledger.audit.report import report
from ledger.audit.signing import Signer
from ledger.audit.verify import MODES, Scope, Verdict
from ledger.audit.verify import verify as verified
from ledger.cli.options import AsJson, DatabaseUrl, Quiet, notes, progress, say
from ledger.errors import ConfigurationError

_SHOWN_MAX = 10
_KEY_LENGTH = 32


def verify(
    mode: Annotated[
        str, typer.Option("--mode", metavar="|".join(MODES), help="What to check.")
    ] = "all",
    pool: Annotated[str | None, typer.Option("--pool", help="Only this pool.")] = None,
    first: Annotated[
        int | None, typer.Option("--from", min=1, metavar="SEQ", help="From this event on.")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", min=1, metavar="SEQ", help="Up to this event.")
    ] = None,
    from_snapshot: Annotated[
        bool, typer.Option("--from-snapshot", help="Begin behind the newest kept state.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 1,
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", metavar="FILE", help="Checkpoints kept elsewhere."),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option("--trust", metavar="KEY", help="Trust this public key, not the first one."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the report as JSON.")
    ] = None,
    sign_with: Annotated[
        Path | None, typer.Option("--sign-with", metavar="FILE", help="Sign the report: key file.")
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Verify the books: hashes, signatures, balances, and every decision anew. Reads only.

    quick: checkpoints, keys, sums. chain: every hash. fold: postings to balances. rederive: every
    event decided again. Needs no more than the role clearing_auditor. Exit code 1: something is
    wrong; the first pool, event, table and field is named, with what was expected.

    Example: clearing verify --mode all --anchors anchors.jsonl --report verdict.json
    """
    if mode not in MODES:
        raise ConfigurationError(f"--mode {mode}: expected {', '.join(MODES)}")
    keys = tuple(_key(text) for text in trust or ())
    scope = Scope(mode, pool, first, last, from_snapshot, workers, anchors, keys)
    signer = None if sign_with is None else Signer.of_file(sign_with)
    began = datetime.now(UTC)
    with database(database_url) as url:
        verdict = _watched(url, scope, quiet=quiet)
    found = report(verdict, began, datetime.now(UTC), _plain(url), signer)
    if out is not None:
        _write(out, found)
    if as_json:
        say(json.dumps(found))
    else:
        _show(verdict)
    if not verdict.is_good:
        raise typer.Exit(1)


def _watched(url: str, scope: Scope, *, quiet: bool) -> Verdict:
    with progress(quiet=quiet) as bar:
        task = bar.add_task(f"verify {scope.mode}", total=None)
        return verified(
            url,
            scope,
            lambda total: bar.update(task, total=total),
            lambda count: bar.advance(task, count),
        )


def _write(path: Path, found: dict[str, object]) -> None:
    try:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")
    except OSError as fault:
        raise ConfigurationError(f"--report {path}: {fault.strerror}") from fault


def _show(verdict: Verdict) -> None:
    for pool in verdict.pools:
        read = [
            f"{', '.join(one['checks'])} {one['first']} to {one['last']}" for one in pool["passes"]
        ]
        say(
            f"pool {pool['pool']}: {pool['head']} events, {pool['checkpoints']} checkpoints met;"
            f" {'; '.join(read) or 'no rows read'}"
        )
        for remark in pool["remarks"]:
            notes.print(f"  not verified: {remark}", markup=False)
    if verdict.is_good:
        say(f"good: nothing is wrong ({verdict.scope.mode})")
        return
    first, *others = verdict.found
    say(f"BAD: {first.line()}")
    for finding in others[:_SHOWN_MAX]:
        say(f"  also: {finding.line()}")
    if len(others) > _SHOWN_MAX:
        say(f"  and {len(others) - _SHOWN_MAX} more; --report FILE has them all")


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_LENGTH:
        raise ConfigurationError(f"--trust {text}: expected a public key, 64 hex digits")
    return key


def _plain(url: str) -> str:
    """The URL without a password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@")).geturl()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)
