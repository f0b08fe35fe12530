"""A caller may spend what its bucket holds, and then as much as flows in."""

from ledger.web.limits import Limits


class Clock:
    """Seconds that go when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_answered_and_then_the_rate_holds() -> None:
    clock = Clock()
    limits = Limits(60, 3, clock)
    assert [limits.wait_s("one") for _ in range(5)] == [0, 0, 0, 1, 1]
    clock.now = 1.0
    assert [limits.wait_s("one") for _ in range(2)] == [0, 1]
    clock.now = 1_000.0
    assert [limits.wait_s("one") for _ in range(4)] == [0, 0, 0, 1]


def test_the_wait_that_is_told_is_enough() -> None:
    clock = Clock()
    limits = Limits(6, 1, clock)
    assert limits.wait_s("one") == 0
    wait_s = limits.wait_s("one")
    assert wait_s == 10
    clock.now += wait_s
    assert limits.wait_s("one") == 0


def test_callers_have_buckets_of_their_own() -> None:
    limits = Limits(60, 1, Clock())
    assert limits.wait_s("one") == 0
    assert limits.wait_s("other") == 0
    assert limits.wait_s("one") > 0


def test_buckets_that_are_full_again_are_forgotten() -> None:
    clock = Clock()
    limits = Limits(60, 2, clock)
    for caller in range(999):
        limits.wait_s(f"caller {caller}")
    assert len(limits) == 999
    clock.now = 60.0
    limits.wait_s("one more")
    assert len(limits) == 1
