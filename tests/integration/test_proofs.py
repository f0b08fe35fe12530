"""Proofs of events, postings and growth over real books; the checker refuses every forgery."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.audit.archive.evidence import ArchivedEvidence
from ledger.audit.proofs.inclusion import prove_consistency, prove_event, prove_posting
from ledger.audit.proofs.sealing import Sealer, append_copies, seal_heads
from ledger.audit.proofs.signing import Signer
from ledger.codec.checkpoints import checkpoint_line, decode_checkpoint, encode_checkpoint
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.audit.evidence import Evidence, evidence
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.leveraged_books import Books
from tests.integration.test_commands import FIRST, clearing
from tests.integration.varied_books import fresh
from tests.unit.audit.sum_trees import CHECKER, checker

MODULE = checker()
Json = dict[str, Any]
SEED = 5
SIGNER = Signer(b"\x17" * 32)


def ignored(_leaves: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def url(postgres: Embedded) -> Iterator[str]:
    """A leveraged history over several partitions, with four checkpoints."""
    with fresh(postgres, "proofs") as made:
        log = PostgresLog.connect(made, "test", leaf_events=50)
        history = Books(SEED)
        writer = Writer(log)
        sealer = Sealer(SIGNER)
        sealer.prepare(log)
        writer.take(history.beginning())
        for _ in range(4):
            writer.take(history.messages(40))
            seal_heads(log, sealer, None)
        writer.close()
        yield made


@pytest.fixture
def books(url: str) -> Iterator[Evidence]:
    with evidence(url, "main") as found:
        yield found


@pytest.fixture(scope="module")
def published(url: str, tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """All checkpoints, as they are published."""
    path = tmp_path_factory.mktemp("published") / "checkpoints.jsonl"
    log = PostgresLog.connect(url, "test")
    append_copies(log, path, "main")
    log.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


def check(proof: Json, published: list[Json]) -> str:
    return str(MODULE.checked(proof, published, MODULE.Seen()))


def head(published: list[Json]) -> int:
    return max(int(each["sequence"]) for each in published)


def test_every_event_is_proved_against_its_first_checkpoint(
    books: Evidence, published: list[Json]
) -> None:
    sequences = [each["sequence"] for each in published]
    for sequence in range(1, head(published) + 1):
        proof = prove_event(books, sequence, None, ignored)
        assert proof["checkpoint"]["sequence"] == min(s for s in sequences if s >= sequence)
        said = check(json.loads(json.dumps(proof)), published)
        stored = books.event(sequence)
        assert stored is not None
        assert f"event {sequence} of pool main: {stored.kind} {stored.event_id} at" in said
        assert f"it led to {len(books.postings(sequence))} postings" in said
        assert (f"refused as {stored.rejection}" in said) == (stored.rejection is not None)


def test_any_later_checkpoint_proves_an_event_as_well(
    books: Evidence, published: list[Json]
) -> None:
    for each in published:
        proof = prove_event(books, 17, each["sequence"], ignored)
        assert f"after event {each['sequence']}" in check(proof, published)


def test_every_posting_is_proved_with_its_account_as_the_views_show_it(
    url: str, books: Evidence, published: list[Json]
) -> None:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT sequence, line, account, account_kind, amount, balance FROM reporting.postings"
            " WHERE pool = 'main' AND sequence % 5 = 0 ORDER BY sequence, line"
        ).fetchall()
    assert len(rows) > 50
    for sequence, line, account, kind, amount, balance in rows:
        proof = prove_posting(books, sequence, line, None, ignored)
        said = check(json.loads(json.dumps(proof)), published)
        assert f" to {account} {kind}" in said
        found = re.match(r"line (\d+): (\S+) .*, which has (\S+) after it", said)
        assert found
        assert [Decimal(figure) for figure in found.groups()] == [line, amount, balance]


def test_every_pair_of_checkpoints_is_consistent(books: Evidence, published: list[Json]) -> None:
    sequences = [each["sequence"] for each in published]
    for older in sequences:
        for newer in sequences[sequences.index(older) :]:
            proof = prove_consistency(books, older, newer, ignored)
            said = check(json.loads(json.dumps(proof)), published)
            assert said.startswith(f"the {older} events of pool main are the first of its {newer}")


def test_an_archive_proves_what_the_books_prove(
    url: str, books: Evidence, published: list[Json], tmp_path: Path
) -> None:
    clearing("export", "--out", str(tmp_path / "archive"), "--quiet", database_url=url)
    archive = ArchivedEvidence(tmp_path / "archive", None)
    for sequence in range(1, head(published) + 1, 13):
        proof = prove_event(archive, sequence, None, ignored)
        assert proof == prove_event(books, sequence, None, ignored)
        for line in range(1, len(books.postings(sequence)) + 1):
            proof = prove_posting(archive, sequence, line, None, ignored)
            assert proof == prove_posting(books, sequence, line, None, ignored)
    older, newer = published[0]["sequence"], published[-1]["sequence"]
    growth = prove_consistency(archive, older, newer, ignored)
    assert growth == prove_consistency(books, older, newer, ignored)
    stored = next(e for n in range(20, 60) if (e := books.event(n)) and e.rejection is None)
    assert stored.event_id is not None
    assert archive.sequence_of(stored.event_id) == books.sequence_of(stored.event_id)
    assert archive.sequence_of("nobody") is None


def test_the_commands_prove_from_an_archive_alone(database_url: str, tmp_path: Path) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    archive, out = str(tmp_path / "archive"), tmp_path / "event"
    clearing("export", "--out", archive, "--quiet", database_url=database_url)
    nowhere = "postgresql://nobody@localhost:1/nothing"
    words = ("prove", "event", "dep-1", "--archive", archive, "--out", str(out))
    clearing(*words, database_url=nowhere)
    proof = json.loads(out.read_text())
    assert "deposit dep-1" in check(proof, [proof["checkpoint"]])
    done = clearing(*words, "--pool", "other", database_url=nowhere, code=1)
    assert "this archive has main" in str(done.exception)


def test_what_cannot_be_proved_is_said(books: Evidence, published: list[Json]) -> None:
    last = head(published)
    attempts: list[tuple[Callable[[], Json], str]] = [
        (lambda: prove_event(books, last + 1, None, ignored), f"no event {last + 1}"),
        (lambda: prove_event(books, 3, 4, ignored), "no checkpoint at event 4"),
        (lambda: prove_event(books, last, published[0]["sequence"], ignored), "does not include"),
        (lambda: prove_posting(books, last, 99, None, ignored), "none at 99"),
        (lambda: prove_consistency(books, last, 1, ignored), "name the older first"),
        (lambda: prove_consistency(books, 1, last, ignored), "no checkpoint at event 1"),
    ]
    for attempt, words in attempts:
        with pytest.raises(ConfigurationError, match=words):
            attempt()


# Forgeries. Each takes a true proof and what is published, and changes what its name says.


def another_leaf(proof: Json, other: Json) -> None:
    proof["event"], proof["outcome"] = other["event"], other["outcome"]


def another_leaf_renumbered(proof: Json, other: Json) -> None:
    another_leaf(proof, other)
    proof["sequence"] = other["sequence"]


def swapped_siblings(proof: Json, _other: Json) -> None:
    proof["path"][0], proof["path"][1] = proof["path"][1], proof["path"][0]


def truncated_path(proof: Json, _other: Json) -> None:
    proof["path"].pop()


def longer_path(proof: Json, _other: Json) -> None:
    proof["path"].append(proof["path"][-1])


def wrong_index(proof: Json, _other: Json) -> None:
    proof["sequence"] += 1


def wrong_index_in_the_bytes(proof: Json, _other: Json) -> None:
    at = 2 * (1 + 4 + len("main"))
    proof["sequence"] += 1
    proof["event"] = proof["event"][:at] + f"{proof['sequence']:016x}" + proof["event"][at + 16 :]


def wrong_size_in_words(proof: Json, _other: Json) -> None:
    proof["checkpoint"]["sequence"] += 1


def wrong_size_in_the_bytes(proof: Json, _other: Json) -> None:
    resigned(proof, SIGNER, sequence=proof["checkpoint"]["sequence"] + 1)


def altered_outcome(proof: Json, _other: Json) -> None:
    proof["outcome"] = proof["outcome"][:-2] + f"{int(proof['outcome'][-2:], 16) ^ 1:02x}"


def altered_event(proof: Json, _other: Json) -> None:
    proof["event"] = proof["event"][:-2] + f"{int(proof['event'][-2:], 16) ^ 1:02x}"


def trailing_bytes(proof: Json, _other: Json) -> None:
    proof["outcome"] += "00"


def cut_bytes(proof: Json, _other: Json) -> None:
    proof["event"] = proof["event"][:-2]


def of_another_pool(proof: Json, _other: Json) -> None:
    resigned(proof, SIGNER, pool="prime")


def another_root_signed_by_the_same_key(proof: Json, _other: Json) -> None:
    resigned(proof, SIGNER, root=bytes(32))


def signed_by_another_key(proof: Json, _other: Json) -> None:
    resigned(proof, Signer(b"\x18" * 32))


def altered_signature(proof: Json, _other: Json) -> None:
    signature = proof["checkpoint"]["signature"]
    proof["checkpoint"]["signature"] = f"{int(signature[:2], 16) ^ 1:02x}" + signature[2:]


def root_in_words_alone(proof: Json, _other: Json) -> None:
    proof["checkpoint"]["root"] = "00" * 32


def no_checkpoint(proof: Json, _other: Json) -> None:
    del proof["checkpoint"]


def resigned(proof: Json, signer: Signer, **changes: object) -> None:
    """Put another checkpoint in, soundly signed."""
    found = decode_checkpoint(bytes.fromhex(proof["checkpoint"]["body"]))
    body = encode_checkpoint(found._replace(key=signer.key, **changes))  # type: ignore[arg-type]
    scales = {each.asset: 18 for each in found.sums}
    proof["checkpoint"] = json.loads(checkpoint_line(body, signer.sign(body), scales))


FORGERIES: dict[Callable[[Json, Json], None], str] = {
    another_leaf: "its bytes are of event 9, the file says 30",
    another_leaf_renumbered: "leads to root",
    swapped_siblings: "leads to root",
    truncated_path: "too few",
    longer_path: "too many",
    wrong_index: "its bytes are of event 30, the file says 31",
    wrong_index_in_the_bytes: "leads to root",
    wrong_size_in_words: "in words",
    wrong_size_in_the_bytes: "none is published",
    altered_outcome: "leads to root",
    altered_event: "leads to root",
    trailing_bytes: "too many",
    cut_bytes: "end early",
    of_another_pool: "the file says 'main', checkpoint is of prime",
    another_root_signed_by_the_same_key: "is published with root",
    signed_by_another_key: "is published with root",
    altered_signature: "the signature is not that of key",
    root_in_words_alone: "root is .* in words",
    no_checkpoint: "no field 'checkpoint'",
}


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.__name__)
def test_a_forged_proof_is_refused(
    forgery: Callable[[Json, Json], None], books: Evidence, published: list[Json]
) -> None:
    true, other = (prove_event(books, sequence, None, ignored) for sequence in (30, 9))
    forged = deepcopy(true)
    forgery(forged, other)
    check(true, published)
    with pytest.raises(MODULE.Refused, match=FORGERIES[forgery]):
        check(forged, published)


def places(content: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of a file stands, those that hold others included."""
    if path:
        yield path
    inside = enumerate(content) if isinstance(content, list) else []
    for key, part in content.items() if isinstance(content, dict) else inside:
        yield from places(part, (*path, key))


OTHERS: list[Any] = [None, "00", "\ud800", -1, 1 << 70, True, [], {}]


@pytest.mark.parametrize("kind", ["event", "posting", "consistency"])
def test_no_value_of_a_file_may_change(kind: str, books: Evidence, published: list[Json]) -> None:
    first, second = (each["sequence"] for each in published[:2])
    true = {
        "event": lambda: prove_event(books, 30, None, ignored),
        "posting": lambda: posting_of(books, published)[0],
        "consistency": lambda: prove_consistency(books, first, second, ignored),
    }[kind]()
    check(true, published)
    for path in places(true):
        for other in OTHERS:
            forged = deepcopy(true)
            *way, last = path
            inner = forged
            for step in way:
                inner = inner[step]
            inner[last] = other
            if forged == true:
                continue
            with pytest.raises((MODULE.Refused, MODULE.CalledWrongly)):
                check(forged, published)


def test_an_event_of_another_pool_is_not_proved_by_this_ones_checkpoint(
    books: Evidence, published: list[Json]
) -> None:
    forged = prove_event(books, 30, None, ignored)
    resigned(forged, SIGNER, pool="other")
    known = [*published, forged["checkpoint"]]
    with pytest.raises(MODULE.Refused, match="the file says 'main', checkpoint is of other"):
        check(forged, known)
    forged["pool"] = "other"
    with pytest.raises(MODULE.Refused, match="of pool main, the checkpoint is of other"):
        check(forged, known)


def posting_of(books: Evidence, published: list[Json]) -> tuple[Json, Json]:
    """A posting's proof with a registry of its own, and that of another account's."""
    found: list[Json] = []
    for sequence in range(head(published), 0, -1):
        if len(books.postings(sequence)) > 1:
            proof = prove_posting(books, sequence, 1, None, ignored)
            if proof["registry"] and proof["registry"] not in [each["registry"] for each in found]:
                found.append(proof)
        if len(found) > 1:
            break
    return found[0], found[1]


def test_a_forged_posting_is_refused(books: Evidence, published: list[Json]) -> None:
    true, other = posting_of(books, published)
    check(true, published)
    lines = len(books.postings(true["sequence"]))
    forgeries: list[tuple[Json, str]] = [
        ({"line": lines + 1}, "line: event"),
        ({"line": 0}, "line: event"),
        ({"registry": []}, "is opened 0 times"),
        ({"registry": [{**true["registry"][0], "path": []}]}, "too few"),
        ({"outcome": other["outcome"]}, "leads to root"),
        ({"registry": [{**true["registry"][0], "outcome": other["outcome"]}]}, "leads to root"),
    ]
    for changes, words in forgeries:
        with pytest.raises(MODULE.Refused, match=words):
            check({**deepcopy(true), **changes}, published)


def test_a_forged_growth_is_refused(books: Evidence, published: list[Json]) -> None:
    first, second, third = (each["sequence"] for each in published[:3])
    true = prove_consistency(books, first, second, ignored)
    other = prove_consistency(books, second, third, ignored)
    check(true, published)
    swapped = [*true["path"]]
    swapped[0], swapped[1] = swapped[1], swapped[0]
    forgeries: list[tuple[Json, str]] = [
        ({"path": swapped}, "path: it leads to roots"),
        ({"path": true["path"][:-1]}, "too few|leads to roots"),
        ({"path": [*true["path"], true["path"][0]]}, "too many|leads to roots"),
        ({"path": []}, "too few"),
        ({"path": ["00" * 32, *true["path"][1:]]}, "leads to roots"),
        ({"older": true["newer"], "newer": true["older"]}, "is not before"),
        ({"newer": other["newer"]}, "too few|leads to roots|too many"),
        ({"older": true["newer"]}, "expected none between equal sizes"),
    ]
    for changes, words in forgeries:
        with pytest.raises(MODULE.Refused, match=words):
            check({**deepcopy(true), **changes}, published)


def test_nothing_is_proved_without_a_published_checkpoint(
    books: Evidence, published: list[Json]
) -> None:
    proof = prove_event(books, 30, None, ignored)
    with pytest.raises(MODULE.CalledWrongly, match="against a published --checkpoint"):
        check(proof, [])
    with pytest.raises(MODULE.Refused, match="none is published"):
        check(
            proof,
            [each for each in published if each["sequence"] != proof["checkpoint"]["sequence"]],
        )


def altered(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for (table,) in connection.execute(
            "SELECT oid::regclass::text FROM pg_class"
            " WHERE relnamespace = 'ledger'::regnamespace AND relkind IN ('r', 'p')"
        ).fetchall():
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE ledger.event SET raw = 'x' WHERE sequence = 5", "event 5: leaf should be"),
        (
            "UPDATE ledger.posting SET account_sequence = 99 WHERE sequence = 5 AND line = 1",
            "event 5: leaf should be",
        ),
        (
            "UPDATE ledger.event SET leaf = content_hash WHERE sequence = 4",
            "event 11: Merkle root should be",
        ),
        ("DELETE FROM ledger.event WHERE sequence = 3", "event 3 of pool main is not in"),
    ],
)
def test_altered_books_prove_nothing(database_url: str, statement: str, words: str) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    altered(database_url, statement)
    with evidence(database_url, None) as books, pytest.raises(LedgerError, match=words):
        prove_event(books, 5, None, ignored)


def test_the_commands_write_files_that_the_checker_takes(database_url: str, tmp_path: Path) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    clearing("checkpoint", "--out", str(tmp_path / "published"), database_url=database_url)
    event, posting, growth = (str(tmp_path / name) for name in ("event", "posting", "growth"))
    clearing("prove", "event", "5", "--out", event, database_url=database_url)
    said = clearing("prove", "posting", "5.1", "--out", posting, database_url=database_url)
    assert f"check_proof.py {posting} --checkpoint PUBLISHED" in said.stdout
    clearing("prove", "consistency", "11", "11", "--out", growth, database_url=database_url)
    words = [sys.executable, "-I", str(CHECKER), event, posting, growth]
    done = subprocess.run(
        [*words, "--checkpoint", str(tmp_path / "published")],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done
    assert done.stdout.count("proved: ") == 3


def test_an_unknown_event_is_called_wrongly(database_url: str, tmp_path: Path) -> None:
    clearing("ingest", str(FIRST), database_url=database_url)
    for words, says in (
        (("event", "nobody"), "has accepted no event nobody"),
        (("event", "5", "--id"), "has accepted no event 5"),
        (("posting", "5"), "expected SEQUENCE.LINE"),
        (("event", "5", "--pool", "other"), "pool other"),
    ):
        done = clearing(
            "prove", *words, "--out", str(tmp_path / "x"), database_url=database_url, code=1
        )
        assert says in str(done.exception)
