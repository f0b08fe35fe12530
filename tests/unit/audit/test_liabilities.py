"""The audit of liabilities: its tree is the specified one, and every participant's file proves."""

import hmac
import json
import random
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.liabilities.files import participant_file, public_file, read_audit, write_audit
from ledger.audit.liabilities.liabilities import (
    CHUNK_LEAVES,
    Audit,
    Claims,
    Header,
    Tally,
    audit,
    prove,
)
from ledger.audit.liabilities.tree import Marks, Shape
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.audit.liabilities import Anchor, HouseAccount
from tests.unit.audit.sum_trees import COLUMNS, HASHES, Leaf, checker, tree

VECTOR = Path(__file__).parent / "liabilities_vector.json"
SECRET = bytes(range(32))
ANCHOR = Anchor(
    "main", 7, bytes.fromhex(HASHES["chain"]), bytes.fromhex(HASHES["checkpoint"]), None
)
HOUSE = [HouseAccount("@house", "fees", None, "USD", "1.5")]
CHECKER = checker()

HAND = {
    "anna": "c4fada1ded87c142b91bf4223513f2cb6bb1afc2809401b287482abb0183cab1",
    "ben": "4a6bbb214740a123f67cd017aff13af4a7a5bada44a7c7d1d934ed94b372c515",
    "top": "7ee8a267b88e275fba2d7caa6e7a0ab3284c3366da5e2846401b8b3363c7dafd",
}
"""By xxd and sha256sum, from bytes written out by hand."""

Row = tuple[int, ...]


def claims_of(rows: Mapping[str, Row]) -> Claims:
    tally = Tally({"USD": 2, "BTC": 8}, "USD")
    for account, values in rows.items():
        for (name, asset, _), units in zip(COLUMNS, values, strict=True):
            if name == "cash":
                tally.add(account, asset, units, 0)
            else:
                tally.add(account, None, 0, units)
    return tally.claims()


def audited(rows: Mapping[str, Row]) -> Audit:
    return audit(ANCHOR, claims_of(rows), HOUSE, SECRET)


def some_rows(count: int) -> dict[str, Row]:
    chance = random.Random(count)
    return {f"p{n}": tuple(chance.randrange(10**12) for _ in COLUMNS) for n in range(count)}


def specified(rows: Mapping[str, Row]) -> list[Leaf]:
    """The leaves in order, by the standard library's HMAC."""
    marked = {name: hmac.digest(SECRET, name.encode(), "sha512") for name in rows}
    return [
        Leaf(name, rows[name], marked[name][32:]) for name in sorted(rows, key=marked.__getitem__)
    ]


def checked(published: object, *proofs: object) -> list[str]:
    seen = CHECKER.Seen()
    return [CHECKER.checked(json.loads(json.dumps(one)), [published], seen) for one in proofs]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 255, 256, 257, 512, 700])
def test_the_tree_is_the_specified_one_and_every_participant_proves(count: int) -> None:
    rows = some_rows(count)
    made = audited(rows)
    published, proofs = tree(specified(rows))
    assert public_file(made) == published
    chosen = proofs if count < 20 else random.Random(1).sample(proofs, 20)
    for expected in chosen:
        assert participant_file(made, prove(made, expected["account"])) == expected
    assert len(checked(published, *proofs)) == count


def test_the_published_vector_is_met() -> None:
    vector = json.loads(VECTOR.read_text())
    rows = {
        name: tuple(int(units) for units in values) for name, values in vector["claims"].items()
    }
    made = audit(ANCHOR, claims_of(rows), HOUSE, bytes.fromhex(vector["secret"]))
    assert public_file(made) == vector["published"]
    proofs = [participant_file(made, prove(made, name)) for name in rows]
    assert {proof["account"]: proof for proof in proofs} == vector["participants"]
    assert len(checked(vector["published"], *proofs)) == len(rows)


def test_a_leaf_and_a_node_worked_by_hand() -> None:
    shape = Shape(1)
    one = shape.leaf(bytes(32), "anna", shape.packed([5]))
    two = shape.leaf(bytes(32), "ben", shape.packed([7]))
    (top,), (total,) = shape.parents([one, two], [5, 7])
    assert one[:32].hex() == HAND["anna"]
    assert two[:32].hex() == HAND["ben"]
    assert top[:32].hex() == HAND["top"]
    assert total == 12


def test_marks_are_hmac_sha512() -> None:
    for account in ("anna", "ß" * 40, "x" * 300):
        assert Marks(SECRET).of(account) == hmac.digest(SECRET, account.encode(), "sha512")
    with pytest.raises(LedgerError, match="32 bytes, found 31"):
        Marks(SECRET[1:])


def test_what_is_below_zero_counts_zero_and_is_disclosed() -> None:
    rows = {"anna": (5, -250, -251), "ben": (0, 100, 40), "cleo": (-3, -1, 9)}
    made = audited(rows)
    assert made.sums() == [5, 100, 49]
    assert [(one.negative, one.negative_count) for one in made.header.columns] == [
        (3, 1),
        (251, 2),
        (251, 1),
    ]
    for place, (total, column) in enumerate(zip(made.sums(), made.header.columns, strict=True)):
        assert total - column.negative == sum(row[place] for row in rows.values())
    assert prove(made, "anna").values == [5, 0, 0]


def test_each_audit_has_salts_and_an_order_of_its_own() -> None:
    claims = claims_of(some_rows(40))
    one, two = (audit(ANCHOR, claims, HOUSE) for _ in range(2))
    names = sorted(claims.rows)
    assert one.secret != two.secret
    assert one.sums() == two.sums()
    assert one.root != two.root
    assert [prove(one, name).place for name in names] != [prove(two, name).place for name in names]
    assert not {prove(one, name).salt for name in names} & {prove(two, n).salt for n in names}


def test_the_root_fixes_everything_that_is_published() -> None:
    made = audited(some_rows(3))
    header = made.header
    anchor = header.anchor
    column = header.columns[0]
    changed = [
        Header(anchor._replace(pool="other"), header.columns, header.house),
        Header(anchor._replace(sequence=8), header.columns, header.house),
        Header(anchor._replace(chain=bytes(32)), header.columns, header.house),
        Header(anchor._replace(checkpoint=None), header.columns, header.house),
        Header(anchor, [column._replace(negative=1), *header.columns[1:]], header.house),
        Header(anchor, [column._replace(negative_count=1), *header.columns[1:]], header.house),
        Header(anchor, [column._replace(scale=1), *header.columns[1:]], header.house),
        Header(anchor, header.columns, []),
        Header(anchor, header.columns, [HOUSE[0]._replace(balance="1.50")]),
        Header(anchor, header.columns, [HOUSE[0]._replace(instrument="X")]),
    ]
    roots = {made._replace(header=one).root for one in changed}
    roots |= {made.root, made._replace(leaves=4).root}
    assert len(roots) == len(changed) + 2


def test_a_sum_beyond_the_range_is_refused() -> None:
    most = 2**126 - 1
    assert audited({"anna": (most, 0, 0)}).sums() == [most, 0, 0]
    with pytest.raises(LedgerError, match="reaches 2\\^126"):
        audited({"anna": (0, most, 0), "ben": (0, 1, 0)})
    with pytest.raises(LedgerError, match="below 2\\^126"):
        audited({"anna": (0, most + 1, 0)})


def test_without_participants_there_is_nothing_to_prove() -> None:
    with pytest.raises(ConfigurationError, match="no participant after event 7"):
        audited({})


@pytest.mark.parametrize(
    "says", [{"USD": 30}, {"USD": 31, "BTC": 8}, {"USD": 30, "BTC": 8, "X": 1}]
)
def test_cash_that_is_not_the_checkpoints_is_refused(says: dict[str, int]) -> None:
    claims = claims_of({"anna": (9, 40, 0), "ben": (-1, -10, 0)})
    good = ANCHOR._replace(participants={"USD": 30, "BTC": 8, "GONE": 0})
    assert audit(good, claims, HOUSE).leaves == 2
    with pytest.raises(LedgerError, match="the checkpoint after event 7 says"):
        audit(ANCHOR._replace(participants=says), claims, HOUSE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = audited(some_rows(2 * CHUNK_LEAVES + 9))
    write_audit(tmp_path / "audit", made)
    return tmp_path / "audit"


def test_files_give_the_same_proofs_and_private_ones_are_for_their_owner(folder: Path) -> None:
    rows = some_rows(2 * CHUNK_LEAVES + 9)
    made = audited(rows)
    for account in list(rows)[::60]:
        assert prove(read_audit(folder, account), account) == prove(made, account)
    for name in ("audit.json", "leaves.bin"):
        assert stat.S_IMODE((folder / "private" / name).stat().st_mode) == 0o600
    published = (folder / "liabilities.json").read_text()
    assert SECRET.hex() not in published
    assert "p1" not in published


def test_an_audit_is_not_written_over(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is an audit already"):
        write_audit(folder, audited(some_rows(3)))


def test_a_stranger_has_no_proof(folder: Path) -> None:
    for stranger in ("nobody", "", "p999999"):
        with pytest.raises(ConfigurationError, match="is not in this audit of pool main after"):
            prove(read_audit(folder, stranger), stranger)


def altered(folder: Path, name: str, change: Any) -> None:  # noqa: ANN401 - JSON
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def test_altered_files_make_no_proof(folder: Path) -> None:
    leaves = folder / "private" / "leaves.bin"
    kept = leaves.read_bytes()
    other = audited(dict.fromkeys(some_rows(2 * CHUNK_LEAVES + 9), (1, 2, 3)))
    for content in (kept[::-1], b"".join(chunk.packed for chunk in other.chunks)):
        leaves.write_bytes(content)
        with pytest.raises((LedgerError, ConfigurationError)):
            prove(read_audit(folder, "p1"), "p1")
    leaves.write_bytes(kept)
    prove(read_audit(folder, "p1"), "p1")
    altered(folder, "liabilities.json", lambda told: told.update(sequence=8))
    with pytest.raises(LedgerError, match="not what its root says"):
        read_audit(folder, "p1")


@pytest.mark.parametrize("name", ["liabilities.json", "private/audit.json", "private/leaves.bin"])
def test_missing_files_are_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match=name):
        read_audit(folder, "p1")
    (folder / name).write_text("[]")
    if name.endswith("json"):
        with pytest.raises(ConfigurationError, match="not the files of an audit"):
            read_audit(folder, "p1")
