"""Renderings of a report: figures whole, names escaped, exact columns, the same bytes again."""

import csv
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from ledger.errors import ConfigurationError
from ledger.reports.files import FORMATS, write_files
from ledger.reports.html import html
from ledger.reports.model import Column, Report, table
from ledger.reports.pdf import pdf
from ledger.reports.shown import Shown, plain, shown
from ledger.reports.tables_parquet import write_parquet
from tests.unit.reports.made import AT, COLUMNS, LARGE, LONG, hard, row


@pytest.fixture(scope="module")
def report() -> Report:
    return hard()


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("1e-18", "0.000000000000000001"),
        ("100", "100"),
    ],
)
def test_a_figure_is_written_in_full(figure: str, words: str) -> None:
    assert plain(Decimal(figure)) == words


def test_figures_are_grouped_and_padded_to_the_point() -> None:
    lines = [(Decimal("-1234567.5"),), (Decimal("0.00000001"),), (Decimal(7),), (None,)]
    found = shown(table("t", "T", [Column("a", "A", "amount", absent="none")], lines), 10)
    assert [line[0] for line in found.rows] == [
        Shown("-1,234,567.50", "000000"),
        Shown("0.00000001", ""),
        Shown("7.00", "000000"),
        Shown("none"),
    ]
    assert found.columns[0].width == len("-1,234,567.50000000")


def test_whole_figures_are_not_given_decimals() -> None:
    found = shown(table("t", "T", [Column("a", "A", "amount")], [(Decimal(7),)]), 10)
    assert found.rows[0][0] == Shown("7")


def test_a_sequence_is_not_grouped_and_a_count_is() -> None:
    found = shown(table("t", "T", COLUMNS, [row(1)]), 10)
    assert [cell.text for cell in found.rows[0][:5]] == [
        *("alice", "whole account", "1000001", "1,234", "2026-03-02 15:00:00.250000Z")
    ]
    assert [cell.text for cell in found.totals[0][:4]] == ["Total", "", "", "1,234"]


class Page(HTMLParser):
    """The words of a page, and whether its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:  # the parser's own name
        self.words.append(data)


def test_the_page_is_whole_and_escapes_what_it_shows(report: Report) -> None:
    page = Page()
    text = html(report, 40)
    page.feed(text)
    assert page.open == []
    assert "script" not in [tag for tag, _ in page.tags]
    assert "<script>alert(1)</script>" in page.words
    assert f"{LARGE:,}" in page.words
    assert not re.search(r"(?:src|href)=\"(?!#)", text), "it needs another file"
    heads = [attributes for tag, attributes in page.tags if tag == "th"]
    assert heads
    assert all(attributes["scope"] == "col" for attributes in heads)
    tables = [tag for tag, _ in page.tags if tag in {"table", "caption"}]
    assert tables == ["table", "caption"] * 3


def test_many_rows_are_cut_and_none_are_said(report: Report) -> None:
    text = html(report, 40)
    assert "The first 40 of 12,000 rows; totals are over all" in text
    assert "<b>Nothing at all</b>: none." in text
    assert "18,000.00" in text  # 12,000 times 1.5


def test_the_document_is_a_pdf_and_the_same_again(report: Report) -> None:
    first = pdf(report, 40)
    assert first.startswith(b"%PDF-")
    assert b"pdfaid:part" in first
    assert pdf(hard(), 40) == first


def test_a_csv_has_every_row_and_exact_figures(report: Report, tmp_path: Path) -> None:
    write_files(report, tmp_path, ["csv"], 40)
    with (tmp_path / "wide.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.reader(file))
    assert read[0] == [column.name for column in COLUMNS]
    assert read[1][:2] == [LONG, ""]
    assert read[1][4:6] == ["2026-03-02T15:00:00.250000Z", f"{LARGE}"]
    assert read[2][5] == "-0.000000000000000001"
    with (tmp_path / "many.csv").open(encoding="utf-8") as file:
        assert sum(1 for _ in file) == 12_001
    assert (tmp_path / "empty.csv").read_text(encoding="utf-8").count("\n") == 1


def test_parquet_has_exact_typed_columns_and_says_what_it_was_taken_at(
    report: Report, tmp_path: Path
) -> None:
    written = write_files(report, tmp_path, ["parquet"], 40)
    assert {each.name: each.rows for each in written}["many.parquet"] == 12_000
    read = parquet.read_table(tmp_path / "wide.parquet")
    assert read.schema.field("opening").type == pa.decimal128(38, 18)
    assert read.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert read.schema.field("trades").type == pa.int64()
    assert read.column("opening").to_pylist()[0] == LARGE
    assert read.column("at").to_pylist() == [AT, AT]
    assert read.column("instrument").to_pylist() == [None, None]
    told = json.loads(read.schema.metadata[b"clearing.report"])
    assert told["Hash chain"] == "ab" * 32


def test_a_figure_too_large_for_128_bits_takes_256(tmp_path: Path) -> None:
    large = Decimal("123456789012345678901234567890123456.000000000000000001")
    found = table("t", "T", [Column("a", "A", "amount")], [(large,), (None,)])
    write_parquet(found, {}, tmp_path / "t.parquet")
    read = parquet.read_table(tmp_path / "t.parquet")
    assert read.schema.field("a").type == pa.decimal256(76, 18)
    assert read.column("a").to_pylist() == [large, None]


def test_all_files_are_listed_by_hash_and_are_the_same_again(
    report: Report, tmp_path: Path
) -> None:
    first = write_files(report, tmp_path / "a", FORMATS, 40)
    assert first == write_files(hard(), tmp_path / "b", FORMATS, 40)
    told = json.loads((tmp_path / "a" / "report.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in told["files"]] == [each.name for each in first]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        [*(each.name for each in first), "report.json"]
    )


def test_a_place_that_cannot_be_written_is_named(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here already")
    with pytest.raises(ConfigurationError, match="cannot write the report"):
        write_files(report, tmp_path / "file", ["csv"], 40)
