"""Sources that are topics, for `clearing reconcile run`: which, and what of them."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from consumers.settings import RunSettings
from consumers.topic_lines import Span, fetch
from ledger.cli.options import notes
from ledger.errors import ConfigurationError
from ledger.recon.fetched import Fetched
from ledger.recon.rules import Rules
from ledger.recon.run import Tell

EVENTS = "events"
"""The format whose messages have their pool as key."""

FORMATS = (EVENTS, "trades-jsonl", "holdings-jsonl", "statements-jsonl")
"""Formats of one JSON object a message."""

Topics = Annotated[
    list[str] | None,
    typer.Option(
        "--topic",
        metavar="SOURCE=TOPIC",
        help="A topic of a source, up to where it ends now; TOPIC@0:100-250,1:0-90 for these"
        " offsets of its partitions, the ends excluded. May be repeated.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--topic-since", metavar="TIME", help="Topics from the first message of this time on."
    ),
]

_SPAN = re.compile(r"([0-9]{1,9}):([0-9]{1,18})-([0-9]{1,18})")


class Asked(NamedTuple):
    """A topic of a source: these offsets of it, or all from a moment on, or all that it has."""

    source: str
    topic: str
    spans: Mapping[int, Span] | None
    since: datetime | None


def asked(given: Sequence[str], since: str | None, rules: Rules) -> list[Asked]:
    """What `--topic` and `--topic-since` ask for.

    Raises:
        ConfigurationError: It does not read, or the rules have no such source, or one of another
            format.
    """
    moment = _moment(since)
    found = [_asked(text, moment, rules) for text in given]
    names = [(each.source, each.topic) for each in found]
    for text, name in zip(given, names, strict=True):
        if names.count(name) > 1:
            raise ConfigurationError(f"--topic {text}: named twice")
    return found


@contextmanager
def fetched(
    topics: Sequence[Asked], rules: Rules, settings: RunSettings | None, tell: Tell
) -> Iterator[dict[str, list[Fetched]]]:
    """What the topics hold, by source, for as long as the block runs; no broker for no topics.

    Raises:
        ConfigurationError: The broker has no such topic or offsets.
        BrokerError: It did not answer.
    """
    with tempfile.TemporaryDirectory(prefix="clearing-topics-") as folder:
        found: dict[str, list[Fetched]] = {}
        for number, each in enumerate(topics):
            assert settings is not None
            inside = Path(folder) / str(number)
            inside.mkdir()
            source = rules.sources[each.source]
            read = fetch(
                *(settings, each.topic, inside, each.spans),
                since=each.since,
                key=source.pool if source.format == EVENTS else None,
                on_message=lambda count, of=each.topic: tell(f"{of}: messages read", count),  # type: ignore[misc]
            )
            for part in read:
                notes.print(f"read {part.name}: {len(part.offsets)} messages", markup=False)
            found.setdefault(each.source, []).extend(read)
        yield found


def _asked(text: str, since: datetime | None, rules: Rules) -> Asked:
    name, sign, where = text.partition("=")
    topic, at, spans = where.partition("@")
    if not sign or not topic:
        raise ConfigurationError(
            f"--topic {text}: expected SOURCE=TOPIC, such as engine=clearing.trades"
        )
    source = rules.sources.get(name)
    if source is None:
        raise ConfigurationError(
            f"--topic {text}: the rules have no source {name}; they have"
            f" {', '.join(sorted(rules.sources))}"
        )
    if source.format not in FORMATS:
        raise ConfigurationError(
            f"--topic {text}: the source has the format {source.format}; messages of a topic are"
            f" read in {', '.join(FORMATS)}"
        )
    if at:
        return Asked(name, topic, _spans(text, spans), None)
    return Asked(name, topic, None, since)


def _spans(text: str, words: str) -> dict[int, Span]:
    found: dict[int, Span] = {}
    for part in words.split(","):
        read = _SPAN.fullmatch(part)
        if read is None or int(read[1]) in found:
            raise ConfigurationError(
                f"--topic {text}: expected offsets like 0:100-250,1:0-90 after the @, each"
                " partition once"
            )
        found[int(read[1])] = Span(int(read[2]), int(read[3]))
    return found


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ConfigurationError(
            f"--topic-since {given}: expected a time like 2026-01-31T12:00:00Z"
        )
    return found
