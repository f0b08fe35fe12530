"""SWIFT MT940: the example, the envelopes of banks, pages, references, and what is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import ImportFailed
from ledger.recon.formats import SourceMapping, read_statements
from ledger.recon.lines import Statement
from ledger.recon.movements.arithmetic import check

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "reconciliation" / "bank.mt940"
TEXT = EXAMPLE.read_text(encoding="utf-8")


def of_text(folder: Path, text: str, mapping: SourceMapping | None = None) -> list[Statement]:
    path = folder / "bank.sta"
    path.write_text(text, encoding="utf-8")
    return list(read_statements("mt940", path, mapping))


def refusal(folder: Path, old: str, new: str) -> str:
    assert old in TEXT
    with pytest.raises(ImportFailed) as caught:
        of_text(folder, TEXT.replace(old, new, 1))
    return str(caught.value)


def test_the_example_is_one_statement_whose_sums_hold() -> None:
    mapping = SourceMapping(
        source="bank", zone="Europe/Zurich", accounts={"CH9300762011623852957": "nostro"}
    )
    (found,) = read_statements("mt940", EXAMPLE, mapping)
    assert (found.source, found.number, found.account, found.commodity) == (
        *("bank", "41/1", "nostro", "USD"),
    )
    assert (found.opening, found.closing) == (Decimal("1000.00"), Decimal("1244.25"))
    assert [(each.line, each.reference, each.ours, each.amount) for each in found.movements] == [
        (6, "BK-7001", "deposit-anna-1", Decimal("500.00")),
        (8, "BK-7002", "withdrawal-ben-1", Decimal("-255.75")),
    ]
    assert found.movements[0].at == datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
    assert found.begins == datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
    assert found.ends == datetime(2026, 3, 2, 22, 59, 59, 999999, tzinfo=UTC)
    assert check([found], "main", lambda *_: "high").breaks == []


def test_a_credit_taken_back_goes_out_and_a_debit_taken_back_comes_in(tmp_path: Path) -> None:
    text = TEXT.replace("0302C500", "0302RC500").replace("0302D255", "0302RD255")
    (found,) = of_text(tmp_path, text)
    assert [each.amount for each in found.movements] == [Decimal("-500.00"), Decimal("255.75")]


def test_pages_are_statements_of_their_own_with_a_banks_words_between(tmp_path: Path) -> None:
    first = TEXT.partition("{4:\n")[2].replace(":62F:", ":62M:").replace("-}", "-")
    second = (
        ":20:EXAMPLE-41\n:25:CH9300762011623852957\n:28C:41/2\n:60M:C260302USD1244,25\n"
        ":62F:C260302USD1244,25\n-\n"
    )
    found = of_text(tmp_path, f"EXAMBANK\n940\n{first}EXAMBANK\n940\n{second}")
    assert [(each.number, each.opening, len(each.movements)) for each in found] == [
        ("41/1", Decimal("1000.00"), 2),
        ("41/2", Decimal("1244.25"), 0),
    ]
    assert check(found, "main", lambda *_: "high").breaks == []


def test_an_end_to_end_reference_is_found_in_german_subfields(tmp_path: Path) -> None:
    details = "166?00SEPA?20EREF+deposit-of-a-?21long-name-1SVWZ+rent?30BANK"
    (found,) = of_text(tmp_path, TEXT.replace("/EREF/deposit-anna-1//REMI/margin of anna", details))
    assert found.movements[0].ours == "deposit-of-a-long-name-1"


def test_a_customers_reference_may_be_longer_than_swift_has_it(tmp_path: Path) -> None:
    (found,) = of_text(tmp_path, TEXT.replace("withdrawal-ben-1//", "withdrawal-of-ben-17//"))
    assert (found.movements[1].ours, found.movements[1].reference) == (
        "withdrawal-of-ben-17",
        "BK-7002",
    )


def test_a_statement_with_entries_on_its_opening_day_begins_with_it(tmp_path: Path) -> None:
    (found,) = of_text(tmp_path, TEXT.replace(":61:2603020302C", ":61:2603010301C"))
    assert found.begins == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_file_in_the_banks_encoding_reads_with_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "bank.sta"
    path.write_bytes(TEXT.replace("margin of anna", "Prämie").encode("cp1252"))
    (found,) = read_statements("mt940", path, SourceMapping(encoding="cp1252"))
    assert found.movements[0].text.endswith("Prämie")
    with pytest.raises(ImportFailed, match=r"bank\.sta, line 7: is not UTF-8-SIG text"):
        list(read_statements("mt940", path))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (":20:EXAMPLE-41\n", "", "line 2: ':25:CH9300762011623852957', expected :20:"),
        (":61:2603020302D255", ":61:2603020302X255", "line 8: '2603020302X255,75NTRF"),
        ("D255,75N", "D25,5,75N", "the statement does not read as MT940"),
        (":60F:C260301USD1000,00\n", "", "line 2: the statement has 0 balances :60"),
        (":62F:", ":62F:C260302USD1,\n:62F:", "line 2: the statement has 2 balances :62"),
        ("260302USD1244,25\n:64", "260302EUR1244,25\n:64", "opens in USD and closes in EUR"),
        (":25:CH9300762011623852957\n", "", "the statement has not one :25:"),
    ],
)
def test_what_is_no_mt940_is_refused(old: str, new: str, says: str, tmp_path: Path) -> None:
    assert says in refusal(tmp_path, old, new)


def test_a_file_without_statement_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="no statement; expected one that begins with :20:"):
        of_text(tmp_path, "nothing here\n")
