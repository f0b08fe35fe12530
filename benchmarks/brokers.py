"""The broker that is measured with: Apache Kafka where it can be run, else the embedded one.

Which one it was stands in the results. The embedded broker answers a fetch late, and the later the
more small batches it holds, so latency behind it says little about a ledger behind Apache Kafka.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from consumers.embedded import EmbeddedBroker
from tests.integration.consume.apache import ApacheKafka, NotAvailableError


class Broker(NamedTuple):
    """A running broker: which one it is, and where it listens."""

    name: str
    bootstrap_servers: str


@contextmanager
def started(wanted: str | None = None) -> Iterator[Broker]:
    """A broker without topics, for as long as the block runs.

    Args:
        wanted: `apache` or `embedded`; None: the first of the two that can be run here.
    """
    apache = None if wanted == "embedded" else _apache(needed=wanted == "apache")
    if apache is None:
        with EmbeddedBroker() as kafka:
            yield Broker("embedded", kafka.bootstrap_servers)
        return
    try:
        yield Broker("apache", apache.bootstrap_servers)
    finally:
        apache.stop()


def _apache(*, needed: bool) -> ApacheKafka | None:
    try:
        return ApacheKafka()
    except NotAvailableError:
        if needed:
            raise
        return None
