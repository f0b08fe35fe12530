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
from ledger.reports.model import Column, Report, table
from ledger.reports.output import pdf as pdf_module
from ledger.reports.output.files import FORMATS, write_files
from ledger.reports.output.html import html
from ledger.reports.output.pdf import pdf
from ledger.reports.output.shown import Shown, plain, shown
from ledger.reports.output.tables_csv import write_csv
from ledger.reports.output.tables_parquet import write_parquet
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


@pytest.mark.parametrize(
    ("figures", "kind"),
    [
        (["0.123456789012345678901234", "-7"], pa.decimal256(76, 24)),
        (["1e-40", "12345678901234567890123456789012345.5"], pa.decimal256(76, 40)),
        (["1.5000000000000000000000000"], pa.decimal128(38, 18)),
    ],
)
def test_figures_of_outsiders_with_more_than_18_decimals_are_exact_in_parquet(
    figures: list[str], kind: pa.DataType, tmp_path: Path
) -> None:
    given = [*map(Decimal, figures), None]
    found = table("t", "T", [Column("a", "A", "amount")], [(each,) for each in given])
    write_parquet(found, {}, tmp_path / "t.parquet")
    read = parquet.read_table(tmp_path / "t.parquet")
    assert read.schema.field("a").type == kind
    assert read.column("a").to_pylist() == given


def test_figures_that_no_decimal_of_parquet_holds_are_exact_texts(tmp_path: Path) -> None:
    found = table("t", "T", [Column("a", "A", "amount")], [(Decimal("1e39"),), (Decimal("1e-40"),)])
    write_parquet(found, {}, tmp_path / "t.parquet")
    read = parquet.read_table(tmp_path / "t.parquet")
    assert read.column("a").to_pylist() == [f"{10**39}", f"{Decimal('1e-40'):f}"]


def test_a_name_of_digits_and_dashes_is_no_figure_and_keeps_its_dashes() -> None:
    columns = [
        Column("account", "Account"),
        Column("at", "At", "moment"),
        Column("a", "A", "amount"),
    ]
    laid = shown(table("t", "T", columns, [("123-456", AT, Decimal("-1.5"))]), 10)
    name, at, figure = pdf_module._cells(laid.rows[0], laid.columns)
    assert name[0] == "123-456"
    assert "-" in at[0]
    assert figure[0] == "\u22121.50"


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ('=HYPERLINK("http://evil","pay")', '\'=HYPERLINK("http://evil","pay")'),
        ("@SUM(A1:A9)", "'@SUM(A1:A9)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("@house", "@house"),
        ("-", "-"),
        ("-desk_7", "-desk_7"),
        ("anna = ben", "anna = ben"),
        ("", ""),
    ],
)
def test_words_of_outsiders_are_no_formula_in_a_csv(
    words: str, written: str, tmp_path: Path
) -> None:
    columns = [Column("says", "Says"), Column("a", "A", "amount")]
    found = table("t", "T", columns, [(words, Decimal("-1.5"))])
    write_csv(found, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[1] == [written, "-1.5"]


def test_files_of_the_report_before_in_other_formats_are_taken_away(
    report: Report, tmp_path: Path
) -> None:
    write_files(report, tmp_path, ["csv", "html"], 40)
    (tmp_path / "notes.csv").write_text("mine")
    (tmp_path / "many.csv").write_text("worked on since")
    write_files(report, tmp_path, ["parquet"], 40)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        *("about.parquet", "wide.parquet", "many.parquet", "empty.parquet", "ties.parquet"),
        *("report.json", "notes.csv", "many.csv"),
    }


def test_a_list_of_files_that_is_none_of_ours_is_replaced_and_takes_nothing_away(
    report: Report, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "outside.csv").write_text("a")
    for text in ('{"files": [{"name": "../outside.csv", "sha256": "0"}, 7]}', "no JSON", "[]"):
        (folder / "report.json").write_text(text)
        written = write_files(report, folder, ["csv"], 40)
        assert (tmp_path / "outside.csv").exists()
        assert json.loads((folder / "report.json").read_text())["files"][0] == {
            "name": written[0].name,
            "rows": written[0].rows,
            "sha256": written[0].sha256,
        }


def test_the_list_of_files_appears_whole_or_not_at_all(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(report, tmp_path, ["csv"], 40)
    before = (tmp_path / "report.json").read_bytes()

    def full(_path: Path, *_words: object, **_how: object) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigurationError, match="no space left"):
        write_files(report, tmp_path, ["csv"], 39)
    assert (tmp_path / "report.json").read_bytes() == before


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
