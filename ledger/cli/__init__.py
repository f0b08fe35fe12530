"""The console script `clearing`: one file a group of commands.

Exit codes: 0 good; 1 something wrong was found (a rejection, a gap, a fault); 2 called wrongly.
"""

import logging
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from ledger.cli import (
    archiving,
    books,
    demo,
    doctoring,
    explaining,
    feeding,
    kafka,
    proofs,
    proving,
    publishing,
    quarantining,
    reporting,
    schemas,
    sealing,
    serving,
    simulating,
    verifying,
)
from ledger.cli.reconciling import run as reconciling
from ledger.core import machine
from ledger.errors import ConfigurationError, LedgerError

app = typer.Typer(
    name="clearing",
    help="A clearing and settlement ledger: Kafka events in, audited double-entry books out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
for group in (
    demo,
    archiving,
    books,
    doctoring,
    explaining,
    feeding,
    kafka,
    proofs,
    proving,
    publishing,
    quarantining,
    reconciling,
    reporting,
    schemas,
    sealing,
    serving,
    simulating,
    verifying,
):
    group.register(app)


def _show_version(asked: bool) -> None:
    if asked:
        core = "interpreted" if machine.__file__.endswith(".py") else "compiled"
        typer.echo(
            f"clearing {version('clearing-ledger')}, rules version {machine.RULES_VERSION},"
            f" core {core}"
        )
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say it, and stop."),
    ] = False,
) -> None:
    """A clearing and settlement ledger: Kafka events in, audited double-entry books out."""


def main() -> None:
    """Run the command line; faults become one message and an exit code, not a traceback."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)  # tells of tasks over 0.1 s
    try:
        app()
    except ConfigurationError as fault:
        sys.stderr.write(f"clearing: {fault}\n")
        sys.exit(2)
    except LedgerError as fault:
        sys.stderr.write(f"clearing: {fault}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("clearing: interrupted; what was committed stays\n")
        sys.exit(1)
