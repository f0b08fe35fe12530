"""The command `verify`: whether the books are what they were, and are right."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID

from ledger.assembly import database
from ledger.audit.archive.verdict import archive_verdict
from ledger.audit.proofs.signing import Signer
from ledger.audit.verification.report import report
from ledger.audit.verification.verify import MODES, Scope, Verdict
from ledger.audit.verification.verify import verify as verified
from ledger.cli.options import AsJson, DatabaseUrl, Quiet, notes, progress, say
from ledger.errors import ConfigurationError
from ledger.settings import masked

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
    archive: Annotated[
        Path | None,
        typer.Option("--archive", metavar="DIR", help="Verify an archive, not a database."),
    ] = None,
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
    wrong; the first is named, with what was expected. --archive: files alone, not decided again.

    Example: clearing verify --mode all --anchors anchors.jsonl --report verdict.json
    """
    if mode not in MODES:
        raise ConfigurationError(f"--mode {mode}: expected {', '.join(MODES)}")
    keys = tuple(_key(text) for text in trust or ())
    scope = Scope(mode, pool, first, last, from_snapshot, workers, anchors, keys)
    signer = None if sign_with is None else Signer.of_file(sign_with)
    began = datetime.now(UTC)
    if archive is None:
        with database(database_url) as url:
            verdict, books = _watched(url, scope, quiet=quiet), masked(url)
    else:
        _refuse_of_database(scope, database_url)
        verdict, books = _watched_archive(archive, scope, quiet=quiet), str(archive)
    _tell(verdict, report(verdict, began, datetime.now(UTC), books, signer), out, as_json=as_json)
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


def _refuse_of_database(scope: Scope, database_url: str | None) -> None:
    """Refuse options that an archive, which is verified as a whole, has no use for."""
    given = {
        "--database-url": database_url is not None,
        f"--mode {scope.mode}": scope.mode != "all",
        "--from": scope.first is not None,
        "--to": scope.last is not None,
        "--from-snapshot": scope.from_snapshot,
        "--workers": scope.workers > 1,
    }
    wrong = [option for option, is_given in given.items() if is_given]
    if wrong:
        raise ConfigurationError(f"--archive DIR is verified as a whole, without {wrong[0]}")


def _watched_archive(directory: Path, scope: Scope, *, quiet: bool) -> Verdict:
    with progress(quiet=quiet) as bar:
        tasks: dict[str, TaskID] = {}

        def moved(pool: str, done: int, last: int) -> None:
            if pool not in tasks:
                tasks[pool] = bar.add_task(pool, total=last)
            bar.update(tasks[pool], completed=done)

        return archive_verdict(directory, scope, moved)


def _tell(verdict: Verdict, found: dict[str, object], out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        _write(out, found)
    if as_json:
        say(json.dumps(found))
    else:
        _show(verdict)


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
        anchors = f", {pool['anchors']} of them anchors" if pool.get("anchors") else ""
        say(
            f"pool {pool['pool']}: {pool['head']} events, {pool['checkpoints']} checkpoints"
            f" met{anchors}; {'; '.join(read) or 'no rows read'}"
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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)
