"""Corrections of a break: the adjustment that would mend it, as a wire event for `clearing ingest`.

How it works: whoever proposes names the lines, or takes those that make our side theirs, against a
house account. The draft is kept with the break, without a checker. Approving adds who checked it,
and nothing else; so the same line comes out however often it is asked for. Nothing is booked here:
the line goes the way of every event, and the rules decide it as any other.

Amounts keep every digit: whoever signs them, signs what the break says.

What was left out: a trade that is missing is not adjusted, it is ingested; contracts move with
their cost, which nobody but a person can name, so their lines have to be written.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from ledger.codec.decoding import Undecodable, decode
from ledger.codec.fields import ID_PATTERN
from ledger.core.accounts import HOUSE
from ledger.errors import ConfigurationError
from ledger.recon.movements.arithmetic import exact_sum

CONTRA = f"{HOUSE} suspense"
"""Where the other side of a correction goes, unless it is told."""

_HOUSE_KINDS = ("custody", "fees", "insurance", "rounding", "suspense", "deficit")
_WITH_BOTH = ("isolated", "variation")
_OF_OUR_BOOKS = ("missing_here", "wrong_account")
_OF_BOTH = ("missing_there", "amount")
_CHECKER = "checker"
"""Stands for the checker while a draft is tried, for there is none yet."""


class Line(NamedTuple):
    """One posting by hand; amount in natural units, signed as the account is."""

    owner: str
    kind: str
    instrument: str | None
    asset: str | None
    amount: Decimal

    def __str__(self) -> str:
        """As it is written on the command line."""
        named = "/".join(one for one in (self.instrument, self.asset) if one is not None)
        return f"{self.owner} {self.kind} {named} {self.amount:+f}"


class Broken(NamedTuple):
    """What of a break its correction needs; the fields are those of `Break`."""

    key: str
    type: str
    pool: str
    subject: str
    account: str
    commodity: str
    ours: Decimal | None
    theirs: Decimal | None
    our_references: Sequence[str]
    at: datetime | None


def line_of(text: str) -> Line:
    """A line as people write it: `anna wallet USD -5`, `anna variation LIN/USD 500`.

    Raises:
        ConfigurationError: It has another form.
    """
    words = text.split()
    try:
        owner, kind, commodity, figure = words
        amount = Decimal(figure)
    except (ValueError, InvalidOperation) as fault:
        raise ConfigurationError(
            f"--line {text!r}: expected OWNER KIND ASSET AMOUNT, such as 'anna wallet USD -5';"
            " 'anna position LIN 3' for contracts, 'anna variation LIN/USD 500' for their cost"
        ) from fault
    first, slash, second = commodity.partition("/")
    if bool(slash) != (kind in _WITH_BOTH):
        raise ConfigurationError(
            f"--line {text!r}: {kind} is named by"
            f" {'INSTRUMENT/ASSET' if kind in _WITH_BOTH else 'one commodity'}"
        )
    if slash:
        return Line(owner, kind, first, second, amount)
    if kind == "position":
        return Line(owner, kind, first, None, amount)
    return Line(owner, kind, None, first, amount)


def suggested(broken: Broken, contra: str = CONTRA) -> tuple[Line, Line]:
    """The two lines that make our side theirs, against a house account.

    Args:
        broken: Of an amount in an asset, on the account of a participant or of the house.
        contra: Owner and kind of the other line.

    Raises:
        ConfigurationError: The break is none of our books, lies on no account, or nothing differs.
    """
    if not _is_of_our_books(broken):
        raise ConfigurationError(
            f"break {broken.key}, {broken.type} of {broken.subject}, does not say that our books"
            " are wrong: explain it, or write the lines of its correction, --line"
        )
    if not broken.account or not broken.commodity:
        raise ConfigurationError(
            f"break {broken.key} lies on no account: write the lines of its correction, --line"
        )
    owner, _, kind = contra.partition(" ")
    missing = exact_sum([broken.theirs or Decimal(0), (broken.ours or Decimal(0)).copy_negate()])
    if not missing:
        raise ConfigurationError(
            f"break {broken.key}: both sides say the same amount, so there is nothing to adjust;"
            " explain it, or write the lines, --line"
        )
    held = _held(broken)
    amount = missing.copy_negate() if held[1] == "custody" else missing
    return (
        Line(*held, None, broken.commodity, amount),
        Line(owner, kind, None, broken.commodity, amount.copy_negate()),
    )


def _is_of_our_books(broken: Broken) -> bool:
    """Whether both sides of it are of one thing, so that ours may be made theirs.

    A statement that does not hold against itself, one line too many, or a balance that other breaks
    explain a part of, says nothing of the kind.
    """
    if broken.type in _OF_OUR_BOOKS:
        return True
    is_holding = broken.subject.startswith(f"{broken.account}/{broken.commodity}")
    return broken.type in _OF_BOTH and (bool(broken.our_references) or is_holding)


def _held(broken: Broken) -> tuple[str, str]:
    """Owner and kind of the account that a break lies on; what custody holds is a debit."""
    if not broken.account.startswith("@"):
        return broken.account, "wallet"
    kind = broken.account.removeprefix("@")
    if kind not in _HOUSE_KINDS:
        raise ConfigurationError(
            f"break {broken.key} lies on {broken.account}: write the lines of its correction,"
            " --line"
        )
    return HOUSE, kind


def drafted(
    broken: Broken, lines: Sequence[Line], number: int, made_by: str, reason: str, at: datetime
) -> tuple[str, str]:
    """The event id of an adjustment, and the adjustment without its checker, as JSON.

    Args:
        broken: Whose key the event id carries.
        lines: Two or more; they sum to zero in each commodity.
        number: Of the event of the break's life that proposes it; makes the id another each time.
        made_by: Who proposes it.
        reason: Why, on one line; it stands in the books for good.
        at: When it is to have occurred.

    Raises:
        ConfigurationError: The lines do not balance, or the ledger could not read them.
    """
    _require_balanced(lines)
    event_id = f"adj-{broken.key}-{number}"
    content = {
        "kind": "adjustment",
        "event_id": event_id,
        "pool": broken.pool,
        "occurred_at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "lines": [line._asdict() | {"amount": f"{line.amount:f}"} for line in lines],
        "reason": reason,
        "made_by": made_by,
    }
    draft = json.dumps(content)
    found = decode(message(draft, _CHECKER).encode())
    if isinstance(found, Undecodable):
        raise ConfigurationError(f"the ledger could not read that: {found.rejection.detail}")
    return event_id, draft


def lines_of(draft: str) -> list[Line]:
    """The lines of an adjustment that was drafted."""
    return [
        Line(**(line | {"amount": Decimal(line["amount"])})) for line in json.loads(draft)["lines"]
    ]


def message(draft: str, checked_by: str) -> str:
    """The wire event, one line of JSON, once somebody has checked it."""
    return json.dumps(json.loads(draft) | {"checked_by": checked_by})


def hash_of(draft: str, checked_by: str) -> bytes | None:
    """SHA-256 of what the books have if they have just this; None: it is none that they could."""
    found = decode(message(draft, checked_by).encode())
    return None if isinstance(found, Undecodable) else found.content_hash


def require_name(name: str, option: str = "--by") -> str:
    """A person's name as an event may carry it.

    Raises:
        ConfigurationError: It is no id.
    """
    if re.fullmatch(ID_PATTERN, name) is None:
        raise ConfigurationError(f"{option} {name!r}: expected 1 to 64 of [A-Za-z0-9._:-]")
    return name


def _require_balanced(lines: Sequence[Line]) -> None:
    sums: dict[str, Decimal] = {}
    for line in lines:
        commodity = line.asset if line.asset is not None else f"contracts of {line.instrument}"
        sums[commodity] = exact_sum([sums.get(commodity, Decimal(0)), line.amount])
    for commodity, total in sums.items():
        if total:
            raise ConfigurationError(
                f"the lines in {commodity} sum to {total:f}, expected 0:"
                f" {'; '.join(map(str, lines))}"
            )
