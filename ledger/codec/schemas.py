"""JSON Schemas of every wire message and every record, generated from the models.

They are committed under docs/reference/schemas; `clearing schemas --check` holds them to the code.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from ledger.codec import wire
from ledger.codec.records import BODIES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """Text of each schema by its file name, `events/trade.json` or `records/mark.json`."""
    found: dict[str, str] = {}
    for models in wire.MODELS.values():
        for model in models:
            found[f"events/{wire.kind_of(model)}.json"] = _schema(model)
    for body in BODIES:
        found[f"records/{body.kind}.json"] = _schema(body)
    return found


def differences(folder: Path) -> list[str]:
    """Files of the folder that are missing, differ from the code, or have no model any more."""
    wanted = schemas()
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    differ = [
        name
        for name, text in wanted.items()
        if name not in there or (folder / name).read_text() != text
    ]
    return sorted([*differ, *there - set(wanted)])


def write(folder: Path) -> int:
    """Write all schemas below the folder; returns how many."""
    for name, text in schemas().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return len(schemas())


def _schema(model: type[BaseModel]) -> str:
    schema = {"$schema": DIALECT, **model.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
