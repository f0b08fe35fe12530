"""The claims about any bytes, asked with the seeds and with generated changes of them.

Short here; `CLEARING_FUZZ_EXAMPLES=20000 pytest tests/fuzz` asks longer, and `make fuzz` is led by
the coverage of the code (docs/operating/bounds.md).
"""

import json
import os
import resource
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.codec.decoding import MESSAGE_BYTES_MAX, Undecodable, decode
from ledger.errors import ImportFailed
from ledger.importers import import_events
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.fuzz.claims import (
    event_is_decided_or_refused,
    file_is_events_or_failure,
    message_is_event_or_refusal,
)
from tests.fuzz.seeds import FILES, ODD_VALUES, seeds
from tests.unit.codec.messages import MESSAGES, text
from tests.unit.desk import BEGINNING, Desk

EXAMPLES = int(os.environ.get("CLEARING_FUZZ_EXAMPLES", "150"))
ASKED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SEEDS = seeds()["message"]

values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(ODD_VALUES),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=8,
    ),
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A sound message with some fields changed, taken away or added, or some bytes changed."""
    message = dict(MESSAGES[draw(st.sampled_from(sorted(MESSAGES)))])
    for name in draw(st.lists(st.sampled_from(sorted(message)), max_size=3)):
        if draw(st.booleans()):
            message[name] = draw(values)
        else:
            message.pop(name, None)
    if draw(st.integers(0, 4)) == 0:
        message[draw(st.text(max_size=12))] = draw(values)
    raw = json.dumps(message, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=8)) + raw[at + draw(st.integers(0, 8)) :]
    return raw


@pytest.mark.parametrize("raw", SEEDS, ids=range(len(SEEDS)))
def test_every_seed_is_an_event_or_a_refusal(raw: bytes) -> None:
    message_is_event_or_refusal(raw)
    event_is_decided_or_refused(raw)


@given(messages() | st.binary(max_size=200))
@ASKED
def test_anything_is_an_event_or_a_refusal(raw: bytes) -> None:
    message_is_event_or_refusal(raw)


@given(messages())
@ASKED
def test_whatever_decodes_is_decided_or_refused(raw: bytes) -> None:
    event_is_decided_or_refused(raw)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A venue's file with some fields changed, or some bytes."""
    source = draw(st.sampled_from(sorted(FILES)))
    lines = draw(st.sampled_from(FILES[source])).split("\n")
    for at in draw(st.lists(st.integers(0, len(lines) - 1), max_size=3)):
        fields = lines[at].split(",")
        fields[draw(st.integers(0, len(fields) - 1))] = str(draw(values))
        lines[at] = ",".join(fields)
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    at = draw(st.integers(0, len(content)))
    return source, content[:at] + draw(st.binary(max_size=3)) + content[at:]


@given(files())
@ASKED
def test_any_file_is_events_or_a_failure_with_its_line(
    tmp_path: Path, file: tuple[str, bytes]
) -> None:
    file_is_events_or_failure(*file, tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2019-05-03T12:00:09.576Z,XBTUSD,18,1e99,e9", r"line 2: field price is 1e99, expected at"),
        ("2019-05-03T12:00:09.576Z,XBTUSD,1e-19,5,e9", r"line 2: field size is 1e-19"),
        ("2019-05-03T12:00:09.576Z,XBTUSD," + "9" * 61 + ",5,e9", r"line 2: field size is '9{60}"),
        ("2019-05-03T12:00:09.576Z,XBTUSD,1,5,\udcff", r"line 2: is not UTF-8"),
    ],
)
def test_what_the_wire_cannot_carry_is_a_fault_of_its_line(
    tmp_path: Path, line: str, message: str
) -> None:
    path = tmp_path / "tape.csv"
    content = f"timestamp,symbol,size,price,trade_id\n{line}\n"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ImportFailed, match=message):
        list(import_events("bitmex", path))


HEAVY = {
    "faulty lines": text(MESSAGES["adjustment"], lines=[{}] * 250_000),
    "faulty tiers": text(MESSAGES["risk_tiers"], tiers=[{}] * 250_000),
    "faulty tags": text(MESSAGES["account"], tags=[1] * 300_000),
    "unknown fields": text(MESSAGES["deposit"], **{f"k{n}": 1 for n in range(80_000)}),
    "a long kind": text(MESSAGES["deposit"], kind="k" * 1_000_000),
    "a long amount": text(MESSAGES["deposit"], amount="1" * 1_000_000),
    "deep lists": b"[" * 1_000_000,
    "a long number": b"9" * 1_000_000,
    "one byte too many": b" " * (MESSAGE_BYTES_MAX + 1),
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_message_of_a_mebibyte_costs_bounded_memory(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert isinstance(decode(HEAVY[name]), Undecodable)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 250, f"{grown_mb:.0f} MB"


def test_all_seeds_are_stored_and_read_back(database_url: str) -> None:
    """Whatever was decided of them, PostgreSQL keeps their bytes and takes what is said of them."""
    desk = Desk()
    log = PostgresLog.connect(database_url, "test")
    writer = Writer(log)
    writer.assign([0])
    told = [*BEGINNING, *SEEDS, *(text({**MESSAGES["deposit"], "pool": odd}) for odd in ODD_VALUES)]
    taken = writer.take([desk.message(raw) for raw in told])
    log.close()
    assert taken.applied + taken.duplicates + taken.rejected == len(told)
    with psycopg.connect(database_url) as connection:
        kept = {raw for (raw,) in connection.execute("SELECT raw FROM ledger.event")}
        shown = connection.execute("SELECT count(*) FROM reporting.rejections").fetchone()
    assert kept == set(told) - _duplicates(taken.duplicates, told, kept)
    assert shown == (taken.rejected,)


def _duplicates(count: int, told: list[bytes], kept: set[bytes]) -> set[bytes]:
    """What was counted as a duplicate leaves no row; nothing else may be missing."""
    missing = set(told) - kept
    assert len(missing) <= count
    return missing
