"""A pool that halts while others of its partition go on, through a broker into PostgreSQL."""

from collections.abc import Sequence

import psycopg
import pytest
from typer.testing import CliRunner, Result

from consumers.one_message import fetch, identified
from consumers.run import run
from ledger.cli import app
from ledger.errors import BrokerError, ConfigurationError
from ledger.store.log.postgres import PostgresLog
from tests.integration.consume.desk import START_MS, Desk, event, opening, trade
from tests.unit.halting import BROKEN, UNLUCKY, unlucky_rules

pytestmark = pytest.mark.interpreted

ORDERED = ("--reason", "incident 7", "--made-by", "maria", "--checked-by", "noor")


def consume(desk: Desk, url: str) -> None:
    """A start of the writer: read from where the books stopped, to the end."""
    run(desk.settings, lambda: PostgresLog.connect(url, "test"))


def rows(url: str, pool: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT sequence, event_id, rejection, event.chain FROM ledger.event"
            " JOIN ledger.shard USING (shard) WHERE name = %s ORDER BY sequence",
            (pool,),
        ).fetchall()


def deposit(event_id: str, amount: str, pool: str = "main") -> dict[str, object]:
    money = {"account": "alice", "asset": "USDT", "amount": amount}
    return event(event_id, "deposit", pool=pool, **money)


def park(desk: Desk, url: str, offset: int, *more: str) -> Result:
    place = ("--topic", f"{desk.settings.prefix}.transfers", "--offset", str(offset))
    where = ("--kafka", desk.settings.bootstrap_servers, "--database-url", url)
    words: Sequence[str] = ("quarantine", "--pool", "main", *place, *ORDERED, *where, *more)
    return CliRunner().invoke(app, words)


def test_a_halted_pool_stays_while_another_goes_on_until_its_message_is_parked(
    desk: Desk, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk.send(*opening(), *opening("other"))
    desk.send(deposit("bad", UNLUCKY), deposit("next", "5"), at_ms=START_MS + 1)
    for number in range(5):
        desk.send(trade(f"t{number}"), trade(f"t{number}", pool="other"), at_ms=START_MS + 2)
    with unlucky_rules():
        consume(desk, database_url)
        assert f"offset 4 (deposit bad): AssertionError: {BROKEN}" in caplog.text
        first = rows(database_url, "main")
        assert {row[1] for row in first} == {each["event_id"] for each in opening()}
        assert len(rows(database_url, "other")) == 11

        desk.send(deposit("more", "7", "other"), at_ms=START_MS + 3)
        where = ("--kafka", desk.settings.bootstrap_servers, "--database-url", database_url)
        words = ["run", "--drain", "--topic-prefix", desk.settings.prefix, "--quiet", *where]
        stopped = CliRunner().invoke(app, words)
        assert stopped.exit_code == 1
        assert "HALTED: pool main is halted at event 7" in stopped.stderr
        assert rows(database_url, "main") == first
        assert [row[1] for row in rows(database_url, "other")][-1] == "more"

        wrong = park(desk, database_url, 5)
        assert isinstance(wrong.exception, ConfigurationError)
        assert "expects offset 4" in str(wrong.exception)
        assert park(desk, database_url, 4).exit_code == 0
        consume(desk, database_url)
    found = [(row[1], row[2]) for row in rows(database_url, "main")][6:]
    assert found == [
        ("bad", "quarantined"),
        ("next", None),
        *((f"t{number}", None) for number in range(5)),
    ]
    assert len(rows(database_url, "other")) == 12
    verified = CliRunner().invoke(app, ["verify", "--mode", "all", "--database-url", database_url])
    assert verified.exit_code == 0, verified.output


def test_a_message_is_fetched_by_its_place(desk: Desk) -> None:
    desk.put("trades", b"first")
    desk.put("trades", b"second", key=None, at_ms=START_MS + 5)
    source = identified(desk.settings, f"{desk.settings.prefix}.trades")
    found = fetch(desk.settings, source, 0, 1)
    assert (found.value, found.key, found.offset) == (b"second", None, 1)
    assert found.timestamp_ms == START_MS + 5
    with pytest.raises(BrokerError, match="no message at offset 2"):
        fetch(desk.settings._replace(request_timeout_ms=3_000), source, 0, 2)
    with pytest.raises(
        ConfigurationError, match="has 1 partitions, numbered from 0: there is no 7"
    ):
        fetch(desk.settings, source, 7, 0)
    with pytest.raises(ConfigurationError, match="no topic elsewhere"):
        identified(desk.settings, "elsewhere")
