"""Reads the worked examples of docs/spec and turns their steps into wire messages."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
POSTING = re.compile(r"(\S+) (\S+) (\S+) ([+-]\S+) \((\S+)\)")
WHOLE = {"scale", "price_scale", "quantity_scale", "price_max_age", "price_confirmations"}
STEP_WORDS = {"id", "at", "posts", "refused"}

Fields = dict[str, Any]
"""Some fields of a record's body, as they were written."""


class After(NamedTuple):
    """What a page says of the books after a step, or after the last one of an example.

    Attributes:
        balances: By `owner kind thing`.
        marks: By instrument.
        margins: Figures by `account`, or `account/instrument` of an isolated position.
        liquidation_prices: By `account instrument`; "null": there is none.
        calls: Margin accounts with an open call, all of them; None: nothing said.
    """

    balances: dict[str, str]
    marks: dict[str, str]
    margins: dict[str, dict[str, str]]
    liquidation_prices: dict[str, str]
    calls: list[str] | None


class Step(NamedTuple):
    """One event of an example, and what the page says of it.

    Attributes:
        message: As it goes over the wire.
        posts: Expected postings `(owner, kind, thing, amount, balance)`; None: nothing said.
        refused: Expected code of refusal; None: it must be accepted.
        records: All records of the step but marks, each `kind subject` with some of its fields;
            None: nothing said.
        after: What holds then.
    """

    message: bytes
    posts: list[tuple[str, ...]] | None
    refused: str | None
    records: list[tuple[str, Fields]] | None
    after: After


class Example(NamedTuple):
    """An example with the steps that lead up to it, and what holds after the last one.

    Attributes:
        lines: Records that were made, as `kind subject field value`.
        records: Records that were made in this order, others between them.
    """

    name: str
    steps: list[Step]
    after: After
    lines: list[str]
    records: list[tuple[str, Fields]]


@cache
def blocks() -> dict[str, dict[str, Any]]:
    """All YAML blocks of the pages by their name; scalars are strings, as they were written."""
    found: dict[str, dict[str, Any]] = {}
    for page in sorted(SPEC.glob("*.md")):
        for text in BLOCK.findall(page.read_text(encoding="utf-8")):
            block = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes strings only
            kind = next(iter(block))
            name = block[kind] if kind in ("example", "setup") else kind
            assert name not in found, f"{page.name}: {name} stands twice"
            found[name] = block
    return found


def names() -> list[str]:
    """The examples, in the order of the pages."""
    return [name for name, block in blocks().items() if "example" in block]


def example(name: str) -> Example:
    """An example by name."""
    block = blocks()[name]
    steps = _steps(name)
    records = block.get("records", [])
    return Example(
        name,
        [_step(step, number) for number, step in enumerate(steps, start=1)],
        _after(block),
        [entry for entry in records if isinstance(entry, str)],
        [record(entry) for entry in records if not isinstance(entry, str)],
    )


def posting(text: str) -> tuple[str, ...]:
    """A line of `posts`."""
    found = POSTING.fullmatch(text)
    assert found, f"not a posting: {text}"
    return found.groups()


def record(entry: str | dict[str, Fields | str]) -> tuple[str, Fields]:
    """A line of `records`: `kind subject`, or that with some fields of the body."""
    if isinstance(entry, str):
        return entry, {}
    ((name, fields),) = entry.items()
    return name, fields if isinstance(fields, dict) else {}


def _after(block: dict[str, Any]) -> After:
    return After(
        block.get("balances", {}),
        block.get("marks", {}),
        block.get("margins", {}),
        block.get("liquidation_prices", {}),
        block.get("calls"),
    )


def _steps(name: str) -> list[dict[str, Any]]:
    block = blocks()[name]
    before = block.get("after") or block.get("given")
    return [*([] if before is None else _steps(before)), *block["steps"]]


def _step(step: dict[str, Any], number: int) -> Step:
    (kind,) = step.keys() - STEP_WORDS - set(After._fields) - {"records"}
    fields = {field: _value(field, value) for field, value in step[kind].items()}
    if kind == "trade":
        fields = {"buyer_fee": "0", "seller_fee": "0", **fields}
    if kind == "adjustment":
        by = {"reason": "correction", "made_by": "maria", "checked_by": "noor"}
        fields = {**by, **fields, "lines": [_line(line) for line in fields["lines"]]}
    time = int(step.get("at", number))
    seconds = f"{time // 60:02}:{time % 60:02}"
    common = {
        "kind": kind,
        "event_id": step.get("id", f"step-{number}"),
        "occurred_at": f"2026-01-01T00:{seconds}Z",
    }
    posts, records = step.get("posts"), step.get("records")
    return Step(
        json.dumps({**common, **fields}).encode(),
        None if posts is None else [posting(line) for line in posts],
        step.get("refused"),
        None if records is None else [record(entry) for entry in records],
        _after(step),
    )


def _value(field: str, value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, list):
        return [_value(field, part) for part in value]
    if isinstance(value, dict):
        return {name: _value(name, part) for name, part in value.items()}
    if value == "null":
        return None
    return int(value) if field in WHOLE else value


def _line(text: str) -> dict[str, str | None]:
    owner, kind, thing, amount = text.split()
    instrument = asset = None
    if kind == "position":
        instrument = thing
    elif kind in ("variation", "isolated"):
        instrument, asset = thing, "USD"
    else:
        asset = thing
    return {
        "owner": owner,
        "kind": kind,
        "instrument": instrument,
        "asset": asset,
        "amount": amount.lstrip("+"),
    }
