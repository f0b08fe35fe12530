"""Internal controls over books full of defaults hold; and each tells what a superuser altered."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import psycopg
import pytest

from ledger.errors import ConfigurationError
from ledger.recon.controls import Checked, EndOffsets, check_controls
from ledger.recon.rules import ControlRules
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.recon.sums import Taken
from ledger.writer import Writer
from tests.conftest import url_of
from tests.integration.leveraged_books import Books
from tests.integration.test_margin_views import inventory
from tests.integration.test_tampering import altered

SEED = 210
BATCHES, BATCH_EVENTS = 12, 30
NAMES = ["zero_sum", "custody", "funding", "shortfall"]


@pytest.fixture(scope="module")
def lived(postgres: Embedded) -> Iterator[str]:
    """Books with fundings, liquidations, deleveraging and uncovered losses."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE controlled TEMPLATE template")
        url = url_of(postgres, "controlled")
        log = PostgresLog.connect(url, "test")
        writer, books = Writer(log), Books(SEED)
        writer.take(books.beginning())
        for _ in range(BATCHES):
            books.inventory = inventory(writer.state("main"))
            writer.take(books.messages(BATCH_EVENTS))
        log.close()
        yield url
        connection.execute("DROP DATABASE controlled WITH (FORCE)")


@pytest.fixture
def copied(postgres: Embedded, lived: str) -> Iterator[str]:
    """A copy that may be altered."""
    assert lived
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE controlled_copy TEMPLATE controlled")
        yield url_of(postgres, "controlled_copy")
        connection.execute("DROP DATABASE controlled_copy WITH (FORCE)")


def broken(checked: Checked) -> list[str]:
    return [control.name for control in checked.controls if not control.holds]


def one(url: str, query: str) -> tuple[object, ...]:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return tuple(row)


def test_all_controls_hold_as_of_any_event(lived: str) -> None:
    now = check_controls(lived, "main")
    assert now.breaks == ()
    assert [control.name for control in now.controls] == NAMES
    assert all(control.checked for control in now.controls), "each had something to look at"
    for at in range(1, now.sequence, 37):
        assert check_controls(lived, "main", at).breaks == ()


def test_the_losses_are_what_the_fund_deleveraging_and_nobody_bore(lived: str) -> None:
    shortfall = check_controls(lived, "main").controls[3].says

    def drawn(of: str) -> str:
        change = f"ledger.figure(f.body, '{of}_before') - ledger.figure(f.body, '{of}_after')"
        return f"sum(greatest({change}, 0))"

    (fund, uncovered) = one(
        lived,
        f"SELECT {drawn('insurance')}, {drawn('deficit')} FROM ledger.decided f"
        " WHERE kind = 'fund'",
    )
    (taken,) = one(
        lived,
        "SELECT sum(ledger.figure(body, 'loss_absorbed')) FROM ledger.decided"
        " WHERE kind = 'deleveraging'",
    )
    parts = [Decimal(str(each or 0)) for each in (fund, taken, uncovered)]
    assert all(parts)
    told = [
        Decimal(word.strip(",")) for word in shortfall.replace(":", "").split() if word[0].isdigit()
    ]
    assert told == [sum(parts), *parts]


def test_a_balance_that_was_raised_breaks_zero_sum_and_custody(copied: str) -> None:
    altered(
        copied,
        "UPDATE ledger.posting SET balance = balance + 250 WHERE (account, account_sequence) ="
        " (SELECT p.account, max(p.account_sequence) FROM ledger.posting p"
        " JOIN ledger.account a USING (shard, account) WHERE a.kind = 'wallet' GROUP BY 1 LIMIT 1)",
    )
    checked = check_controls(copied, "main")
    assert broken(checked) == ["zero_sum", "custody"]
    assert len({abs(each.difference) for each in checked.breaks}) == 1
    assert {each.source for each in checked.breaks} == {"internal"}
    assert {each.severity for each in checked.breaks} == {"critical"}


def test_a_funding_that_pays_out_more_is_found_with_the_amount(copied: str) -> None:
    (sequence, line, scale) = one(
        copied,
        "SELECT p.sequence, p.line, c.scale::int FROM ledger.posting p"
        " JOIN ledger.commodity c USING (shard, commodity)"
        " JOIN ledger.account a USING (shard, account)"
        " WHERE p.purpose = 6 AND p.amount > 0 AND a.kind = 'wallet' LIMIT 1",
    )
    altered(
        copied,
        "UPDATE ledger.posting SET amount = amount + 7"
        f" WHERE sequence = {sequence} AND line = {line}",
    )
    checked = check_controls(copied, "main")
    assert broken(checked) == ["funding"]
    (found,) = checked.breaks
    assert found.difference == Decimal(7).scaleb(-int(str(scale)))


@pytest.mark.parametrize("kind", ["fund", "deleveraged"])
def test_a_record_that_tells_another_figure_than_was_posted_is_found(
    copied: str, kind: str
) -> None:
    (sequence, line, body) = one(
        copied,
        "SELECT sequence, line, convert_from(body, 'UTF8') FROM ledger.record"
        f" WHERE kind = '{kind}' LIMIT 1",
    )
    told = json.loads(str(body))
    key = "insurance_after" if kind == "fund" else "amount"
    told[key] = str(Decimal(told[key]) + 5)
    changed = json.dumps(told, separators=(",", ":"))
    altered(
        copied,
        f"UPDATE ledger.record SET body = convert_to('{changed}', 'UTF8')"
        f" WHERE sequence = {sequence} AND line = {line}",
    )
    checked = check_controls(copied, "main")
    assert broken(checked) == ["shortfall"]
    assert {abs(each.difference) for each in checked.breaks} == {Decimal(5)}


def test_topics_must_end_where_our_books_have_read_to(copied: str) -> None:
    altered(
        copied,
        "INSERT INTO ledger.source (cluster, topic_id, topic) VALUES ('c', 't', 'clearing.trades')",
        "INSERT INTO ledger.source_offset (shard, source, partition, next_offset)"
        " SELECT s.shard, t.source, 0, 100 FROM ledger.shard s, ledger.source t"
        " WHERE s.name = 'main' AND t.cluster = 'c'",
    )

    def ends(at: int) -> object:
        def asked(taken: Sequence[Taken]) -> Mapping[tuple[str, int], int]:
            assert [(each.topic, each.partition, each.next_offset) for each in taken] == [
                ("clearing.trades", 0, 100)
            ]
            return {("clearing.trades", 0): at}

        return asked

    def told(at: int, behind: int = 0) -> Checked:
        rules = ControlRules(kafka_behind_max=behind)
        return check_controls(copied, "main", rules=rules, end_offsets=ends(at))  # type: ignore[arg-type]

    assert told(100).breaks == ()
    assert told(103, behind=3).breaks == ()
    for at in (104, 99):
        (found,) = told(at, behind=3).breaks
        assert found.subject == "kafka clearing.trades/0"
        assert (found.ours, found.theirs) == (Decimal(100), Decimal(at))


Place = tuple[str, str]
OLD, NEW = ("c", "t1"), ("c2", "t2")


def _read_twice(url: str) -> None:
    """Offsets of a topic up to 900, and of one that was made again on a new cluster up to 50."""
    altered(
        url,
        *(
            f"INSERT INTO ledger.source (cluster, topic_id, topic) VALUES ('{cluster}',"
            f" '{topic}', 'clearing.trades')"
            for cluster, topic in (OLD, NEW)
        ),
        "INSERT INTO ledger.source_offset (shard, source, partition, next_offset)"
        " SELECT s.shard, t.source, 0, CASE t.topic_id WHEN 't1' THEN 900 ELSE 50 END"
        " FROM ledger.shard s, ledger.source t WHERE s.name = 'main' AND t.cluster <> 'file'",
    )


def _broker(places: Mapping[Place, int]) -> EndOffsets:
    """A broker that has these, by cluster and topic id: where each ends."""

    def asked(taken: Sequence[Taken]) -> Mapping[tuple[str, int], int]:
        return {
            (each.topic, each.partition): places[each.cluster, each.topic_id]
            for each in taken
            if (each.cluster, each.topic_id) in places
        }

    return asked


@pytest.mark.parametrize(
    ("places", "figures"),
    [
        ({NEW: 50}, None),
        ({OLD: 900}, None),
        ({NEW: 57}, (50, 57)),
        ({NEW: 49}, (50, 49)),
        ({("c2", "t3"): 5}, (50, 0)),
        ({}, (50, 0)),
    ],
    ids=["made again", "back on the old", "behind", "beyond", "made again unread", "dropped"],
)
def test_of_a_topic_that_was_made_again_the_one_that_is_there_counts(
    copied: str, places: Mapping[Place, int], figures: tuple[int, int] | None
) -> None:
    _read_twice(copied)
    checked = check_controls(copied, "main", end_offsets=_broker(places))
    (control,) = [each for each in checked.controls if each.name == "kafka"]
    assert control.checked == 1
    assert control.holds == (figures is None)
    expected = [] if figures is None else [tuple(map(Decimal, figures))]
    assert [(each.ours, each.theirs) for each in checked.breaks] == expected


def test_a_topic_that_is_retired_is_not_looked_for(copied: str) -> None:
    _read_twice(copied)
    lost = check_controls(copied, "main", end_offsets=_broker({}))
    assert "is there no more, or is another one under its name" in lost.breaks[0].says
    rules = ControlRules(kafka_retired=("clearing.trades",))
    assert check_controls(copied, "main", rules=rules, end_offsets=_broker({})).breaks == ()


def test_a_pool_or_an_event_that_is_not_there_is_named(lived: str) -> None:
    with pytest.raises(ConfigurationError, match="pool other: these books have main"):
        check_controls(lived, "other")
    with pytest.raises(ConfigurationError, match="--at 99999: pool main has the events 1 to"):
        check_controls(lived, "main", 99_999)
