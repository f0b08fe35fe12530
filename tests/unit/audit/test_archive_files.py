"""Files of archives: ranges by row groups, nothing half written, damage named."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.archive import files as archive_files
from ledger.audit.archive import manifest as archive_manifest
from ledger.audit.archive.files import ArchiveDamaged, File
from ledger.audit.archive.manifest import Archived, Head, Manifest, Part
from ledger.errors import ConfigurationError
from ledger.ports import Source


def record(sequence: int, line: int = 1) -> tuple[Any, ...]:
    return (1, line, sequence, "mark", "BTC", b"{}")


def test_a_range_is_read_from_the_groups_that_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_files, "GROUP_ROWS", 3)
    rows = [record(sequence, line) for sequence in range(1, 9) for line in (1, 2)]
    file = archive_files.write(tmp_path, "record", "pool=main/record.parquet", iter(rows))
    assert file[:3] == ("record", "pool=main/record.parquet", 16)
    assert list(archive_files.read(tmp_path, file)) == rows
    for first, last in ((1, 8), (2, 2), (3, 5), (8, 99), (9, 9)):
        found = list(archive_files.read(tmp_path, file, first, last))
        assert found == [row for row in rows if first <= row[2] <= last]
    assert [row[2] for row in archive_files.read(tmp_path, file, 7)] == [7, 7, 8, 8]


def test_large_messages_end_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_files, "GROUP_BYTES", 10)
    groups = list(archive_files._groups([(b"12345",), (b"12345",), (b"1",), (None,)]))
    assert [len(group) for group in groups] == [2, 2]


def test_the_same_rows_give_the_same_file(tmp_path: Path) -> None:
    row = (1, 2, 3, 4, 5, 6, 7, Decimal(-8), Decimal(9))
    one = archive_files.write(tmp_path, "posting", "one.parquet", [row])
    two = archive_files.write(tmp_path, "posting", "two.parquet", [row])
    assert one.sha256 == two.sha256 == archive_files.sha256(tmp_path / "two.parquet")
    empty = archive_files.write(tmp_path, "posting", "none.parquet", [])
    assert (empty.rows, list(archive_files.read(tmp_path, empty, 1, 2))) == (0, [])


def test_an_interrupted_file_never_gets_its_name(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[Any, ...]]:
        yield record(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive_files.write(tmp_path, "record", "record.parquet", rows())
    assert not (tmp_path / "record.parquet").exists()


def test_columns_of_another_table_are_damage(tmp_path: Path) -> None:
    file = archive_files.write(tmp_path, "record", "record.parquet", [record(1)])
    with pytest.raises(ArchiveDamaged, match="expected those of posting"):
        list(archive_files.read(tmp_path, file._replace(table="posting")))
    with pytest.raises(ArchiveDamaged, match="cannot be read"):
        list(archive_files.read(tmp_path, file._replace(path="none.parquet")))


def test_a_manifest_reads_back_as_it_was(tmp_path: Path) -> None:
    file = File("event", "pool=main/event.parquet", 3, "ab" * 32)
    offsets = [(Source("cluster", "id", "topic"), 0, 17)]
    part = Part(1, 3, bytes(32), b"\x01" * 32, [file])
    main = Archived(
        *("main", 1, 0, 3, Head(5, 1_700_000_000_000_000, 2, b"\x02" * 32, offsets)),
        *([file._replace(table="account")], [part]),
    )
    whole = Manifest([file._replace(table="source")], {"main": main})
    archive_manifest.save(tmp_path, whole)
    assert archive_manifest.load(tmp_path) == whole
    with pytest.raises(ArchiveDamaged, match="no file of commodity"):
        main.registry("commodity")
    with pytest.raises(ArchiveDamaged, match="no file of signing_key"):
        whole.registry("signing_key")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "does not read as a manifest"),
        ("[]", "does not read as a manifest"),
        ('{"format": 2, "files": [], "pools": {}}', "format 2, this version reads 1"),
        ('{"format": 1, "files": []}', "does not read as a manifest"),
        ('{"format": 1, "files": [], "pools": {"main": {"head": null, "parts": []}}}', "no part"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArchiveDamaged, match=words):
        archive_manifest.load(tmp_path)


def test_no_manifest_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not an archive"):
        archive_manifest.load(tmp_path)
