"""An explanation as plain text: sections, short sentences, one aligned line a figure."""

from collections.abc import Iterator, Sequence

from ledger.audit.explanation.explain import Explanation
from ledger.audit.explanation.sentences import sentence
from ledger.audit.explanation.worksheet import Heading, Note, Step, Table, shown, substituted

NAME_WIDTH_MAX = 60
FIGURES_WIDTH_MAX = 72
SHOWN_MAX = 200
"""Lines of one section, and rows of one table."""


def lines(explanation: Explanation) -> Iterator[str]:
    """The text, line by line."""
    event = explanation.event
    yield f"{explanation.id}: {explanation.kind.replace('_', ' ')} in pool {explanation.pool}"
    yield (
        f"Caused by event {event['sequence']}: {event['kind']} {event['event_id']}, "
        f"occurred {event['occurred_at']}, rules {event['rules']}."
    )
    yield from ("", sentence(explanation))
    pool = explanation.sheet.at("terms/pool")
    money = (pool["settlement_asset"], pool["scale"])
    section: list[Step] = []
    carried: list[Step] = []
    for part in explanation.sheet.parts:
        if isinstance(part, Step):
            (carried if part.is_carried and part.agrees else section).append(part)
            continue
        yield from _steps(section, money)
        section = []
        if isinstance(part, Heading):
            yield from _carried(carried)
            carried = []
            yield from ("", part.text, "-" * len(part.text))
        elif isinstance(part, Note):
            yield f"  {part.text}"
        elif isinstance(part, Table):
            yield from (f"  {line}" for line in _table(part))
    yield from _steps(section, money)
    yield from _carried(carried)
    yield ""
    yield _verdict(explanation.sheet.steps)


def _steps(steps: Sequence[Step], money: tuple[str, int]) -> Iterator[str]:
    """Steps in columns: name, figures, result, verdict; money with all of its decimals.

    Of very many, the first are shown and all that disagree.
    """
    chosen = [step for place, step in enumerate(steps) if place < SHOWN_MAX or not step.agrees]
    cells = [(step.name, _figures(step), _result(step, money), _agreement(step)) for step in chosen]
    names = min(max((len(cell[0]) for cell in cells), default=0), NAME_WIDTH_MAX)
    figures = min(max((len(cell[1]) for cell in cells), default=0), FIGURES_WIDTH_MAX)
    results = max((len(cell[2]) for cell in cells), default=0)
    for name, figure, result, verdict in cells:
        line = f"  {name:<{names}}  {figure:<{figures}}  {result:>{results}}  {verdict}"
        yield line.rstrip()
    if len(steps) > len(chosen):
        yield f"  ... {len(steps) - len(chosen)} more, all agree; --json shows them"


def _figures(step: Step) -> str:
    return substituted(step) if step.inputs and not step.is_carried else step.formula


def _result(step: Step, money: tuple[str, int]) -> str:
    if isinstance(step.result, bool) and step.place.startswith("="):
        return ""
    scale = money[1] if step.unit == money[0] else None
    return f"{shown(step.result, scale)} {step.unit}".rstrip()


def _agreement(step: Step) -> str:
    if step.agrees:
        return "= agrees" if not step.place.startswith("=") or step.recorded is not None else ""
    if step.place.startswith("="):
        return "DOES NOT HOLD"
    return f"DISAGREES: the record says {shown(step.recorded)}"


def _carried(steps: Sequence[Step]) -> Iterator[str]:
    if steps:
        yield f"  {len(steps)} more figures are as in the books they were taken from  = agrees"


def _table(table: Table) -> Iterator[str]:
    names = list(table.rows[0])
    cells = [[str(row[name]) for name in names] for row in table.rows[:SHOWN_MAX]]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [all(_is_figure(row[place]) for row in cells) for place in range(len(names))]
    for row in [names, *cells]:
        yield "  ".join(
            cell.rjust(width) if is_figure else cell.ljust(width)
            for cell, width, is_figure in zip(row, widths, right, strict=True)
        ).rstrip()
    if len(table.rows) > SHOWN_MAX:
        yield f"... {len(table.rows) - SHOWN_MAX} more rows; --json shows them"


def _is_figure(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(".", "", 1).isdigit()


def _verdict(steps: Sequence[Step]) -> str:
    failed = [step for step in steps if not step.agrees]
    if not failed:
        return f"All {len(steps)} figures agree."
    first = failed[0]
    count = f"{len(failed)} of {len(steps)} figures DO NOT AGREE"
    return f"{count}, the first: {first.name} ({first.place})."
