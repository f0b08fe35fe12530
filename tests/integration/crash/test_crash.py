"""A few rounds of the crash matrix; `make crash-test` runs hundreds, on Apache Kafka too."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.__main__ import never_reached
from tests.crash.books import Wrong, require_same, write_faultless
from tests.crash.members import Written, require_one_writer
from tests.crash.proxy import Proxy
from tests.crash.servers import started
from tests.crash.stage import Stage
from tests.crash.steps import Plan, Point, places, step_of

_POINTS = (
    Point("fence", "after", 1),
    Point("posting", "within", 2),
    Point("commit", "after", 2),
    Point("letters", "before", 1),
)


@pytest.fixture(scope="module")
def stages() -> Iterator[Stage]:
    """Servers of this module's own, for it stops them."""
    with started("embedded") as servers, Stage.opened(*servers) as stage:
        yield stage


@pytest.fixture
def stage(stages: Stage) -> Iterator[Stage]:
    """A history of 80 events and something odd between them, and empty books."""
    with stages.round(7, ["main"], events=80, partitions=1):
        stages.batch = 15
        yield stages


@pytest.mark.timeout(300)
def test_a_run_killed_again_and_again_ends_in_the_same_books(stage: Stage) -> None:
    for point in _POINTS:
        victim = stage.start(Plan((point,)))
        victim.expect(-signal.SIGKILL)
        assert victim.reached == [str(point)]
    stage.start().expect(0)
    proof = stage.require_right()
    assert proof.events == stage.expected()
    with stage.postgres.books("shorter") as shorter:
        write_faultless(shorter, stage.settings.prefix, stage.messages[:-1], batch=15)
        with pytest.raises(Wrong, match="shards: found"):
            require_same(shorter, stage.url)


@pytest.mark.timeout(300)
def test_a_run_goes_on_after_the_database_was_stopped_at_once(stage: Stage) -> None:
    victim = stage.start(Plan((Point("posting", "after", 2, "tell"),)))
    assert victim.next_place() is not None
    stage.postgres.stop_immediately()
    stage.postgres.start_again()
    victim.expect(0)
    stage.require_right()


@pytest.mark.timeout(300)
def test_a_run_goes_on_after_the_answer_to_a_commit_was_lost(stage: Stage) -> None:
    with Proxy(stage.postgres.socket) as network:
        plan = Plan((Point("record", "before", 1, "tell"),), pace_ms=10)
        victim = stage.start(plan, url=stage.tcp_url(network.port))
        assert victim.next_place() is not None
        network.swallow(b"COMMIT")
        victim.expect(0)
        assert network.swallowed == 1
    stage.require_right()


@pytest.mark.timeout(300)
def test_a_writer_that_wakes_after_another_took_over_is_refused(stage: Stage) -> None:
    patience = {"ledger.store.log.ownership:PATIENCE_MS": 300}
    zombie = stage.start(Plan((Point("event", "within", 2, "stop"),)))
    assert zombie.next_place() is not None
    stage.start(Plan(constants=patience)).expect(0)
    zombie.signal(signal.SIGCONT)
    zombie.expect(1)
    assert "another writer" in zombie.words()
    stage.require_right()


def _written(**changes: int) -> Written:
    return Written(pid=1, at=0, shard=1, epoch=1, first=1, next=5)._replace(**changes)


def test_commits_of_one_writer_after_another_are_allowed() -> None:
    require_one_writer([_written(), _written(first=5, next=9), _written(pid=2, epoch=2, first=9)])


@pytest.mark.parametrize(
    "second",
    [
        _written(pid=2, first=5, next=9),
        _written(pid=2, epoch=2, first=3, next=9),
        _written(first=7, next=9),
        _written(epoch=0, first=5, next=9),
    ],
    ids=["two of one epoch", "the same sequences", "a gap", "an older epoch"],
)
def test_commits_of_two_writers_are_found(second: Written) -> None:
    with pytest.raises(Wrong):
        require_one_writer([_written(), second])


def test_a_kind_of_round_that_never_broke_anything_is_found() -> None:
    rounds = [("kill", True), *[("kill", False)] * 4, *[("group", False)] * 3, ("cut", False)]
    assert never_reached(rounds) == ["group"]


def test_every_statement_of_a_batch_is_a_place(request: pytest.FixtureRequest) -> None:
    source = Path(request.config.rootpath) / "ledger" / "store" / "log" / "packing.py"
    targets = [line.split('"')[1] for line in source.read_text().splitlines() if '"ledger.' in line]
    steps = {step_of(f"COPY {target} FROM STDIN") for target in targets}
    assert len(targets) >= 6
    assert None not in steps
    assert {(step, "within") for step in steps} <= set(places())
