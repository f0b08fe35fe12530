"""Archives: every column as it is, verified and replayed alone, and found when altered."""

import json
import shutil
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from ledger.audit.archive import files as archive_files
from ledger.audit.archive.archived import Archive
from ledger.audit.archive.check import verify_archive
from ledger.audit.archive.export import EventsMissing, export
from ledger.audit.archive.files import COLUMNS, ArchiveDamaged
from ledger.audit.archive.manifest import Manifest, load
from ledger.audit.replay.replay import replay
from ledger.audit.verification.findings import Finding
from ledger.cli import app
from ledger.errors import ConfigurationError
from ledger.store import embedded
from ledger.store.audit.archive import StoredBooks
from ledger.store.log.postgres import PostgresLog
from tests.integration import varied_books
from tests.integration.test_replay import rows, tampered
from tests.integration.varied_books import fresh, live

PART = 50


@pytest.fixture(scope="module")
def books(postgres: embedded.Embedded) -> Iterator[str]:
    """A database with the whole history; tests only read it."""
    with fresh(postgres, "books_to_export") as url:
        live(url)
        yield url


@pytest.fixture(scope="module")
def archive(books: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole history as an archive; tests only read it."""
    directory = tmp_path_factory.mktemp("archive")
    exported(books, directory)
    return directory


@pytest.fixture
def copy(archive: Path, tmp_path: Path) -> Path:
    """An archive to be altered."""
    return Path(shutil.copytree(archive, tmp_path / "copy"))


def exported(books: str, directory: Path, **how: Any) -> Manifest:  # noqa: ANN401 - as `export` takes them
    stored = StoredBooks.connect(books, "test")
    try:
        return export(stored, directory, **{"rows_per_file": PART, **how})
    finally:
        stored.close()


def test_every_column_of_every_table_is_there(books: str, archive: Path) -> None:
    manifest = load(archive)
    with psycopg.connect(books) as connection:
        connection.execute("SET timezone = 'UTC'")
        names_of = {row[0] for row in connection.execute("SELECT name FROM ledger.shard")}
        for table in ("event", "posting", "record", "account", "commodity", "source"):
            cursor = connection.execute(f"SELECT * FROM ledger.{table}".encode())
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            assert sorted(names) == sorted(COLUMNS[table])
            files = [
                file
                for one in manifest.pools.values()
                for file in [*one.registries, *(f for part in one.parts for f in part.files)]
                if file.table == table
            ] or [manifest.registry(table)]
            held = pa.concat_tables([parquet.read_table(archive / file.path) for file in files])
            found = [tuple(row[name] for name in names) for row in held.to_pylist()]
            assert sorted(found, key=repr) == sorted(cursor.fetchall(), key=repr)
    assert set(manifest.pools) == names_of


def test_types_are_exact(archive: Path, tmp_path: Path) -> None:
    (file,) = [
        file for file in load(archive).pools["late"].parts[0].files if file.table == "posting"
    ]
    schema = parquet.read_schema(archive / file.path)
    assert schema.field("amount").type == pa.decimal128(38, 0)
    assert schema.field("sequence").type == pa.int64()
    (event,) = [
        file for file in load(archive).pools["late"].parts[0].files if file.table == "event"
    ]
    schema = parquet.read_schema(archive / event.path)
    assert schema.field("raw").type == pa.binary()
    assert schema.field("occurred_at").type == pa.timestamp("us", tz="UTC")
    large = Decimal(10**36 - 1)
    row = (1, 1, 1, 1, 1, 1, 1, -large, large)
    made = archive_files.write(tmp_path, "posting", "one.parquet", [row])
    assert list(archive_files.read(tmp_path, made)) == [row]


def test_the_archive_gives_the_rows_of_the_store(books: str, archive: Path) -> None:
    stored, kept = StoredBooks.connect(books, "test"), Archive.open(archive)
    for shard in stored.heads().shards:
        last = shard.next_sequence - 1
        for first, end in ((1, last), (2, min(last, 77)), (PART, PART + 1)):
            at = (shard.shard, first, end)
            assert list(kept.events(*at)) == list(stored.events(*at))
            assert list(kept.postings(*at)) == list(stored.postings(*at))
            assert list(kept.records(*at)) == list(stored.records(*at))
        assert kept.accounts(shard.shard) == stored.accounts(shard.shard)
        assert kept.commodities(shard.shard) == stored.commodities(shard.shard)
        assert list(kept.checkpoints(shard.shard, 1, last)) == list(
            stored.checkpoints(shard.shard, 1, last)
        )
    assert kept.keys() == stored.keys()
    expected = stored.heads()
    assert kept.heads().shards == [shard._replace(epoch=0) for shard in expected.shards]
    assert sorted(kept.heads().offsets) == sorted(expected.offsets)
    stored.close()


def test_a_good_archive_is_verified(archive: Path) -> None:
    assert verify_archive(archive) == []
    manifest = load(archive)
    assert len(manifest.pools["main"].parts) > 5
    assert manifest.pools["main"].registry("checkpoint").rows > 0


def test_the_archive_replays_to_the_same_books(
    books: str, archive: Path, database_url: str
) -> None:
    found = replay(
        Archive.open(archive), lambda: PostgresLog.connect(database_url, "test"), batch=64
    )
    assert all(one.is_equal for one in found), [str(one.difference) for one in found]
    assert {one.pool for one in found if one.states_equal} == {"main", "late"}
    assert rows(database_url) == rows(books)


def test_a_second_export_writes_only_what_is_new(books: str, tmp_path: Path) -> None:
    exported(books, tmp_path, last=120)
    before = written(tmp_path)
    assert load(tmp_path).pools["main"].last == 120
    assert verify_archive(tmp_path) == []
    manifest = exported(books, tmp_path)
    assert [(part.first, part.last) for part in manifest.pools["main"].parts][:4] == [
        *((1, 50), (51, 100), (101, 120), (121, 150)),
    ]
    after = written(tmp_path)
    parts = [path for path in before if path.name.startswith(("event", "posting", "record"))]
    assert len(parts) > 9
    assert all(after[path] == before[path] for path in parts), "not written again"
    assert verify_archive(tmp_path) == []
    again = exported(books, tmp_path)
    assert again.pools["main"].parts == manifest.pools["main"].parts


def written(directory: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*.parquet")}


def test_an_interrupted_export_goes_on(books: str, tmp_path: Path) -> None:
    class Away(Exception):
        pass

    def stop(pool: str, done: int, _: int) -> None:
        if pool == "main" and done > 100:
            raise Away

    with pytest.raises(Away):
        exported(books, tmp_path, on_events=stop)
    assert "run the export to its end" in verify_archive(tmp_path)[0].says
    exported(books, tmp_path)
    assert verify_archive(tmp_path) == []
    assert not list(tmp_path.rglob("*.partial"))


def test_a_range_is_an_archive_of_its_own(books: str, tmp_path: Path) -> None:
    manifest = exported(books, tmp_path, pool="main", first=90, last=210)
    assert set(manifest.pools) == {"main"}
    assert verify_archive(tmp_path) == []
    with pytest.raises(ConfigurationError, match="a replay begins at event 1"):
        Archive.open(tmp_path).require_beginning(None)
    with pytest.raises(ConfigurationError, match="gap"):
        exported(books, tmp_path, pool="main", first=250)
    with pytest.raises(ConfigurationError, match="no shard other"):
        exported(books, tmp_path, pool="other")


def test_an_archive_of_other_books_is_not_gone_on_with(
    copy: Path, postgres: embedded.Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(varied_books, "SEED", 203)
    with fresh(postgres, "books_other") as other:
        live(other)
        with pytest.raises(ConfigurationError, match="holds other books"):
            exported(other, copy)
        tampered(other, "DELETE FROM ledger.event WHERE sequence = 40"
                 " AND shard = (SELECT shard FROM ledger.shard WHERE name = 'main')")  # fmt: skip
        with pytest.raises(EventsMissing, match="49 events from 1 to 50"):
            exported(other, copy / "new", pool="main")


def altered(copy: Path, table: str, change: Any, *, part: int = 1) -> list[Finding]:  # noqa: ANN401 - a function of rows
    """Change rows of a file as somebody would who then writes its hash into the manifest."""
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    one = manifest["pools"]["main"]
    (file,) = [
        file for file in [*one["files"], *one["parts"][part]["files"]] if file["table"] == table
    ]
    held = parquet.read_table(copy / file["path"])
    lines = held.to_pylist()
    change(lines)
    parquet.write_table(pa.Table.from_pylist(lines, held.schema), copy / file["path"])
    file["sha256"] = archive_files.sha256(copy / file["path"])
    path.write_text(json.dumps(manifest))
    return verify_archive(copy, pool="main")


def moved(name: str) -> Any:  # noqa: ANN401 - a function of rows
    def change(lines: list[dict[str, Any]]) -> None:
        value = lines[3][name]
        other: object = f"{value}x"
        if isinstance(value, int | Decimal):
            other = value + 1
        elif isinstance(value, bytes):
            other = bytes([value[0] ^ 1, *value[1:]])
        elif value is not None and not isinstance(value, str):
            other = value.replace(year=2027)
        elif value is None and name == "redrive_sequence":
            other = 5
        elif value is None and name == "message_key":
            other = b"key"
        lines[3][name] = other

    return change


@pytest.mark.parametrize(
    ("table", "name"),
    [(table, name) for table in ("event", "posting", "record") for name in COLUMNS[table]],
)  # fmt: skip
def test_any_column_altered_is_found_though_the_hash_of_the_file_fits(
    copy: Path, table: str, name: str
) -> None:
    at: list[int] = []

    def change(lines: list[dict[str, Any]]) -> None:
        at.append(lines[3]["sequence"])
        moved(name)(lines)

    found = altered(copy, table, change)
    assert found, "nothing was found"
    assert all(one.pool == "main" for one in found)
    if name != "shard":
        assert min(one.sequence for one in found if one.sequence) == at[0]


def test_rows_removed_and_swapped_are_found(copy: Path) -> None:
    assert altered(copy, "event", lambda lines: lines.pop(4))[0].sequence == 55
    assert altered(copy, "posting", lambda lines: lines.pop(4), part=2)


@pytest.mark.parametrize("table", ["account", "commodity", "checkpoint"])
def test_a_registry_altered_is_found(copy: Path, table: str) -> None:
    name = {"account": "owner", "commodity": "scale", "checkpoint": "signature"}[table]

    def change(lines: list[dict[str, Any]]) -> None:
        lines[0][name] = {"owner": "x", "scale": 7, "signature": bytes(64)}[name]

    assert altered(copy, table, change)


def test_a_file_altered_lost_or_cut_is_named(copy: Path) -> None:
    one = load(copy).pools["main"].parts[2].files[0]
    path = copy / one.path
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    (found,) = verify_archive(copy)
    assert (found.pool, found.field) == ("main", one.path)
    with pytest.raises(ArchiveDamaged):
        list(Archive.open(copy).events(load(copy).pools["main"].shard, 101, 150))
    path.unlink()
    assert verify_archive(copy)[0].found == "nothing"


def test_an_anchor_finds_what_the_archive_itself_cannot_tell(archive: Path) -> None:
    stored = Archive.open(archive)
    number = load(archive).pools["main"].shard
    last = list(stored.checkpoints(number, 1, 10**6))[-1]
    kept = {("main", last.sequence): (last.body, last.signature)}
    assert verify_archive(archive, pool="main", anchors=kept) == []
    other = {("main", last.sequence): (last.body[:-1] + b"\x00", last.signature)}
    assert "was kept elsewhere" in verify_archive(archive, pool="main", anchors=other)[0].says
    strange = verify_archive(archive, pool="main", trust=[bytes(32)])
    assert strange[0].field == "key"


def test_the_commands_export_check_and_replay(
    books: str, postgres: embedded.Embedded, tmp_path: Path
) -> None:
    run = CliRunner().invoke
    words = ["export", "--out", str(tmp_path), "--database-url", books, "--rows-per-file", "100"]
    done = run(app, [*words, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert {one["pool"] for one in json.loads(done.stdout)["pools"]} >= {"main", "late"}
    assert "main: events 1 to" in run(app, words).stdout
    good = run(app, ["archive", "check", str(tmp_path)])
    assert (good.exit_code, good.stdout) == (0, f"{tmp_path}: nothing is wrong\n")
    with fresh(postgres, "books_from_archive") as into:
        again = run(app, ["replay", "--from-archive", str(tmp_path), "--into", into])
        assert again.exit_code == 0, (again.output, again.exception)
    next(tmp_path.rglob("record-*.parquet")).write_bytes(b"PAR1")
    bad = run(app, ["archive", "check", str(tmp_path), "--json"])
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["good"] is False
    none = run(app, ["archive", "check", str(tmp_path / "nothing")])
    assert isinstance(none.exception, ConfigurationError)


def test_an_archive_is_verified_as_a_database_is(copy: Path, tmp_path: Path) -> None:
    run, words = CliRunner().invoke, ["verify", "--archive", str(copy)]
    out = tmp_path / "verdict.json"
    good = run(app, [*words, "--report", str(out)])
    assert (good.exit_code, good.stdout.splitlines()[-1]) == (0, "good: nothing is wrong (archive)")
    told = json.loads(out.read_text())
    assert (told["verdict"], told["mode"], told["books"]) == ("good", "archive", str(copy))
    (main,) = [one for one in told["pools"] if one["pool"] == "main"]
    assert main["chain"] == load(copy).pools["main"].chain.hex()
    assert main["passes"][0]["checks"] == ["chain", "tree", "fold"]
    (file,) = [file for file in load(copy).pools["late"].parts[0].files if file.table == "posting"]
    (copy / file.path).write_bytes(b"PAR1")
    bad = run(app, [*words, "--json"])
    assert bad.exit_code == 1
    told = json.loads(bad.stdout)
    assert (told["verdict"], told["first"]["field"]) == ("bad", file.path)
    assert [one["pool"] for one in told["pools"] if not one["passes"]] == ["late"]
    for option in (["--database-url", "postgresql:///books"], ["--from", "2"], ["--mode", "fold"]):
        wrong = run(app, [*words, *option])
        assert isinstance(wrong.exception, ConfigurationError)
        assert option[0] in str(wrong.exception)


def test_without_pyarrow_the_message_says_what_to_install(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install clearing-ledger\[archive\]"):
        Archive.open(archive)
