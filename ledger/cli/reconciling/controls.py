"""The command `clearing reconcile controls`: the internal controls, once or again and again."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from consumers.controls import ControlsWatch
from consumers.ends import end_offsets
from consumers.telemetry_logs import logger, shown
from ledger.assembly import database
from ledger.cli.kafka import kafka_settings
from ledger.cli.options import AsJson, DatabaseUrl, Kafka, TopicPrefix, say, say_json
from ledger.cli.reconciling.options import At, By, who
from ledger.cli.watching import LogFormat, LogLevel, MetricsAddress, MetricsPort, watched
from ledger.errors import ConfigurationError, LedgerError
from ledger.recon.casework.keeping import keep_changes
from ledger.recon.controls import Checked, EndOffsets, check_controls
from ledger.recon.result import Control
from ledger.recon.rules import Rules, load_rules
from ledger.recon.run import reconcile

_log = logger(__name__)


def controls(
    rules_file: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="What the controls are told.")
    ] = None,
    pool: Annotated[str, typer.Option("--pool", help="Whose books.")] = "main",
    at: At = None,
    every: Annotated[
        float | None,
        typer.Option("--every", min=1, metavar="SECONDS", help="Again and again, until stopped."),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep what changed as breaks with a life; needs --rules."),
    ] = False,
    by: By = None,
    kafka: Kafka = None,
    topic_prefix: TopicPrefix = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
    metrics_port: MetricsPort = None,
    metrics_address: MetricsAddress = "127.0.0.1",
) -> None:
    """Check the internal controls alone: once, or --every so many seconds until SIGTERM or Ctrl-C.

    Nothing is kept, but with --keep: then a run is kept whenever a break is new, gone or another.
    With --every, logs go to standard error and --metrics-port serves Prometheus and health checks;
    what the last round found is printed in the end. Exit code 1: one of them does not hold.

    Example: clearing reconcile controls --every 60 --rules rules.toml --keep --metrics-port 9465
    """
    name = who(by) if keep else ""
    rules = None if rules_file is None else load_rules(rules_file)
    if keep and rules is None:
        raise ConfigurationError("--keep needs --rules: by which the breaks are known and judged")
    if every is not None and at is not None:
        raise ConfigurationError("--every looks at the newest event each time: leave out --at")
    if every is None and metrics_port is not None:
        raise ConfigurationError("--metrics-port needs --every: once is over too soon to be asked")
    ends = None if kafka is None else end_offsets(kafka_settings(kafka, topic_prefix))
    with database(database_url) as url:
        if keep and rules is not None:
            check = _keeping(url, rules, pool, at, ends, name)
        else:
            check = _checking(url, rules, pool, at, ends)
        if every is None:
            checked = check()
        else:
            with shown(log_level, log_format):
                checked = _again(check, pool, every, (metrics_address, metrics_port))
    if as_json:
        say_json(_as_json(pool, checked))
    else:
        say(f"pool {pool} after event {checked.sequence}")
        for line in [*lines(checked.controls), *(f"  {one.says}" for one in checked.breaks)]:
            say(line)
    if checked.breaks:
        raise typer.Exit(1)


def lines(found: Sequence[Control]) -> Iterator[str]:
    """Controls, each on a line."""
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        verdict = "ok" if one.holds else "BROKEN"
        yield f"{verdict:<8}{one.name.ljust(width)}  {one.checked:>7}  {one.says}"


def _checking(
    url: str, rules: Rules | None, pool: str, at: int | None, ends: EndOffsets | None
) -> Callable[[], Checked]:
    return lambda: check_controls(
        *(url, pool, at),
        rules=None if rules is None else rules.controls,
        severity=None if rules is None else rules.severity,
        end_offsets=ends,
    )


def _keeping(
    url: str, rules: Rules, pool: str, at: int | None, ends: EndOffsets | None, by: str
) -> Callable[[], Checked]:
    """A round that keeps what changed."""

    def check() -> Checked:
        result = reconcile(url, rules, {}, pool, at, end_offsets=ends)
        noted = keep_changes(url, result, rules, by)
        if noted is not None:
            _log.info("changes kept", pool=pool, run=noted.run, acts=dict(noted.acts))
        return Checked(result.sequence, result.controls, result.breaks)

    return check


def _again(
    check: Callable[[], Checked], pool: str, every: float, where: tuple[str, int | None]
) -> Checked:
    """Rounds until stopped; what the last one found."""
    last = Checked(0, (), ())

    def round_() -> Checked:
        nonlocal last
        last = check()
        return last

    watch = ControlsWatch(pool, every)
    with watched(watch, *where):
        rounds = watch.watch(round_)
    if not rounds:
        raise LedgerError("stopped before the first round came to its end: nothing was checked")
    _log.info("stopped", rounds=rounds, broken=len(last.breaks))
    return last


def _as_json(pool: str, checked: Checked) -> dict[str, object]:
    return {
        "pool": pool,
        "sequence": checked.sequence,
        "controls": [
            {"name": c.name, "holds": c.holds, "checked": c.checked, "says": c.says}
            for c in checked.controls
        ],
        "broken": [one.says for one in checked.breaks],
    }
