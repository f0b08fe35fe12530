"""The brokers that the same tests run on, and a desk with topics of its own for each test."""

import os
import uuid
from collections.abc import Iterator

import pytest

from consumers.embedded import EmbeddedBroker
from ledger.errors import ConfigurationError
from tests.integration.consume.apache import ApacheKafka, NotAvailableError
from tests.integration.consume.desk import Broker, Desk

_APACHE = pytest.param("apache", marks=[pytest.mark.kafka, pytest.mark.timeout(600)])


@pytest.fixture(scope="session", params=["embedded", _APACHE])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """The embedded broker, then Apache Kafka (else the one that `CLEARING_KAFKA` names)."""
    running: EmbeddedBroker | ApacheKafka
    try:
        running = EmbeddedBroker() if request.param == "embedded" else ApacheKafka()
    except ConfigurationError as missing:
        pytest.skip(str(missing))
    except NotAvailableError as missing:
        named = os.environ.get("CLEARING_KAFKA")
        if named is None:
            pytest.skip(f"{missing}, and CLEARING_KAFKA names no other broker")
        yield Broker("apache", named)
        return
    yield Broker(request.param, running.bootstrap_servers)
    running.stop()


@pytest.fixture
def desk(broker: Broker) -> Iterator[Desk]:
    """Topics of one partition, a producer and empty books."""
    with Desk(broker, f"t{uuid.uuid4().hex[:8]}", partitions=1) as made:
        yield made


@pytest.fixture
def wide_desk(broker: Broker) -> Iterator[Desk]:
    """The same with two partitions."""
    with Desk(broker, f"t{uuid.uuid4().hex[:8]}", partitions=2) as made:
        yield made
