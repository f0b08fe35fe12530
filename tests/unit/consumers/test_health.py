"""Health says what is so and why, and its server answers without keeping anybody waiting."""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from consumers.health import Health, HealthServer, Page, health_page
from consumers.telemetry import Telemetry
from ledger.errors import ConfigurationError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(30.0, clock)


def reading(health: Health) -> None:
    health.partitions = (0,)


def reasons(answer: tuple[bool, dict[str, object]]) -> str:
    is_good, said = answer
    assert isinstance(said["reasons"], list)
    assert is_good is (said["reasons"] == [])
    return "; ".join(said["reasons"])


def test_a_loop_that_goes_round_is_alive(health: Health, clock: Clock) -> None:
    clock.now += 120
    assert health.alive()[0]


def test_a_loop_that_hangs_is_not_alive(health: Health, clock: Clock) -> None:
    reading(health)
    clock.now += 121
    assert reasons(health.alive()) == "the loop last went round 121 s ago, 120 s allowed"
    assert "see /healthz" in reasons(health.ready())


def test_rebuilding_a_shard_may_take_an_hour(health: Health, clock: Clock) -> None:
    health.rebuilding, health.rebuilding_since = "main", clock.now
    clock.now += 3600
    assert health.alive()[0]
    assert reasons(health.ready()) == "the state of main is being rebuilt"
    clock.now += 1
    assert "main is being rebuilt for more than" in reasons(health.alive())


def test_without_a_partition_it_is_not_ready(health: Health) -> None:
    assert reasons(health.ready()) == "no partition is assigned to this process"
    reading(health)
    assert health.ready()[0]


def test_it_is_not_ready_before_every_topic_was_heard_of(health: Health) -> None:
    reading(health)
    health.unknown = ("trades/0",)
    assert reasons(health.ready()) == "nothing was heard yet of trades/0"


def test_a_lag_at_the_bound_is_ready_and_one_above_is_not(health: Health) -> None:
    reading(health)
    health.lag_s = 30.0
    assert health.ready()[0]
    health.lag_s = 30.1
    assert reasons(health.ready()) == "30.1 s behind, 30 s allowed"


def test_after_a_fault_it_is_not_ready_until_something_works(health: Health) -> None:
    reading(health)
    health.fault = "the server closed the connection"
    assert reasons(health.ready()) == "starting over after: the server closed the connection"


@pytest.fixture
def served() -> Iterator[tuple[Telemetry, HealthServer]]:
    telemetry = Telemetry()
    with HealthServer("127.0.0.1", 0, telemetry.pages()) as server:
        yield telemetry, server


def get(server: HealthServer, path: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers["Content-Type"], refused.read()


def test_health_is_answered_with_a_status_and_reasons(
    served: tuple[Telemetry, HealthServer],
) -> None:
    telemetry, server = served
    assert get(server, "/healthz")[0] == 200
    status, kind, body = get(server, "/readyz")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body)["reasons"] == ["no partition is assigned to this process"]
    telemetry.health.partitions = (0,)
    assert get(server, "/readyz?verbose")[0] == 200


def test_metrics_are_in_the_format_of_prometheus(served: tuple[Telemetry, HealthServer]) -> None:
    status, kind, body = get(served[1], "/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert b"\nclearing_applied_total 0.0\n" in body


def test_an_unknown_page_names_those_there_are(served: tuple[Telemetry, HealthServer]) -> None:
    assert get(served[1], "/")[::2] == (404, b"pages: /healthz, /metrics, /readyz\n")


def test_a_client_that_says_nothing_keeps_nobody_waiting(
    served: tuple[Telemetry, HealthServer],
) -> None:
    with socket.create_connection(("127.0.0.1", served[1].port)):
        assert get(served[1], "/healthz")[0] == 200


def test_a_client_that_hangs_up_leaves_no_trace_and_a_page_that_fails_one_line(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    sent = threading.Event()

    def large() -> Page:
        sent.wait(5)
        return Page(HTTPStatus.OK, "text/plain", b"x" * 5_000_000)

    def broken() -> Page:
        raise ZeroDivisionError

    with HealthServer("127.0.0.1", 0, {"/large": large, "/broken": broken}) as server:
        client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        sent.set()
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as other:
            other.sendall(b"GET /broken HTTP/1.0\r\n\r\n")
            assert other.recv(1) == b""
        for thread in [one for one in threading.enumerate() if "process_request" in one.name]:
            thread.join(5)
    assert [record.getMessage() for record in caplog.records] == ["page failed"]
    assert capfd.readouterr() == ("", ""), "standard error is for the log, one object a line"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_it_listens_on_an_address_of_version_six() -> None:
    try:
        server = HealthServer("::1", 0, {})
    except ConfigurationError:
        pytest.skip("this machine has no ::1")
    with server, socket.create_connection(("::1", server.port), timeout=5) as client:
        assert client.getpeername()[0] == "::1"


def test_a_closed_server_gives_its_port_back() -> None:
    pages = {"/": health_page(lambda: (True, {}))}
    first = HealthServer("127.0.0.1", 0, pages)
    first.close()
    with HealthServer("127.0.0.1", first.port, pages) as second:
        assert get(second, "/")[0] == 200


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with (
        HealthServer("127.0.0.1", 0, {}) as first,
        pytest.raises(ConfigurationError, match="choose with --metrics-address"),
    ):
        HealthServer("127.0.0.1", first.port, {})


def test_a_page_that_says_no_is_unavailable() -> None:
    page = health_page(lambda: (False, {"reasons": ["asleep"]}))()
    assert page == Page(page.status, "application/json", b'{"reasons": ["asleep"]}\n')
    assert page.status == 503
