"""Days of a desk with real files: what runs look at, and what people agreed to, on real books."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.errors import ConfigurationError
from ledger.recon.casework import working
from ledger.recon.casework.adjusting import line_of
from ledger.recon.rules import load_rules
from ledger.recon.run import reconcile
from tests.integration.back_office.test_running import DAY, EXAMPLES, called
from tests.integration.test_detaching import live

HEADER = "account,commodity,kind,at,amount,reference,ours"
IBAN = "CH93 0076 2011 6238 5295 7"
ENGINE = "trade_id,at,instrument,price,quantity,buyer,seller,buyer_fee,seller_fee"


class Desk:
    """Runs the rules of the example on files that are written here."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def bank(self, name: str, *movements: str, account: str = IBAN, closing: str = "") -> str:
        """A statement of the 5th; of each movement hour, amount, reference and our reference."""
        day = "2026-01-05T"
        lines = [HEADER, f"{account},USDT,opening,{day}00:00:00Z,0,,"]
        for movement in movements:
            hour, rest = movement.split(",", 1)
            lines.append(f"{account},USDT,movement,{day}{hour}Z,{rest}")
        if closing:
            lines.append(f"{account},USDT,closing,{day}23:59:59Z,{closing},,")
        return self._written(f"bank={name}", lines)

    def engine(self, name: str, *trades: str) -> str:
        """A file of the matching engine."""
        return self._written(f"engine={name}", [ENGINE, *trades])

    def _written(self, given: str, lines: list[str]) -> str:
        source, name = given.split("=")
        path = self.folder / name
        path.write_text("\n".join([*lines, ""]))
        return f"{source}={path}"

    def run(self, *files: str, options: tuple[str, ...] = ()) -> dict[str, object]:
        """A run by rosa, as JSON."""
        given = [word for file in files for word in ("--file", file)]
        words = ("run", str(DAY / "day.toml"), *given, *options, "--by", "rosa", "--json")
        done = called(self.url, *words)
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def breaks(self) -> dict[str, str]:
        """State by the first word of what it is about."""
        printed = called(self.url, "breaks", "--closed", "--json").stdout
        return {one["subject"].split()[0]: one["state"] for one in json.loads(printed)}

    def key(self, subject: str) -> str:
        """Of the break that is about something."""
        printed = json.loads(called(self.url, "breaks", "--closed", "--json").stdout)
        return next(
            str(one["break_key"]) for one in printed if one["subject"].split()[0] == subject
        )

    def agree(self, subject: str) -> str:
        """Maria and noor agree to the only candidate of a break; its key."""
        key = self.key(subject)
        (candidate,) = working.shown(self.url, key).candidates
        wanted = working.Proposed(match=candidate.match_key)
        working.propose(self.url, key, "maria", "the same", wanted)
        working.do(self.url, key, "approved", "noor", "")
        return key


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Desk:
    """The eleven events of the first example, and a folder."""
    live(database_url, (EXAMPLES / "first.jsonl").read_bytes().splitlines())
    return Desk(database_url, tmp_path)


SOUND = ("09:00:10,10000,B-1,dep-1", "09:00:12,10000,B-2,dep-2", "17:00:00,-100,B-4,wd-1")
TRADES = (
    "trade-1,2026-01-05T10:00:00Z,BTC-PERP,60000,0.5,alice,bob,15,-3",
    "T-77,2026-01-05T12:00:00Z,BTC-PERP,61000,0.2,bob,alice,6.1,6.1",
)


def test_the_file_of_one_account_says_nothing_of_another(desk: Desk) -> None:
    custody = desk.bank("custody.csv", *SOUND, closing="19900")
    alice = desk.bank("alice.csv", "18:00:00,-7,X-1,", account="alice")
    desk.run(custody, alice)
    assert desk.breaks()["X-1"] == "open"
    assert "gone" not in str(desk.run(custody)["acts"])
    assert desk.breaks()["X-1"] == "open"
    mended = desk.bank("alice.csv", "18:30:00,-100,B-4,wd-1", account="alice")
    desk.run(custody, mended)
    assert desk.breaks()["X-1"] == "gone"


def test_a_run_that_was_given_no_file_corrects_no_match(desk: Desk) -> None:
    desk.run(desk.engine("engine.csv", *TRADES))
    desk.agree("T-77")
    assert desk.run()["acts"] == {}
    assert desk.breaks()["T-77"] == "approved"
    desk.run(desk.engine("engine.csv", *TRADES))
    assert desk.breaks() == {"T-77": "corrected", "trade-2": "gone"}


def test_an_agreed_match_whose_amount_changes_is_agreed_to_no_more(desk: Desk) -> None:
    desk.run(desk.engine("engine.csv", *TRADES))
    desk.agree("T-77")
    first = desk.engine("engine.csv", *TRADES)
    desk.run(first)
    changed = desk.engine("engine.csv", TRADES[0], TRADES[1].replace(",0.2,", ",99999,"))
    found = desk.run(changed)
    assert found["applied"] == []
    assert desk.breaks() == {"T-77": "open", "trade-2": "open"}


def test_a_match_that_was_applied_is_taken_back_and_both_sides_are_breaks_again(
    desk: Desk,
) -> None:
    file = desk.engine("engine.csv", *TRADES)
    desk.run(file)
    key = desk.agree("T-77")
    desk.run(file)
    working.do(desk.url, key, "closed", "noor", "agreed")
    done = called(desk.url, "refuse", key, "another trade", "--by", "noor")
    assert done.stdout == f"break {key} is open\n"
    desk.run(file)
    assert desk.breaks() == {"T-77": "open", "trade-2": "open"}


def test_a_match_that_was_agreed_to_on_both_sides_is_taken_back_on_either(desk: Desk) -> None:
    file = desk.engine("engine.csv", *TRADES)
    desk.run(file)
    keys = [desk.agree(subject) for subject in ("T-77", "trade-2")]
    desk.run(file)
    for key in keys:
        working.do(desk.url, key, "closed", "noor", "agreed")
    working.do(desk.url, keys[0], "refused", "noor", "another trade")
    assert desk.run(file)["applied"] == []
    assert desk.breaks() == {"T-77": "open", "trade-2": "open"}
    desk.agree("trade-2")
    assert desk.run(file)["applied"] != [], "agreed to again, after it was refused"


def test_two_equal_lines_without_a_reference_are_kept_with_one_proposal(desk: Desk) -> None:
    file = desk.bank("bank.csv", *SOUND[:2], "18:00:00,-100,,", "18:00:00,-100,,")
    found = desk.run(file)
    assert found["run"] == 1
    proposals = found["proposals"]
    assert isinstance(proposals, list)
    assert len({one["key"] for one in proposals}) == len(proposals)
    assert desk.run(file)["run"] == 2, "and on every day that it is run again"


def test_a_run_is_done_again_with_the_matches_that_it_was_told(desk: Desk) -> None:
    file = desk.engine("engine.csv", *TRADES)
    first = desk.run(file)
    key = desk.agree("T-77")
    second = desk.run(file)
    working.do(desk.url, key, "refused", "noor", "another trade")
    assert second["agreed"] == second["applied"] != []
    today = desk.run(file, options=("--dry-run",))
    assert today["result_hash"] == first["result_hash"] != second["result_hash"]
    for run in (first, second):
        again = desk.run(file, options=("--as-run", str(run["run"])))
        assert (again["result_hash"], again["is_as_expected"]) == (run["result_hash"], True)
        assert "run" not in again, "it is not kept"


def test_a_dry_run_is_told_what_people_agreed_to(desk: Desk) -> None:
    file = desk.engine("engine.csv", *TRADES)
    desk.run(file)
    desk.agree("T-77")
    dry = desk.run(file, options=("--dry-run",))
    assert dry["result_hash"] == desk.run(file)["result_hash"]


def test_a_run_that_is_done_again_with_another_file_says_what_it_came_to_then(desk: Desk) -> None:
    rules = str(DAY / "day.toml")
    desk.run(desk.engine("engine.csv", *TRADES))
    words = ("run", rules, "--file", desk.engine("less.csv", TRADES[0]), "--as-run", "1")
    done = called(desk.url, *words, "--by", "rosa")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith("that run's was ")
    for wrong, why in ((("--at", "3"), "takes the pool and the event"), ((), "there is no run 9")):
        number = "1" if wrong else "9"
        given = ("run", rules, *wrong, "--as-run", number, "--by", "rosa")
        refused = CliRunner().invoke(app, ["reconcile", *given, "--database-url", desk.url])
        assert why in str(refused.exception)


FEE = ("18:00:00,-25,B-3,",)


def _approved(desk: Desk, *, subject: str = "B-3", lines: tuple[str, ...] = ()) -> tuple[str, str]:
    """Key of a break, and the adjustment that maria proposed and noor approved for it."""
    key = desk.key(subject)
    wanted = working.Proposed(tuple(map(line_of, lines)))
    working.propose(desk.url, key, "maria", "bank fee", wanted)
    done = working.do(desk.url, key, "approved", "noor", "")
    assert done.adjustment is not None
    return key, done.adjustment


def _told(found: dict[str, object]) -> list[str]:
    """What the control of corrections says."""
    controls = found["controls"]
    assert isinstance(controls, list)
    return [each["says"] for each in controls if each["name"] == "corrections"]


def test_a_correction_is_booked_word_for_word_or_it_is_none(desk: Desk) -> None:
    file = desk.bank("bank.csv", *SOUND, *FEE)
    assert _told(desk.run(file)) == []
    key, adjustment = _approved(desk)
    assert '"@house", "kind": "suspense"' in adjustment
    edited = adjustment.replace('"@house", "kind": "suspense"', '"alice", "kind": "wallet"')
    live(desk.url, [edited.encode()], 12)
    found = desk.run(file)
    assert "corrected" not in str(found["acts"])
    assert working.shown(desk.url, key).of.state == "gone", "custody is as the bank says"
    stray = desk.key("corrections")
    of = working.shown(desk.url, stray).of
    assert (of.type, of.severity) == ("control", "critical")
    assert of.says.endswith("it says something else than what was approved")
    back = ("alice wallet USDT 25", "@house suspense USDT -25")
    _, mending = _approved(desk, subject="corrections", lines=back)
    live(desk.url, [mending.encode()], 13)
    assert _told(desk.run(file)) == ["what was booked as a correction was approved so"]
    assert working.shown(desk.url, stray).of.state == "corrected"


def test_a_correction_that_was_refused_after_all_and_booked_is_noticed(desk: Desk) -> None:
    file = desk.bank("bank.csv", *SOUND, *FEE)
    desk.run(file)
    key, adjustment = _approved(desk)
    working.do(desk.url, key, "refused", "maria", "mistyped")
    live(desk.url, [adjustment.encode()], 12)
    desk.run(file)
    (said,) = _told(desk.run(file))
    assert said.startswith("1 break: ")
    assert working.shown(desk.url, desk.key("corrections")).of.says.endswith(
        "its approval was gone"
    )


def test_a_correction_of_what_is_gone_is_offered_to_nobody_and_noticed_if_it_is_booked(
    desk: Desk,
) -> None:
    desk.run(desk.bank("bank.csv", *SOUND, *FEE))
    key, adjustment = _approved(desk)
    assert working.shown(desk.url, key).adjustment == adjustment
    without = desk.bank("bank.csv", *SOUND, closing="19900")
    assert desk.run(without)["acts"] == {"gone": 1}
    assert working.shown(desk.url, key).adjustment is None
    live(desk.url, [adjustment.encode()], 12)
    desk.run(without)
    assert working.shown(desk.url, desk.key("corrections")).of.says.endswith(
        "its approval was gone"
    )


def test_an_adjustment_with_an_id_that_nobody_proposed_is_noticed(desk: Desk) -> None:
    file = desk.bank("bank.csv", *SOUND, *FEE)
    desk.run(file)
    _, adjustment = _approved(desk)
    made_up = adjustment.replace(json.loads(adjustment)["event_id"], f"adj-{'0' * 16}-7")
    made_up = made_up.replace('"custody"', '"fees"')
    live(desk.url, [made_up.encode(), adjustment.encode()], 12)
    (said,) = _told(desk.run(file))
    assert said.startswith("1 break: ")
    assert desk.breaks()["B-3"] == "corrected", "the one that was approved is"


@pytest.mark.parametrize("change", ["written", "replaced", "gone"])
def test_a_file_that_changes_while_it_is_read_is_evidence_of_nothing(
    desk: Desk, change: str
) -> None:
    path = Path(desk.bank("bank.csv", *SOUND).partition("=")[2])

    def meanwhile(what: str, _count: int) -> None:
        if what != "bank: movements read":
            return
        other = path.with_suffix(".new")
        other.write_text(path.read_text().replace("-100", "-900"))
        if change == "written":
            path.write_text(other.read_text())
        elif change == "replaced":
            other.replace(path)
        else:
            path.unlink()

    rules = load_rules(DAY / "day.toml")
    with pytest.raises(ConfigurationError, match="was changed while it was read"):
        reconcile(desk.url, rules, {"bank": [path]}, "main", tell=meanwhile)


HOLDINGS = """version = 1
[sources.vault]
kind = "holdings"
format = "holdings-csv"
not_theirs = ["*-PERP"]
"""


def _later(number: int, day: int) -> bytes:
    """A deposit of a day after the 5th."""
    content = {"kind": "deposit", "account": "bob", "asset": "USDT", "amount": "70"}
    at = f"2026-01-{day:02}T09:00:00Z"
    return json.dumps(content | {"event_id": f"later-{number}", "occurred_at": at}).encode()


def test_a_closing_counts_what_occurred_by_then_however_late_it_was_booked(desk: Desk) -> None:
    file = desk.bank("bank.csv", *SOUND, *FEE, closing="19875")
    desk.run(file)
    key, adjustment = _approved(desk)
    live(desk.url, [_later(1, 7), adjustment.encode(), _later(2, 8)], 12)
    assert desk.run(file)["acts"] == {"corrected": 1}
    assert desk.breaks() == {"B-3": "corrected"}
    working.do(desk.url, key, "closed", "noor", "booked")
    wrong = desk.bank("bank.csv", *SOUND, *FEE, closing="19900")
    found = desk.run(wrong)["breaks"]
    assert isinstance(found, list)
    amounts = {(each["type"], each["ours"], each["theirs"]) for each in found}
    assert ("amount", "19875", "19900") in amounts


def test_a_snapshot_counts_what_occurred_by_then_however_late_it_was_booked(desk: Desk) -> None:
    rules = desk.folder / "vault.toml"
    rules.write_text(HOLDINGS)
    file = desk.folder / "vault.csv"
    file.write_text("at,account,commodity,amount\n2026-01-05T23:00:00Z,@custody,USDT,19875\n")
    words = ("run", str(rules), "--file", f"vault={file}", "--by", "rosa", "--json")
    assert json.loads(called(desk.url, *words).stdout)["acts"] == {"found": 1}
    (subject,) = desk.breaks()
    _, adjustment = _approved(desk, subject=subject)
    live(desk.url, [_later(1, 7), adjustment.encode()], 12)
    assert json.loads(called(desk.url, *words).stdout)["acts"] == {"corrected": 1}
    assert desk.breaks() == {subject: "corrected"}
