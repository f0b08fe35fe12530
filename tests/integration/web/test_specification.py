"""The specification describes every column, and generated requests find no answer beside it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

import httpx
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ledger.web.api.catalogue import LISTINGS
from tests.integration.web.servers import patient, serving

EXAMPLES = 2
"""Requests generated for each operation, right and wrong ones. What is right by its form may still
be after the newest event, or no cursor of ours: such a refusal is no fault."""


@pytest.fixture(scope="module")
def specification(client: httpx.Client) -> Mapping[str, Any]:
    found: Mapping[str, Any] = client.get("/api/v1/openapi.json").json()
    return found


def test_every_column_is_described_in_the_words_of_the_database(
    specification: Mapping[str, Any], books_url: str
) -> None:
    schemas = specification["components"]["schemas"]
    with psycopg.connect(books_url) as connection:
        for name, listing in LISTINGS.items():
            rows = connection.execute(
                "SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a"
                " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relname = %s AND a.attnum > 0"
                " AND c.relnamespace::regnamespace::text IN ('reporting', 'back_office')"
                " ORDER BY a.attnum",
                (listing.source.view,),
            ).fetchall()
            described = [
                (column, schema["description"])
                for column, schema in schemas[name]["properties"].items()
            ]
            assert described == rows
            assert all(meaning for _, meaning in described)


def test_every_parameter_and_operation_is_described(specification: Mapping[str, Any]) -> None:
    for path, operations in specification["paths"].items():
        for operation in operations.values():
            assert operation.get("description"), path
            assert all(each.get("description") for each in operation.get("parameters", ())), path


@pytest.mark.timeout(300)
def test_generated_requests_are_answered_as_specified(books_url: str) -> None:
    asked = 0
    with serving(patient(books_url, stream_s=0.05)) as address:
        schema = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json")
        for found in schema.get_all_operations():
            operation = cast("Ok[APIOperation[Any, Any, Any, Any]]", found).ok()
            asked += _ask(operation, GenerationMode.POSITIVE)
            with suppress(Unsatisfiable):  # whatever is asked of some is right
                asked += _ask(operation, GenerationMode.NEGATIVE)
    assert asked > 2 * len(LISTINGS)


def _ask(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> int:
    """Send generated requests and hold the answers against the specification; how many it were."""
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: Case[Any]) -> None:
        nonlocal asked
        asked += 1
        if mode is GenerationMode.POSITIVE and "pool" in case.path_parameters:
            case.path_parameters["pool"] = "main"
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    answered()
    return asked
