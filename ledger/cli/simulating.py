"""The command `simulate`: a whole simulated clearing house for each seed, with every fault.

The package of the simulation is imported when the command runs, and by nothing else.
"""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from ledger.cli.options import AsJson, Quiet, notes, say, say_json
from ledger.errors import ConfigurationError

_PROGRESS_SECONDS = 10.0


def simulate(
    seed: Annotated[int, typer.Argument(min=0, help="The first seed.")],
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Turns with faults, for each seed (3000).")
    ] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="How many seeds (1).")] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0, metavar="SECONDS", help="Until then.")
    ] = None,
    faults: Annotated[
        str | None, typer.Option("--faults", metavar="A,B", help="Only these; `none` for none.")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print every step.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a clearing house under faults, and hold its books against a model.

    The consumer, the writer and the core are real; clock, broker, log and machines are simulated.
    One seed makes one history. A failing seed ends the run, and prints the line that runs it again.
    Faults: duplicates, poison, curse, reorder, delay, stale-end, lost-fetch, offsets-reset,
    recreate, crash, lost-answer, disconnect, serialization, disk-full, rivals, zombie, stop, clock.

    Example: clearing simulate 1 --seeds 100
    """
    from consumers.simulation.plan import FAULTS  # noqa: PLC0415 - not loaded with every command
    from consumers.simulation.run import STEPS  # noqa: PLC0415
    from consumers.simulation.run import simulate as run  # noqa: PLC0415

    allowed = _allowed(faults, FAULTS)
    totals: dict[str, Any] = {"seeds": 0, "steps": 0, "messages": 0, "seconds": 0}
    began = shown = time.monotonic()
    for number in _numbers(seed, seeds, seconds, began):
        with _silence():
            verdict = run(number, steps=steps or STEPS, faults=allowed, tell=say if trace else None)
        totals["seeds"] += 1
        totals["steps"] += verdict.steps
        totals["messages"] += verdict.messages
        totals["seconds"] += verdict.seconds
        if verdict.found is not None or seeds is seconds is None:
            _tell(verdict, _again(number, steps, faults), as_json=as_json)
        if verdict.found is not None:
            raise typer.Exit(1)
        if not quiet and time.monotonic() - shown > _PROGRESS_SECONDS:
            shown = time.monotonic()
            notes.print(f"{totals['seeds']} seeds, up to {number}: all well")
    if not (seeds is seconds is None):
        _tell_totals(totals, seed, time.monotonic() - began, as_json=as_json)


@contextmanager
def _silence() -> Iterator[None]:
    """No logs: members stop and start all the time here."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _allowed(given: str | None, known: Iterable[str]) -> tuple[str, ...]:
    """The faults that were asked for.

    Raises:
        ConfigurationError: One of them is none.
    """
    if given is None:
        return tuple(known)
    names = () if given == "none" else tuple(given.split(","))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigurationError(
            f"--faults names {', '.join(unknown)}; there are {', '.join(known)}, or none"
        )
    return names


def _numbers(seed: int, seeds: int | None, seconds: float | None, began: float) -> Iterator[int]:
    """The seeds one after the other: so many, or until the time is up; one without either."""
    if seeds is None and seconds is None:
        seeds = 1
    for number in itertools.count(seed) if seeds is None else range(seed, seed + seeds):
        if seconds is not None and time.monotonic() - began > seconds:
            return
        yield number


def _again(seed: int, steps: int | None, faults: str | None) -> str:
    """The line that runs a seed again."""
    line = f"clearing simulate {seed}"
    line += "" if steps is None else f" --steps {steps}"
    return line + ("" if faults is None else f" --faults {faults}")


def _tell(verdict: Any, again: str, *, as_json: bool) -> None:  # noqa: ANN401 - a Verdict, see above
    if as_json:
        say_json(verdict._asdict() | {"again": again})
        return
    say(
        f"seed {verdict.seed}: {verdict.messages} messages in {verdict.seconds:.0f} s of simulated"
        f" time, {verdict.accepted} accepted, {verdict.refused} refused, {verdict.duplicates}"
        f" duplicates; {verdict.steps} steps, drained in {verdict.drain_steps}"
    )
    lives = ", ".join(f"{name} {count}" for name, count in verdict.lives.items())
    say(f"lives of members: {lives}")
    say(f"trace {verdict.trace_hash}")
    if verdict.found is not None:
        say(f"seed {verdict.seed} {verdict.found}")
        say(f"run it again: {again}")


def _tell_totals(totals: dict[str, Any], seed: int, took: float, *, as_json: bool) -> None:
    if as_json:
        say_json(totals | {"first": seed, "took": round(took, 1)})
        return
    say(
        f"{totals['seeds']} seeds from {seed} on, all well: {totals['messages']} messages,"
        f" {totals['steps']} steps, {totals['seconds'] / 3600:.1f} hours of simulated time,"
        f" in {took:.0f} s"
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)
