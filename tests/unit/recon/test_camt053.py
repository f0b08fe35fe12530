"""Bank statements of ISO 20022: the example, every version, and what is refused, by its line."""

import gzip
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ImportFailed
from ledger.recon.formats import SourceMapping, read_statements
from ledger.recon.lines import Statement
from ledger.recon.movements.arithmetic import check, exact_sum

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "reconciliation" / "bank.camt053.xml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
FIRST_ENTRY, SECOND_ENTRY = 19, 29


def statements(path: Path, mapping: SourceMapping | None = None) -> list[Statement]:
    return list(read_statements("camt053", path, mapping))


def of_text(folder: Path, text: str, mapping: SourceMapping | None = None) -> list[Statement]:
    path = folder / "bank.xml"
    path.write_text(text, encoding="utf-8")
    return statements(path, mapping)


def refusal(folder: Path, old: str, new: str) -> str:
    assert old in TEXT
    with pytest.raises(ImportFailed) as caught:
        of_text(folder, TEXT.replace(old, new, 1))
    return str(caught.value)


def test_the_example_is_one_statement_whose_sums_hold() -> None:
    zurich = SourceMapping(
        source="bank", zone="Europe/Zurich", accounts={"CH9300762011623852957": "nostro"}
    )
    (statement,) = statements(EXAMPLE, zurich)
    assert (statement.source, statement.number) == ("bank", "41")
    assert (statement.account, statement.commodity) == ("nostro", "USD")
    assert (statement.opening, statement.closing) == (Decimal("1000.00"), Decimal("1244.25"))
    assert statement.begins == datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
    assert statement.ends == datetime(2026, 3, 2, 22, 59, 59, tzinfo=UTC)
    assert [
        (each.line, each.reference, each.ours, each.amount) for each in statement.movements
    ] == [
        (FIRST_ENTRY, "BK-7001", "deposit-anna-1", Decimal("500.00")),
        (SECOND_ENTRY, "BK-7002/1", "withdrawal-ben-1", Decimal("-200.00")),
        (SECOND_ENTRY, "BK-7002/2", "withdrawal-cleo-1", Decimal("-55.75")),
    ]
    assert statement.movements[0].at == datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
    assert statement.movements[0].text == "margin of anna"
    assert check([statement], "main", lambda *_: "high").breaks == []


@pytest.mark.parametrize("version", [f"{number:02d}" for number in range(2, 13)])
def test_each_version_says_the_same(version: str, tmp_path: Path) -> None:
    text = TEXT.replace("camt.053.001.08", f"camt.053.001.{version}")
    if version == "02":  # a transaction has no amount of its own there, but in its details
        text = re.sub(
            r"</Refs>\s*(<Amt .*</Amt>)<CdtDbtInd>\w+</CdtDbtInd>",
            r"</Refs><AmtDtls><TxAmt>\1</TxAmt></AmtDtls>",
            text,
        )
    if version < "07":  # the status was a word, no choice
        text = text.replace("<Sts><Cd>BOOK</Cd></Sts>", "<Sts>BOOK</Sts>")
    (found,) = of_text(tmp_path, text)
    (expected,) = statements(EXAMPLE)
    assert [each._replace(line=0) for each in found.movements] == [
        each._replace(line=0) for each in expected.movements
    ]
    assert found._replace(movements=()) == expected._replace(movements=())


def test_a_packed_file_in_an_envelope_and_another_prefix_says_the_same(tmp_path: Path) -> None:
    body = TEXT.partition("?>\n")[2]
    path = tmp_path / "bank.xml.gz"
    path.write_bytes(gzip.compress(f"<Envelope><Header/>{body}</Envelope>".encode()))
    assert [each.number for each in statements(path)] == ["41"]


def test_an_entry_whose_parts_do_not_sum_to_it_stays_one(tmp_path: Path) -> None:
    (statement,) = of_text(tmp_path, TEXT.replace(">55.75<", ">55.74<"))
    assert [each.amount for each in statement.movements] == [Decimal("500.00"), Decimal("-255.75")]
    assert statement.movements[1].reference == "BK-7002"


def test_an_interim_balance_is_the_end_of_a_page(tmp_path: Path) -> None:
    text = TEXT.replace("CLBD", "ITBD").replace(
        "<Id>EXAMPLE-41</Id>",
        "<Id>EXAMPLE-41</Id><StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>",
    )
    (statement,) = of_text(tmp_path, text)
    assert (statement.number, statement.closing) == ("41/1", Decimal("1244.25"))


def test_a_previous_closing_opens_the_day_after(tmp_path: Path) -> None:
    begin, end = TEXT.index("<FrToDt>"), TEXT.index("</FrToDt>") + len("</FrToDt>")
    text = (
        (TEXT[:begin] + TEXT[end:])
        .replace("OPBD", "PRCD")
        .replace(
            "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-02",
            "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-01",
            1,
        )
    )
    (statement,) = of_text(tmp_path, text)
    assert statement.opening == Decimal("1000.00")
    assert statement.begins == datetime(2026, 3, 2, tzinfo=UTC)
    assert statement.ends == datetime(2026, 3, 2, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(("entered", "first"), [("02", 2), ("01", 1)])
def test_an_opening_dated_by_the_closing_before_begins_on_the_day_of_its_entries(
    entered: str, first: int, tmp_path: Path
) -> None:
    begin, end = TEXT.index("<FrToDt>"), TEXT.index("</FrToDt>") + len("</FrToDt>")
    opening = "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-0"
    text = (TEXT[:begin] + TEXT[end:]).replace(f"{opening}2", f"{opening}1", 1)
    text = text.replace("<BookgDt><Dt>2026-03-02", f"<BookgDt><Dt>2026-03-{entered}", 1)
    (statement,) = of_text(tmp_path, text)
    assert statement.begins == datetime(2026, 3, first, tzinfo=UTC)
    assert statement.ends == datetime(2026, 3, 2, 23, 59, 59, 999999, tzinfo=UTC)


def test_a_large_amount_keeps_every_digit(tmp_path: Path) -> None:
    amount = "1234567890123.45678"
    (statement,) = of_text(tmp_path, TEXT.replace(">500.00<", f">{amount}<", 1))
    assert exact_sum(each.amount for each in statement.movements[:1]) == Decimal(amount)


def test_entities_are_refused_before_anything_is_expanded(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE Document [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<Document'
    message = refusal(tmp_path, "<Document", bomb)
    assert "bank.xml, line 2: has a document type declaration (Document)" in message


def test_an_external_entity_is_refused(tmp_path: Path) -> None:
    outside = '<!DOCTYPE Document SYSTEM "file:///etc/passwd">\n<Document'
    assert "entities are refused" in refusal(tmp_path, "<Document", outside)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<AcctSvcrRef>", "<Fee/><AcctSvcrRef>", "line 22: Fee: Unknown property"),
        (">500.00</Amt>", ">5OO</Amt>", "line 20: Amt: '5OO', expected a number not below zero"),
        (">500.00</Amt>", ">NaN</Amt>", "line 20: Amt: 'NaN', expected a number"),
        (">500.00</Amt>", ">1E5</Amt>", "line 20: Amt: '1E5', expected a number"),
        (">500.00</Amt>", ">-500.00</Amt>", "line 20: Amt: '-500.00', expected a number"),
        ("CRDT</CdtDbtInd><Sts>", "CR</CdtDbtInd><Sts>", "line 20: CdtDbtInd: Failed to convert"),
        ("<Id><IBAN>CH9300762011623852957</IBAN></Id>", "<Id/>", "line 5: the statement's account"),
        ("<BookgDt><Dt>2026", "<BookgDt><Dt>99999", "line 19: 99999-03-02, expected a time in"),
        ('<Amt Ccy="USD">500.00</Amt>', "", "line 19: Ntry: lacks Amt"),
        ("<Cd>BOOK</Cd>", "<Cd>PDNG</Cd>", "line 19: entry of status PDNG, expected BOOK"),
        (' Ccy="USD">500', ">500", "line 20: Amt: lacks Ccy"),
        ("<CdtDbtInd>CRDT</CdtDbtInd><Sts>", "<Sts>", "line 19: Ntry: lacks CdtDbtInd"),
        ('Ccy="USD">500', 'Ccy="EUR">500', "line 19: entry in EUR, expected USD"),
        ('Ccy="USD">1000', 'Ccy="EUR">1000', "line 5: the statement's account and balances"),
        ("053.001.08", "053.001.01", "line 2: is of the version '01' of camt.053.001"),
        ("camt.053", "camt.054", "line 1: has no Document of camt.053.001"),
        ("</Stmt>", "", "is not XML (mismatched tag)"),
        ('encoding="UTF-8"', 'encoding="UTF-99"', "line 1: is not XML that can be read"),
    ],
)
def test_what_the_message_does_not_allow_is_refused(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    assert says in refusal(tmp_path, old, new)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="is not XML"):
        of_text(tmp_path, TEXT[: TEXT.index("</Ntry>")])
