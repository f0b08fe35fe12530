"""Taking a shard over from a writer that froze, and what that writer may do when it wakes."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from ledger.errors import FenceLost, ShardBusy, StoreUnavailable
from ledger.ports import Snapshot
from ledger.store import connecting
from ledger.store.log import ownership
from ledger.store.log import postgres as log
from ledger.store.log.ownership import Tenure
from ledger.store.log.postgres import PostgresLog
from tests.contract.entries import batch
from tests.crash.proxy import Proxy


@pytest.fixture
def frozen(database_url: str) -> Iterator[PostgresLog]:
    """A writer that stands still in the middle of a COPY, holding the row of its shard."""
    writer = PostgresLog.connect(database_url, "frozen", tenure=Tenure())
    shard = writer.declare("main", 0).shard
    writer.acquire(shard)
    freeze(writer, shard)
    yield writer
    writer.connection.close()


def freeze(writer: PostgresLog, shard: int) -> None:
    writer.connection.execute("BEGIN")
    writer.connection.execute("UPDATE ledger.shard SET duplicates = 7 WHERE shard = %s", (shard,))
    writer.connection.pgconn.exec_(b"COPY ledger.event FROM STDIN")


@pytest.mark.usefixtures("frozen")
def test_a_writer_frozen_within_a_copy_is_ended_by_its_heir(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "PATIENCE_MS", 200)
    heir = PostgresLog.connect(database_url, "heir")
    began = time.monotonic()
    taken = heir.acquire(1)
    assert time.monotonic() - began < 5
    assert (taken.epoch, taken.duplicates) == (2, 0)
    assert heir.connection.execute("SELECT current_user").fetchone() == ("clearing_writer",)
    heir.close()


@pytest.mark.usefixtures("frozen")
def test_a_writer_that_may_not_end_another_s_backend_waits_and_says_so(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ownership, "PATIENCE_MS", 100)
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE other_login LOGIN")
        admin.execute("GRANT clearing_writer TO other_login WITH SET TRUE, INHERIT FALSE")
    heir = PostgresLog.connect(database_url.replace("postgres:@", "other_login@"), "heir")
    heir.connection.execute("SET lock_timeout = '300ms'")
    with pytest.raises(StoreUnavailable, match="lock timeout"):
        heir.acquire(1)
    assert "not allowed to end backend" in caplog.text
    assert heir.connection.execute("SELECT current_user").fetchone() == ("clearing_writer",)
    heir.close()
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("REVOKE clearing_writer FROM other_login")
        admin.execute("DROP ROLE other_login")


def test_a_frozen_writer_that_had_taken_over_from_a_live_one_is_ended_by_its_heir(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "PATIENCE_MS", 200)
    first, second, third = (
        PostgresLog.connect(database_url, name) for name in ("first", "second", "third")
    )
    shard = first.declare("main", 0).shard
    first.acquire(shard)
    second.acquire(shard)
    first.close()
    freeze(second, shard)
    third.connection.execute("SET lock_timeout = '2s'")
    assert third.acquire(shard).epoch == 3
    second.connection.close()
    third.close()


def test_a_writer_that_took_over_is_found_busy_once_its_forerunner_is_gone(
    database_url: str,
) -> None:
    first, heir, other = (
        PostgresLog.connect(database_url, name) for name in ("first", "heir", "other")
    )
    shard = first.declare("main", 0).shard
    first.acquire(shard)
    owned = heir.acquire(shard)
    first.close()
    heir.append([batch(owned)])
    with pytest.raises(ShardBusy, match="heir"):
        other.acquire(shard, take_over=False)
    heir.release(shard)
    assert other.acquire(shard, take_over=False).epoch == 3
    heir.close()
    other.close()


class Halfway:
    """A connection that stops for a while before it prunes."""

    def __init__(self, connection: psycopg.Connection, meanwhile: Callable[[], None]) -> None:
        self.transaction = connection.transaction
        self._connection, self._meanwhile = connection, meanwhile

    def execute(self, query: str, values: Sequence[object]) -> psycopg.Cursor:
        if "prune" in query:
            self._meanwhile()
        return self._connection.execute(query.encode(), values)


def test_a_writer_that_froze_while_it_kept_a_state_does_not_hold_up_its_heir(
    database_url: str,
) -> None:
    first, heir = (PostgresLog.connect(database_url, name) for name in ("first", "heir"))
    shard = first.declare("main", 0).shard
    heir.connection.execute("SET lock_timeout = '300ms'")
    state = Snapshot(1, 1, b"state")
    halfway: Any = Halfway(first.connection, lambda: heir.save_snapshot(shard, state))
    PostgresLog(halfway).save_snapshot(shard, state)
    assert heir.latest_snapshot(shard) == state
    first.close()
    heir.close()


def test_whoever_does_not_take_over_leaves_a_frozen_writer_alone(
    frozen: PostgresLog, database_url: str
) -> None:
    heir = PostgresLog.connect(database_url, "heir")
    with pytest.raises(ShardBusy, match="frozen"):
        heir.acquire(1, take_over=False)
    heir.close()
    with psycopg.connect(database_url) as watching:
        assert watching.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = %s",
            (frozen.connection.info.backend_pid,),
        ).fetchone() == (1,)


def test_a_run_does_not_take_back_what_another_took_meanwhile(database_url: str) -> None:
    tenure = Tenure()
    first = PostgresLog.connect(database_url, "first", tenure=tenure)
    shard = first.declare("main", 0).shard
    first.acquire(shard)
    first.close()
    again = PostgresLog.connect(database_url, "first", tenure=tenure)
    assert again.acquire(shard).epoch == 2, "nobody else has had it"
    heir = PostgresLog.connect(database_url, "heir")
    heir.acquire(shard)
    again.close()
    woken = PostgresLog.connect(database_url, "first", tenure=tenure)
    with pytest.raises(FenceLost, match="found epoch 3, expected 2 or less"):
        woken.acquire(shard)
    assert heir.shards()[0].epoch == 3, "the heir keeps it"
    woken.close()
    heir.close()


def test_a_run_takes_again_what_it_took_with_a_lost_answer(database_url: str) -> None:
    tenure = Tenure()
    first = PostgresLog.connect(database_url, "first", tenure=tenure)
    shard = first.declare("main", 0).shard
    first.acquire(shard)
    first.connection.execute("UPDATE ledger.shard SET epoch = epoch + 1")
    tenure.trying(shard)
    first.close()
    again = PostgresLog.connect(database_url, "first", tenure=tenure)
    assert again.acquire(shard).epoch == 3
    again.close()


def test_what_was_given_back_may_be_taken_again(database_url: str) -> None:
    tenure = Tenure()
    member = PostgresLog.connect(database_url, "member", tenure=tenure)
    shard = member.declare("main", 0).shard
    member.acquire(shard)
    member.release(shard)
    other = PostgresLog.connect(database_url, "other")
    other.acquire(shard)
    other.close()
    assert member.acquire(shard).epoch == 3
    member.close()


def test_a_server_that_stays_silent_is_given_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "ANSWER_S", 0.3)
    monkeypatch.setattr(connecting, "CONNECT_S", 0.3)
    directory = database_url.split("?host=")[1]
    database = database_url.split("?", maxsplit=1)[0].rpartition("/")[2]
    with Proxy(f"{directory}/.s.PGSQL.5432") as network:
        url = f"postgresql://postgres@127.0.0.1:{network.port}/{database}?gssencmode=disable"
        books = PostgresLog.connect(url, "test")
        network.stall()
        with pytest.raises(StoreUnavailable, match="did not answer"):
            books.shards()
        books.close()
