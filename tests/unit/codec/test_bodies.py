"""The models of record bodies take what the reference says and nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ledger.codec.bodies.figures import Body
from ledger.codec.bodies.kinds import BODIES
from ledger.codec.records import decode_record, encode_body, misshapen
from ledger.core.outcome import Record
from ledger.core.units import Fixed
from tests.unit.codec.bodies import check_record
from tests.unit.core.building import T1, apply, event, listed_books

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "records.md"

SEIZURE: dict[str, Any] = {
    "account": "anna",
    "asset": "ETH",
    "quantity": Fixed(5, 1),
    "price": Fixed(2000, 0),
    "haircut": Fixed(1, 1),
    "value": Fixed(900, 0),
    "balance_before": Fixed(-900, 0),
    "balance_after": Fixed(0, 0),
}


def parts(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """A model and the models inside it, by their names in its schema."""
    found: dict[str, type[BaseModel]] = {model.__name__: model}
    for field in model.model_fields.values():
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found.update(parts(inner))
    return found


def test_a_record_as_it_should_be_is_taken() -> None:
    check_record(Record("seizure", "L-1", SEIZURE))


def test_the_records_of_a_trade_a_price_and_a_bust_keep_to_their_models() -> None:
    state = listed_books()
    made = [
        record
        for happened in (
            event("asset_price", asset="ETH", price="2000"),
            T1,
            event("price", instrument="LIN", mark_price="101"),
        )
        for record in apply(state, happened).records
    ]
    bust = event("trade_bust", "b1", trade_event_id="t1", reason="error")
    made += apply(state, bust, T1).records
    assert made
    for record in made:
        check_record(record)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": Fixed(-1, 0)}, "must be positive"),
        ({"value": 900}, "must be a JSON string"),
        ({"account": "@house"}, "must be 1 to 64 characters"),
        ({"surplus": "1"}, "Extra inputs"),
        ({"price": None}, "must be a JSON string"),
    ],
    ids=["sign", "number", "account", "unknown field", "null"],
)
def test_a_field_as_it_should_not_be_is_found(change: dict[str, Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_record(Record("seizure", "L-1", {**SEIZURE, **change}))


def test_a_stored_record_is_held_to_its_shape() -> None:
    stored = decode_record("seizure", "L-1", encode_body(SEIZURE))
    assert misshapen(stored) is None
    assert misshapen(stored._replace(kind="surprise")) == "no record is of kind surprise"
    assert misshapen(stored._replace(subject="F-1")) == "a seizure is not about 'F-1'"
    wrong = stored._replace(body={**stored.body, "value": "-1"})
    assert misshapen(wrong) == "value: must be positive, found '-1'"


def test_a_field_that_is_missing_is_found() -> None:
    body = {name: value for name, value in SEIZURE.items() if name != "haircut"}
    with pytest.raises(AssertionError, match="haircut"):
        check_record(Record("seizure", "L-1", body))


def test_fields_out_of_their_order_are_found() -> None:
    with pytest.raises(AssertionError, match="fields of SeizureBody"):
        check_record(Record("seizure", "L-1", dict(reversed(SEIZURE.items()))))


def test_another_subject_than_the_kind_has_is_found() -> None:
    with pytest.raises(AssertionError, match="F-1"):
        check_record(Record("seizure", "F-1", SEIZURE))


def test_a_kind_without_a_model_is_found() -> None:
    with pytest.raises(AssertionError, match="no model"):
        check_record(Record("surprise", "L-1", SEIZURE))


@pytest.mark.parametrize("body", BODIES, ids=[body.kind for body in BODIES])
def test_every_field_has_its_unit_and_sign_on_the_reference_page(body: type[Body]) -> None:
    fields = set(
        re.findall(r"^\| `(\w+)`", PAGE.read_text().partition("## Kinds")[0], re.MULTILINE)
    )
    for model in parts(body).values():
        assert set(model.model_fields) <= fields, set(model.model_fields) - fields


def test_kinds_are_told_apart_by_name() -> None:
    assert len({body.kind for body in BODIES}) == len(BODIES)
