"""The standalone checker: it needs nothing but Python, and no figure can be changed unseen."""

import ast
import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.audit.dossiers import DOSSIERS, Tree, explanation, liquidated_twice

CHECKER = Path(__file__).resolve().parents[3] / "tools" / "check_explanation.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_explanation", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMPLAINT = loaded().complaint


def exported(kind: str) -> dict[str, Any]:
    """An explanation as it is written to a file."""
    return written(kind, DOSSIERS[kind]())


def written(kind: str, dossier: Tree) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(explanation(kind, dossier).as_json()))
    return told


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:  # noqa: ANN401 - JSON
    if isinstance(tree, dict | list):
        for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(part, (*path, key))
    else:
        yield path, tree


def changed(value: object) -> object:
    """Another figure: one more in the last digit; another flag; None where it is no figure."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit():
        last = value[-1]
        return value[:-1] + ("1" if last == "0" else str(int(last) - 1))
    return None


def tampered(told: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    again = deepcopy(told)
    part: Any = again
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return again


def sealed(told: dict[str, Any]) -> dict[str, Any]:
    """With the checksum of what it says now, as a careful forger would have it."""
    rest = {key: value for key, value in told.items() if key != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return {**rest, "checksum": hashlib.sha256(text.encode()).hexdigest()}


@pytest.mark.parametrize("kind", DOSSIERS)
def test_an_untouched_explanation_agrees(kind: str) -> None:
    assert COMPLAINT(exported(kind)) is None


@pytest.mark.parametrize("kind", DOSSIERS)
def test_no_figure_can_be_changed_unseen(kind: str) -> None:
    told = exported(kind)
    unseen = [
        path
        for path, value in leaves(told)
        if changed(value) is not None and COMPLAINT(tampered(told, path, changed(value))) is None
    ]
    assert unseen == []


WORKED = ("steps", "records", "payments", "rounding", "books")
"""Parts of a file in which every figure is worked, or follows from others. Terms, marks and the
source event are given: another mark that no figure takes would not be missed."""


NOT_TAKEN = {(2, "maintenance_margin"), (2, "balance")}
"""Of dora, who has no equity, and so no score that these would be taken for."""


def is_worked(path: tuple[Any, ...]) -> bool:
    """A figure that must follow from others, and not only the place of a posting in its event."""
    part = path[1] if path[0] == "inputs" else path[0]
    return part in WORKED and path[-1] not in ("line", "address") and path[-2:] not in NOT_TAKEN


@pytest.mark.parametrize("kind", DOSSIERS)
def test_no_worked_figure_can_be_forged_even_with_a_new_checksum(kind: str) -> None:
    told = exported(kind)
    figures = [
        (path, changed(value))
        for path, value in leaves(told)
        if is_worked(path) and changed(value) is not None
    ]
    unseen = [
        path for path, value in figures if COMPLAINT(sealed(tampered(told, path, value))) is None
    ]
    assert len(figures) > 10
    assert unseen == []


@pytest.mark.parametrize("kind", DOSSIERS)
def test_a_step_that_is_left_out_is_missed(kind: str) -> None:
    told = exported(kind)
    places = [step["figure"] for step in told["steps"]]
    for index, place in enumerate(places):
        if not place.startswith("=") and places.count(place) == 1:
            short = {**told, "steps": told["steps"][:index] + told["steps"][index + 1 :]}
            assert COMPLAINT(sealed(short)) == f"steps: none works out {place}"


def test_the_first_figure_that_differs_is_named_with_both_values() -> None:
    told = exported("liquidation")
    told["inputs"]["records"][2]["body"]["penalty"] = "4.56"
    found = COMPLAINT(sealed(told))
    assert found == "records/2/body/penalty: expected 4.55, found 4.56"


def test_a_second_liquidation_in_the_event_takes_the_account_whole() -> None:
    assert COMPLAINT(written("liquidation", liquidated_twice())) is None
    first = liquidated_twice()
    first["records"][0]["body"]["account"] = "ben"
    complaint = COMPLAINT(written("liquidation", first))
    assert complaint == "records/2/body/mode: expected partial, found full"


def test_a_forged_mark_is_found_by_the_figures_that_it_would_lead_to() -> None:
    told = exported("liquidation")
    told["inputs"]["marks"]["LIN"]["mark_price"] = "92.00"
    assert "mark_price: expected 92, found 91.00" in str(COMPLAINT(sealed(told)))


def test_an_explanation_that_says_itself_that_it_disagrees_is_refused() -> None:
    dossier = DOSSIERS["liquidation"]()
    dossier["records"][2]["body"]["share"] = "9.99"
    told = explanation("liquidation", dossier).as_json()
    assert not told["agrees"]
    found = COMPLAINT(json.loads(json.dumps(told)))
    assert found == "records/2/body/share: expected 10, found 9.99"


@pytest.mark.parametrize(
    "told", [None, [], {}, {"format": 2}, {"format": 1}, {"format": 1, "inputs": 5}]
)
def test_what_is_no_explanation_is_a_complaint_not_a_crash(told: object) -> None:
    assert COMPLAINT(told) is not None


def test_it_imports_nothing_but_the_standard_library() -> None:
    tree = ast.parse(CHECKER.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(str(node.module).partition(".")[0])
    assert names
    assert names <= set(sys.stdlib_module_names)


def test_it_is_written_in_the_python_that_it_asks_for() -> None:
    ast.parse(CHECKER.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({}, 0, "agrees\n"),
        ({"pool": "other"}, 1, "does not agree: checksum: expected "),
    ],
    ids=["agrees", "differs"],
)
def test_run_alone_it_says_so_and_exits(
    tmp_path: Path, change: dict[str, str], code: int, words: str
) -> None:
    file = tmp_path / "explanation.json"
    file.write_text(json.dumps({**exported("liquidation"), **change}))
    run = [sys.executable, "-I", str(CHECKER), str(file)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout.startswith(words)


def test_called_wrongly_it_exits_with_2(tmp_path: Path) -> None:
    for arguments in ([], ["missing.json"]):
        run = [sys.executable, "-I", str(CHECKER), *arguments]
        done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr
