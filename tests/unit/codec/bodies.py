"""Holds a record that the core made against the model of its kind."""

import re

from pydantic import BaseModel, ValidationError

from ledger.codec.bodies.kinds import BODIES
from ledger.codec.records import encode_body
from ledger.core.outcome import Record

MODELS = {body.kind: body for body in BODIES}


def check_record(record: Record) -> None:
    """Fail unless kind, subject and body are as the reference says, fields in their order."""
    model = MODELS.get(record.kind)
    assert model is not None, f"no model for records of kind {record.kind}"
    assert re.fullmatch(model.subject, record.subject), f"{record.kind} on {record.subject!r}"
    try:
        held = model.model_validate_json(encode_body(record.body))
    except ValidationError as fault:
        message = f"{record.kind} {record.subject}: {fault}"
        raise AssertionError(message) from fault
    _same_order(record.body, held)


def _same_order(found: object, held: object) -> None:
    if isinstance(held, BaseModel):
        assert isinstance(found, dict)
        assert list(found) == list(type(held).model_fields), f"fields of {type(held).__name__}"
        for name, part in found.items():
            _same_order(part, getattr(held, name))
    elif isinstance(held, tuple) and isinstance(found, list | tuple):
        for part, holding in zip(found, held, strict=False):
            _same_order(part, holding)
