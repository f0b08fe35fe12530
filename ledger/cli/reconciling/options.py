"""What the commands of `clearing reconcile` share: who, ages, and how a break is shown."""

import getpass
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import typer

from ledger.cli.options import columns
from ledger.errors import ConfigurationError
from ledger.recon.casework.adjusting import require_name
from ledger.store.back_office.breaks import BreakRow

By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who does it. Default: the name of your login."),
]
Key = Annotated[
    str, typer.Argument(metavar="KEY", help="Of the break; its beginning, where that is enough.")
]
Seen = Annotated[
    int | None,
    typer.Option(
        "--seen",
        min=1,
        metavar="N",
        help="Do it only if N is still the last of its life, as `show` printed it.",
    ),
]
At = Annotated[
    int | None,
    typer.Option("--at", min=1, metavar="SEQ", help="After this event. Default: after the last."),
]
Pool = Annotated[str | None, typer.Option("--pool", help="Of this pool only.")]

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def who(given: str | None) -> str:
    """The person that a command acts for.

    Raises:
        ConfigurationError: The name is none that the books could carry, or the login has none.
    """
    if given is None:
        try:
            given = getpass.getuser()
        except (KeyError, OSError) as fault:
            raise ConfigurationError("your login has no name: say who you are, --by") from fault
    return require_name(given)


def duration(text: str) -> timedelta:
    """`90m`, `36h`, `2d`, `1w`.

    Raises:
        ConfigurationError: It is none of these.
    """
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if found is None:
        raise ConfigurationError(f"--older {text}: expected a time like 90m, 36h, 2d or 1w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def age(span: timedelta) -> str:
    """An age as people say it: the largest unit that it has, and the next."""
    minutes = int(span.total_seconds()) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m"


def amount(figure: Decimal | None) -> str:
    """An amount without exponent; nothing where a side is missing."""
    return "" if figure is None else f"{figure:f}"


def figures(amounts: Sequence[Decimal | None]) -> list[str]:
    """Amounts of a column, to the right of it."""
    written = [amount(figure) for figure in amounts]
    width = max(map(len, written), default=0)
    return [text.rjust(width) for text in written]


def moment(at: datetime | None) -> str:
    """A moment in UTC, to the second."""
    if at is None:
        return ""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def table(breaks: Sequence[BreakRow]) -> Iterator[str]:
    """Breaks as aligned lines, figures to the right."""
    rows = [
        {
            "key": one.break_key,
            "severity": one.severity,
            "state": one.state,
            "age": age(one.age),
            "source": one.source,
            "type": one.type,
            "subject": one.subject,
            "account": one.account,
            "commodity": one.commodity,
            "ours": ours,
            "theirs": theirs,
            "difference": difference,
            "assignee": one.assignee,
        }
        for one, ours, theirs, difference in zip(
            breaks,
            figures([one.ours for one in breaks]),
            figures([one.theirs for one in breaks]),
            figures([one.difference for one in breaks]),
            strict=True,
        )
    ]
    yield from columns(rows)


def as_json(one: BreakRow) -> dict[str, object]:
    """A break for programs: amounts are exact decimal strings, the age is in seconds."""
    plain = {
        name: amount(value) if isinstance(value, Decimal) else value
        for name, value in one._asdict().items()
    }
    plain |= {
        name: None if value is None else value.isoformat().replace("+00:00", "Z")
        for name, value in plain.items()
        if isinstance(value, datetime) or value is None
    }
    return plain | {"age": int(one.age.total_seconds())}
