"""Values come through JSON without a loss."""

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest

from ledger.store.web.rows import Column, Rows
from ledger.web.api.formats import as_json, plain
from ledger.web.api.openapi import _TYPES


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(days=2, seconds=3), "PT172803S"),
        (timedelta(seconds=5, microseconds=120), "PT5.00012S"),
        (timedelta(0), "PT0S"),
        (timedelta(seconds=-5, microseconds=-500_000), "-PT5.5S"),
    ],
)
def test_an_interval_is_told_to_the_microsecond(value: timedelta, text: str) -> None:
    assert plain(value) == text
    assert re.fullmatch(_TYPES["interval"]["pattern"], text)


def test_a_figure_inside_an_object_is_told_as_any_other() -> None:
    body = {"sums": [{"total": Decimal("0.000000000000000001")}], "age": timedelta(seconds=1)}
    rows = Rows((Column("body", "json"),), [(body,)])
    (row,) = json.loads(as_json(rows, {}, None))["rows"]
    assert row["body"] == {"sums": [{"total": "0.000000000000000001"}], "age": "PT1S"}
