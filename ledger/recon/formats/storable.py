"""Texts of outside files as a database can keep them: what it cannot reads as U+FFFD.

PostgreSQL keeps no NUL, and UTF-8 has no half of a surrogate pair; files of banks and JSON have
both. A run that finds one in a reference must be kept all the same, with the place to be seen.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

from ledger.recon.lines import Holding, Movement, Statement, Trade

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CANNOT_BE_KEPT = re.compile("[\x00\ud800-\udfff]")

Line = TypeVar("Line", Trade, Holding, Movement)


def storable(lines: Iterator[Trade | Holding | Statement]) -> Iterator[Trade | Holding | Statement]:
    """Each line, with texts that can be kept."""
    search = _CANNOT_BE_KEPT.search
    for line in lines:
        if isinstance(line, Trade):
            texts = f"{line[1]}{line[3]}{line[6]}{line[7]}"
            yield line if search(texts) is None else _replaced(line)
        elif isinstance(line, Holding):
            yield _replaced(line)
        else:
            yield line._replace(
                number=_kept(line.number),
                account=_kept(line.account),
                commodity=_kept(line.commodity),
                movements=[_replaced(each) for each in line.movements],
            )


def _replaced(line: Line) -> Line:
    if all(_CANNOT_BE_KEPT.search(each) is None for each in line if isinstance(each, str)):
        return line
    told: dict[str, Any] = {
        name: _kept(each) for name, each in line._asdict().items() if isinstance(each, str)
    }
    return line._replace(**told)


def _kept(text: str) -> str:
    return _CANNOT_BE_KEPT.sub(REPLACEMENT, text)
