"""Explanations of books in PostgreSQL: all of it agrees, what was doctored is found.

The leveraged histories of the property tests are written by the writer, and every record that the
core made of them is worked again twice: by `ledger.audit`, and from its export by the standalone
checker. Neither shares arithmetic with the core.
"""

import importlib.util
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from ledger.audit.explanation.explain import NotFound, explained, explanation
from ledger.cli import app
from ledger.core.events import Event
from ledger.core.units import Fixed
from ledger.errors import ConfigurationError
from ledger.ports import Message, ShardBatch, Source
from ledger.store import embedded
from ledger.store.audit.lookups import looking_up
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.conftest import url_of
from tests.property.model import Model, Refused
from tests.property.moods import market as market_of
from tests.scenarios.examples import example as example_of
from tests.unit.desk import wire

ROOT = Path(__file__).resolve().parents[2]
CHECKER = ROOT / "tools" / "check_explanation.py"
EXAMPLE = ROOT / "docs" / "examples" / "explained.jsonl"
PAGE = ROOT / "docs" / "operating" / "explain.md"
SEEDS = range(200, 208)
EVENTS = 60
PARTS = ("takeover", "seizure", "made_whole", "liquidation_end", "deleveraged")
"""Explained with the whole: one of each is enough."""
SOURCE = Source("file", "history", "history")

Doctor = Callable[[str, dict[str, Any]], None]


def checker() -> Callable[[object], str | None]:
    """`complaint` of the standalone checker."""
    spec = importlib.util.spec_from_file_location("check_explanation", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[object], str | None] = module.complaint
    return found


COMPLAINT = checker()


def history(seed: int) -> list[bytes]:
    """A leveraged history as messages to a pool of its own; see `tests.property.leveraged`."""
    model = Model()
    market = market_of(seed, model)
    messages = []

    def happened(event: Event, original: Event | None = None) -> None:
        said = json.loads(wire(event))
        messages.append(json.dumps({**said, "pool": f"pool-{seed}"}).encode())
        try:
            model.apply(event, original)
        except Refused:
            return
        market.accepted(event)

    for event in market.beginning():
        happened(event)
    for _ in range(EVENTS):
        happened(*market.event())
    return messages


def written(log: PostgresLog, messages: Sequence[bytes]) -> None:
    writer = Writer(log)
    writer.take([Message(SOURCE, 0, i, 0, None, message) for i, message in enumerate(messages)])
    writer.close()


@pytest.fixture(scope="module")
def books(postgres: embedded.Embedded) -> Iterator[str]:
    """A database with a pool for each seed."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE explained TEMPLATE template")
        url = url_of(postgres, "explained")
        log = PostgresLog.connect(url, "test", leaf_events=1000)
        writer = Writer(log)
        for seed in SEEDS:
            messages = history(seed)
            writer.take([Message(SOURCE, 0, i, 0, None, raw) for i, raw in enumerate(messages)])
        writer.close()
        yield url
        connection.execute("DROP DATABASE explained WITH (FORCE)")


def addresses(url: str, pool: str) -> list[tuple[str, str]]:
    """Address and kind of each record of a pool, and its funding events."""
    with psycopg.connect(url) as connection:
        shard = "(SELECT shard FROM ledger.shard WHERE name = %s)"
        records = connection.execute(
            "SELECT sequence || '.' || line, kind FROM ledger.record"
            f" WHERE shard = {shard} ORDER BY sequence, line",
            (pool,),
        ).fetchall()
        funding = connection.execute(
            f"SELECT event_id, kind FROM ledger.event WHERE shard = {shard}"
            " AND kind = 'funding_rate' AND rejection IS NULL",
            (pool,),
        ).fetchall()
    return [*records, *funding]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_record_of_a_leveraged_history_agrees_twice(books: str, seed: int) -> None:
    kinds: Counter[str] = Counter()
    with looking_up(books, f"pool-{seed}") as lookups:
        for id_, kind in addresses(books, f"pool-{seed}"):
            kinds[kind] += 1
            if kind in PARTS and kinds[kind] > 1:
                continue
            found = explanation(lookups, id_)
            wrong = [step for step in found.sheet.steps if not step.agrees]
            assert wrong == [], f"{id_} {kind}"
            assert COMPLAINT(json.loads(json.dumps(found.as_json()))) is None, f"{id_} {kind}"
    assert len(kinds) > 5, f"the history is too tame: {sorted(kinds)}"


class Doctored(PostgresLog):
    """A log that writes something else than the core decided."""

    doctor: Doctor

    def append(self, batch: Sequence[ShardBatch]) -> None:
        for part in batch:
            for _, _, record in part.records:
                self.doctor(record.kind, record.body)
        super().append(batch)


def one_more(field: str, of: str) -> Doctor:
    """Adds a smallest unit to a field of a kind of record."""

    def doctor(kind: str, body: dict[str, Any]) -> None:
        if kind == of and isinstance(body[field], Fixed):
            body[field] = Fixed(body[field].coefficient + 1, body[field].scale)

    return doctor


@pytest.mark.parametrize(
    ("id_", "kind", "field"),
    [
        ("L-1", "takeover", "penalty"),
        ("L-1", "takeover", "bankruptcy_price"),
        ("L-1", "seizure", "quantity"),
        ("L-1", "liquidation_end", "equity"),
        ("D-1", "deleveraging", "loss"),
        ("D-1", "deleveraged", "amount"),
        ("D-1", "deleveraged", "score"),
        ("C-1", "margin_call", "initial_margin"),
        ("F-2", "fund", "insurance_after"),
        ("19.2", "close_out", "realized_pnl"),
        ("20.1", "mark", "mark_price"),
    ],
)
def test_a_record_that_was_doctored_is_found(
    database_url: str, id_: str, kind: str, field: str
) -> None:
    log = Doctored.connect(database_url, "test")
    log.doctor = one_more(field, kind)
    written(log, EXAMPLE.read_bytes().splitlines())
    found = explained(database_url, None, id_)
    assert not found.agrees
    assert any(field in step.place for step in found.sheet.steps if not step.agrees)
    assert COMPLAINT(json.loads(json.dumps(found.as_json()))) is not None
    done = clearing("explain", id_, database_url=database_url, code=1)
    assert "DISAGREES: the record says" in done.stdout


@pytest.mark.parametrize("value", ["", None, "no such", ["1"], {"left": 1}])
@pytest.mark.parametrize(
    ("id_", "kind", "field"),
    [
        ("L-1", "takeover", "equity"),
        ("L-1", "liquidation", "statement"),
        ("L-1", "liquidation_round", "listed"),
        ("D-1", "deleveraging", "candidates"),
        ("D-1", "deleveraging", "instrument"),
        ("F-2", "fund", "deficits"),
        ("C-1", "margin_call", "statement"),
    ],
)
def test_a_record_that_makes_no_sense_is_a_disagreement_not_a_crash(
    database_url: str, id_: str, kind: str, field: str, value: object
) -> None:
    def doctor(of: str, body: dict[str, Any]) -> None:
        if of == kind:
            body[field] = value

    log = Doctored.connect(database_url, "test")
    log.doctor = doctor
    written(log, EXAMPLE.read_bytes().splitlines())
    found = explained(database_url, None, id_)
    assert not found.agrees
    assert COMPLAINT(json.loads(json.dumps(found.as_json()))) is not None
    clearing("explain", id_, database_url=database_url, code=1)


def clearing(*words: str, database_url: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [*words, "--database-url", database_url])
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.fixture
def example(database_url: str) -> str:
    """The books of the example of the page."""
    clearing("ingest", str(EXAMPLE), database_url=database_url)
    return database_url


def shown_on_the_page() -> list[tuple[str, str]]:
    """Each `$ clearing explain ...` of the page with the text below it."""
    blocks = re.findall(r"```\n\$ clearing (explain [^\n]*)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    return blocks


@pytest.mark.parametrize("name", ["CF10", "CF11", "LQ21", "AD6", "AD15"])
def test_every_record_of_a_worked_example_agrees_twice(database_url: str, name: str) -> None:
    messages = [
        json.dumps({"pool": "main", **json.loads(step.message)}).encode()
        for step in example_of(name).steps
    ]
    written(PostgresLog.connect(database_url, "test", leaf_events=1000), messages)
    explained_here = addresses(database_url, "main")
    assert len(explained_here) > 10
    with looking_up(database_url, "main") as lookups:
        for address, kind in explained_here:
            found = explanation(lookups, address)
            assert found.agrees, (address, kind)
            assert COMPLAINT(json.loads(json.dumps(found.as_json()))) is None, (address, kind)


def test_the_page_shows_what_the_command_prints(example: str) -> None:
    for command, text in shown_on_the_page():
        done = clearing(*command.split(), database_url=example)
        assert done.stdout == text, f"the page shows another output of clearing {command}"


def test_a_written_explanation_is_checked_by_python_alone(example: str, tmp_path: Path) -> None:
    for id_ in ("L-1", "D-1", "C-1", "F-2", "19.2", "20.1", "funding-9h"):
        file = tmp_path / f"{id_}.json"
        done = clearing("explain", id_, "--json", "--out", str(file), database_url=example)
        assert json.loads(done.stdout) == json.loads(file.read_text())
        run = [sys.executable, "-I", str(CHECKER), str(file)]
        checked = subprocess.run(run, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout) == (0, "agrees\n"), checked.stdout
        clearing("explain", id_, database_url=example)


def test_the_json_has_all_that_was_promised(example: str) -> None:
    told = json.loads(clearing("explain", "L-1", "--json", database_url=example).stdout)
    assert {"format", "id", "pool", "kind", "event", "inputs", "steps"} <= told.keys()
    assert (told["format"], told["id"], told["pool"], told["kind"]) == (
        1,
        "L-1",
        "main",
        "liquidation",
    )
    assert {"kind": "price", "event_id": "d18", "sequence": 18}.items() <= told["event"].items()
    for step in told["steps"]:
        assert {"name", "formula", "inputs", "result", "unit"} <= step.keys()


def test_a_part_is_explained_with_the_whole(example: str) -> None:
    whole = explained(example, None, "L-1").as_json()["steps"]
    with psycopg.connect(example) as connection:
        address = connection.execute(
            "SELECT sequence || '.' || line FROM ledger.record WHERE kind = 'takeover'"
        ).fetchone()
    assert address is not None
    assert explained(example, None, address[0]).as_json()["steps"] == whole


def test_the_payment_of_one_account_is_worked_alone(example: str) -> None:
    done = clearing("explain", "funding-9h", "--account", "bob", database_url=example)
    assert "bob receives" in done.stdout
    assert "alice" not in done.stdout
    file = explained(example, None, "funding-9h", "bob").as_json()
    assert COMPLAINT(json.loads(json.dumps(file))) is None


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("L-99", "neither a record nor an accepted event L-99"),
        ("999.1", "neither a record"),
        ("nothing", "neither a record"),
        ("d14", "event d14 is a trade; explain one of its records: 14."),
    ],
)
def test_what_is_not_there_is_said_with_exit_code_1(example: str, id_: str, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        explained(example, None, id_)
    clearing("explain", id_, database_url=example, code=1)


def test_an_account_without_a_position_has_no_payment(example: str) -> None:
    with pytest.raises(NotFound, match="zoe never had a position in BTC-PERP"):
        explained(example, None, "funding-9h", "zoe")


def test_called_wrongly_it_says_how(example: str) -> None:
    with pytest.raises(ConfigurationError, match="choose one with --pool"):
        explained(example, "elsewhere", "L-1")
    with pytest.raises(ConfigurationError, match="--account goes with a funding event"):
        explained(example, None, "L-1", "bob")
    clearing("explain", database_url=example, code=2)


def test_empty_books_have_nothing_to_explain(database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="these books have none yet"):
        explained(database_url, None, "L-1")
