"""Structured logs: each line an event with named values, for people or for programs.

How it works. What `logger` makes hands its events to the standard library, the values as extra
fields of the record. So libraries' own records and ours come the same way, tests see them as any
other record, and nothing depends on whether somebody shows them. `shown` renders them all.

Passwords in addresses are blotted out of every value, whoever logged it.

Left out: log files and their rotation; whoever starts the program keeps its standard error.
"""

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, cast

import structlog

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("console", "json")

_PASSWORD = re.compile(
    r"(?P<before>://[^\s:/@]*:)\S+(?=@)|(?P<name>\b(?:ssl)?password\s*=\s*)[^\s&]+", re.IGNORECASE
)
_QUIETER = ("kafka", "alembic")
"""Libraries whose every step is not worth a line: warnings only, unless the level is `debug`."""
_LOOSE_TONGUED = ("kafka",)
"""Kafka's client writes down at `debug` what it sends, passwords of SASL PLAIN too: never below
`info`, whatever the level."""

Logger = structlog.stdlib.BoundLogger


def logger(name: str) -> Logger:
    """A logger of events: `logger(__name__).info("batch", pool="main", sequence=7)`."""
    return cast(
        "Logger",
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
            wrapper_class=Logger,
            cache_logger_on_first_use=True,
        ),
    )


def without_passwords(text: str) -> str:
    """The text, with passwords of addresses and connection strings blotted out."""
    return _PASSWORD.sub(lambda found: f"{found['before'] or found['name']}***", text)


@contextmanager
def shown(level: str, as_format: str | None = None) -> Iterator[None]:
    """Show all logs of this level and above on standard error while the block runs.

    Args:
        level: One of `LEVELS`.
        as_format: `json`, one object a line; `console`, for people; None: the latter on a terminal.
    """
    stream = sys.stderr
    as_json = not stream.isatty() if as_format is None else as_format == "json"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(as_json=as_json, colors=stream.isatty()))
    root = logging.getLogger()
    before, level_before = root.handlers, root.level
    quietest = {"debug": logging.INFO}.get(level, logging.WARNING)
    quieter = {
        name: logging.getLogger(name) for name in (_LOOSE_TONGUED if level == "debug" else _QUIETER)
    }
    levels_before = {name: quiet.level for name, quiet in quieter.items()}
    root.handlers = [handler]
    root.setLevel(level.upper())
    for quiet in quieter.values():
        quiet.setLevel(max(quietest, root.level))
    try:
        yield
    finally:
        root.handlers = before
        root.setLevel(level_before)
        for name, quiet in quieter.items():
            quiet.setLevel(levels_before[name])


def _formatter(*, as_json: bool, colors: bool) -> logging.Formatter:
    renderer: Any = (
        structlog.processors.JSONRenderer(default=str)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,  # plain: prettier ones show variables
            _blot_out,
            renderer,
        ],
    )


def _blot_out(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:  # noqa: ANN401 - as structlog types it
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_passwords(value)
    return event
