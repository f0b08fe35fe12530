"""The command `clearing reconcile run`, and the group that it is in."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from consumers.ends import end_offsets
from ledger.assembly import database
from ledger.cli.kafka import kafka_settings
from ledger.cli.options import (
    AsJson,
    DatabaseUrl,
    Kafka,
    Quiet,
    TopicPrefix,
    columns,
    progress,
    say,
    say_json,
)
from ledger.cli.reconciling import breaks as reconciling_breaks
from ledger.cli.reconciling import controls as reconciling_controls
from ledger.cli.reconciling.options import At, By, figures, who
from ledger.cli.reconciling.topics import Since, Topics, asked, fetched
from ledger.errors import ConfigurationError
from ledger.recon.casework.keeping import Noted, agreed, keep, past
from ledger.recon.casework.life import ACTS, State, said
from ledger.recon.controls import EndOffsets
from ledger.recon.result import Compared, Result
from ledger.recon.rules import Rules, load_rules
from ledger.recon.run import Tell, reconcile
from ledger.store.back_office.runs import PastRow

_SHOWN_MAX = 50

reconciling = typer.Typer(
    help="Hold the books against outside sources, and work on what differs, from found to closed."
    "\n\nExample: clearing reconcile run rules.toml --file bank=2026-01-05.xml",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RulesFile = Annotated[Path, typer.Argument(metavar="RULES", help="The rules file, TOML.")]
AsRun = Annotated[
    int | None,
    typer.Option(
        "--as-run",
        min=1,
        metavar="RUN",
        help="Do a kept run again: its pool, its event, the matches it was told. Keeps nothing.",
    ),
]


def run(
    rules_file: RulesFile,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="SOURCE=PATH", help="A file of a source; may be repeated."),
    ] = None,
    topic: Topics = None,
    topic_since: Since = None,
    pool: Annotated[
        str | None, typer.Option("--pool", help="Whose books. Default: that of the sources.")
    ] = None,
    at: At = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare only; keep neither the run nor its breaks.")
    ] = False,
    as_run: AsRun = None,
    kafka: Kafka = None,
    topic_prefix: TopicPrefix = None,
    by: By = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Hold files and topics against the books, check the controls, keep what differs as breaks.

    The same files, rules and sequence give the same result hash. Without --file and --topic the
    controls run alone. With --kafka HOST:PORT the ends of the topics are one of them. Exit code 1:
    the pool has a break that is not closed, of this run or of one before; or --as-run came to
    something else.

    Example: clearing reconcile run rules.toml --file bank=2026-01-05.xml --file fills=fills.csv
    """
    name = who(by)
    rules = load_rules(rules_file)
    files, topics = _files(file or (), rules), asked(topic or (), topic_since, rules)
    broker = kafka_settings(kafka, topic_prefix) if topics else None
    ends = _ends(kafka, topic_prefix)
    with database(database_url) as url:
        again = _again(url, as_run, pool, at)
        sources = [*files, *(each.source for each in topics)]
        chosen = again.pool if again is not None else _pool(pool, rules, sources)
        told = again.agreed if again is not None else agreed(url, chosen)
        at = again.sequence if again is not None else at
        with progress(quiet=quiet) as bar:
            tell = _telling(bar)
            with fetched(topics, rules, broker, tell) as messages:
                given = {name: [*files.get(name, ()), *messages.get(name, ())] for name in sources}
                result = reconcile(
                    url, rules, given, chosen, at, approved=told, end_offsets=ends, tell=tell
                )
            tell("keeping the breaks", len(result.breaks))
            noted = None if dry_run or again is not None else keep(url, result, rules, name)
    if as_json:
        say_json(_as_json(result, noted, again))
    else:
        for line in _lines(result, noted, again):
            say(line)
    differs = again is not None and again.result_hash != result.result_hash
    if differs or (noted.left_open if noted is not None else result.breaks):
        raise typer.Exit(1)


def _telling(bar: Progress) -> Tell:
    tasks: dict[str, TaskID] = {}

    def tell(what: str, count: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=None)
        bar.update(tasks[what], completed=count)

    return tell


def _again(url: str, run: int | None, pool: str | None, at: int | None) -> PastRow | None:
    if run is None:
        return None
    if pool is not None or at is not None:
        raise ConfigurationError("--as-run takes the pool and the event of the run: leave out both")
    return past(url, run)


def _files(given: Sequence[str], rules: Rules) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for text in given:
        source, sign, path = text.partition("=")
        if not sign or not path:
            raise ConfigurationError(f"--file {text}: expected SOURCE=PATH, such as bank=may.xml")
        if source not in rules.sources:
            raise ConfigurationError(
                f"--file {text}: the rules have no source {source}; they have"
                f" {', '.join(sorted(rules.sources))}"
            )
        if not Path(path).is_file():
            raise ConfigurationError(f"--file {text}: there is no such file")
        if Path(path) in found.get(source, []):
            raise ConfigurationError(f"--file {text}: named twice")
        found.setdefault(source, []).append(Path(path))
    return found


def _pool(given: str | None, rules: Rules, sources: Sequence[str]) -> str:
    if given is not None:
        return given
    pools = sorted({rules.sources[name].pool for name in sources or rules.sources})
    if len(pools) > 1:
        raise ConfigurationError(
            f"the sources are of the pools {', '.join(pools)}: choose one with --pool"
        )
    return pools[0]


def _ends(kafka: str | None, topic_prefix: str | None) -> EndOffsets | None:
    return None if kafka is None else end_offsets(kafka_settings(kafka, topic_prefix))


def _as_json(result: Result, noted: Noted | None, again: PastRow | None) -> dict[str, object]:
    found = result.as_json()
    if again is not None:
        same = again.result_hash == result.result_hash
        found |= {"expected_hash": again.result_hash, "is_as_expected": same}
    if noted is None:
        return found
    return found | {
        "run": noted.run,
        "acts": noted.acts,
        "states": noted.states,
        "not_closed": noted.left_open,
    }


def _lines(result: Result, noted: Noted | None, again: PastRow | None) -> Iterator[str]:
    named = "not kept" if noted is None else f"run {noted.run}"
    yield f"{named}: pool {result.pool} after event {result.sequence}, rules {result.rules[:16]}"
    for compared in result.compared:
        yield f"  {_compared(compared)}"
        for commodity, amount in sorted(compared.tolerated.items()):
            yield f"    tolerance let pass {amount:f} {commodity}"
        for each in compared.not_compared:
            yield f"    not compared: {each}"
    yield ""
    yield from reconciling_controls.lines(result.controls)
    if result.breaks:
        yield ""
        yield from _breaks(result, {} if noted is None else noted.states)
    if result.proposals:
        count = len(result.proposals)
        words = "match is proposed" if count == 1 else "matches are proposed"
        yield f"{count} {words}: clearing reconcile show KEY"
    yield ""
    if noted is None:
        yield f"{len(result.breaks)} found"
    else:
        acts = [f"{noted.acts[act]} {act.replace('_', ' ')}" for act in ACTS if act in noted.acts]
        yield f"{', '.join(acts) or 'no break'}; {noted.left_open} not closed"
    yield f"result {result.result_hash}"
    if again is not None:
        same = again.result_hash == result.result_hash
        yield "the same as that run's" if same else f"that run's was {again.result_hash}"


def _compared(one: Compared) -> str:
    matched = sum(one.matched.values())
    rules = ", ".join(f"{rule} {count}" for rule, count in one.matched.items() if count)
    return (
        f"{one.source}: {one.ours} ours, {one.theirs} theirs, {matched} matched"
        f"{f' ({rules})' if rules else ''}"
    )


def _breaks(result: Result, states: Mapping[str, State]) -> Iterator[str]:
    shown = result.breaks[:_SHOWN_MAX]
    yield from columns(
        [
            {
                "key": one.key,
                "severity": one.severity,
                "type": one.type,
                "source": one.source,
                "difference": one.difference,
                "commodity": one.commodity,
                "ours": ours,
                "theirs": theirs,
                "about": one.subject,
                "state": said(states[one.key]) if one.key in states else "",
            }
            for one, ours, theirs in zip(
                shown,
                figures([one.ours for one in shown]),
                figures([one.theirs for one in shown]),
                strict=True,
            )
        ]
    )
    if len(result.breaks) > len(shown):
        left = len(result.breaks) - len(shown)
        yield f"and {left} more: clearing reconcile breaks"


def register(app: typer.Typer) -> None:
    """Add the group."""
    reconciling.command()(run)
    reconciling_breaks.register(reconciling)
    reconciling.command()(reconciling_controls.controls)
    app.add_typer(reconciling, name="reconcile")
