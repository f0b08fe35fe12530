"""The specification: what FastAPI knows of the routes, and the database of its columns."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ledger.store.web.connections import Readers
from ledger.store.web.pools import Described, described
from ledger.store.web.sums import Sum
from ledger.web.api.catalogue import LISTINGS
from ledger.web.api.formats import MEDIA_TYPES
from ledger.web.problems import MEDIA_TYPE, PREFIX, TYPES

Schema = dict[str, Any]

_ABOUT = """
What happened and how things stand, as the reporting views say it, read-only.

* **Figures are strings**, exact, in natural units. Moments are RFC 3339, in UTC.
* **As of**: `at` takes the sequence of an event or a moment of pool time.
* **Pages**: follow `next` (also in the header `Link`) until it is null. A page may be shorter than
  `limit`, even empty, while there is a next one: it ends when its time is up.
* **Formats**: JSON, CSV and Arrow, by `Accept` or `format`.
* **Errors** are problem details (RFC 9457) with a stable `type`; each answer has `X-Request-ID`.
"""
_TYPES: Mapping[str, Schema] = {
    "numeric": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    "bigint": {"type": "integer"},
    "integer": {"type": "integer"},
    "text": {"type": "string"},
    "boolean": {"type": "boolean"},
    "interval": {"type": "string", "pattern": r"^-?PT[0-9]+(\.[0-9]{1,6})?S$"},
    "timestamp with time zone": {"type": "string", "format": "date-time"},
    "text[]": {"type": "array", "items": {"type": "string"}},
}
_PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "enum": [f"{PREFIX}{name}" for name in TYPES]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["parameter", "says"],
                "properties": {"parameter": {"type": "string"}, "says": {"type": "string"}},
            },
        },
    },
}
_AROUND = ("pool", "listing", "sequence")
_STATUSES: Mapping[str, str] = {
    "401": "No token, or one that opens nothing.",
    "403": "The token does not open this, or another site asks.",
    "404": "No such pool, id or address.",
    "406": "None of the formats asked for is there.",
    "410": "It went with partitions that were detached.",
    "422": "A parameter is wrong.",
    "429": "Too many requests, or streams.",
    "503": "The books cannot be read now.",
}


def specification(app: FastAPI, readers: Readers) -> Schema:
    """The whole specification.

    Raises:
        StoreUnavailable: The database, which has the words, does not answer.
    """
    with readers.lent() as connection:
        views = described(connection)
    made = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    made["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    made.setdefault("components", {})
    made["components"]["schemas"] = {"Problem": _PROBLEM}
    made["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "From `clearing token`."}
    }
    made["security"] = [{"token": []}, {}]
    _add_pools(made, views)
    for name, listing in LISTINGS.items():
        sentence, columns = views[listing.source.view]
        made["components"]["schemas"][name] = _row(sentence, columns)
        operation = made["paths"][f"/api/v1/pools/{{pool}}/{name}"]["get"]
        operation["description"] = f"{sentence} {listing.remark}".strip()
        is_of_clock = isinstance(listing.source, Sum) and listing.source.is_of_clock
        around = (*_AROUND, "as_of", "run") if is_of_clock else _AROUND
        operation["responses"] = {"200": _page(name, around)}
    for path in made["paths"].values():
        for operation in path.values():
            _add_problems(operation)
    return made


def _add_pools(made: Schema, views: Mapping[str, tuple[str, list[Described]]]) -> None:
    sentence, columns = views["pools"]
    made["components"]["schemas"]["pools"] = _row(sentence, columns)
    operation = made["paths"]["/api/v1/pools"]["get"]
    operation["description"] = sentence
    operation["responses"] = {"200": _page("pools", around=())}


def _row(sentence: str, columns: list[Described]) -> Schema:
    return {
        "type": "object",
        "description": sentence,
        "required": [column.name for column in columns],
        "additionalProperties": False,
        "properties": {column.name: _column(column) for column in columns},
    }


def _column(column: Described) -> Schema:
    """Any column may be null: a view does not say which are not."""
    schema = dict(_TYPES.get(column.type, {}))
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return {**schema, "description": column.meaning}


def _page(name: str, around: tuple[str, ...] = _AROUND) -> Schema:
    properties: Schema = {
        "pool": {"type": "string"},
        "listing": {"type": "string", "const": name},
        "sequence": {
            "type": "integer",
            "description": "The event as of which this is; with `as_of`, the newest one then.",
        },
        "as_of": {"type": "string", "format": "date-time", "description": "When it was so."},
        "run": {"type": ["integer", "null"], "description": "The last reconciliation then."},
    }
    page = {
        "type": "object",
        "required": [*around, "rows", "next"],
        "properties": {
            **{each: properties[each] for each in around},
            "rows": {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}},
            "next": {
                "type": ["string", "null"],
                "description": "Address of the next page; null after the last.",
            },
        },
    }
    return {
        "description": "A page.",
        "content": {
            MEDIA_TYPES["json"]: {"schema": page},
            MEDIA_TYPES["csv"]: {"schema": {"type": "string"}},
            MEDIA_TYPES["arrow"]: {"schema": {"type": "string", "format": "binary"}},
        },
    }


def _add_problems(operation: Schema) -> None:
    """The problems that any request may meet; what FastAPI says of bad parameters is not ours."""
    for status, description in _STATUSES.items():
        operation["responses"][status] = {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
