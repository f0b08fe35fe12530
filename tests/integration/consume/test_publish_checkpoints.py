"""Checkpoints of a database on a broker: the values, one a line, are an anchor file."""

import json
from pathlib import Path

from kafka import TopicPartition

from consumers.checkpoints import publishing
from consumers.clients import consumer
from consumers.topics import CHECKPOINTS, name
from ledger.audit.verification.verify import Scope, verify
from ledger.store.log.feed import PostgresFeed
from tests.integration.consume.desk import Desk
from tests.integration.consume.test_publish import published
from tests.integration.sealed_books import write


def test_what_is_published_anchors_the_books(desk: Desk, database_url: str, tmp_path: Path) -> None:
    write(database_url)
    told = json.loads(published(desk, database_url).stdout)
    assert told["checkpoints"] == 7
    assert json.loads(published(desk, database_url).stdout)["checkpoints"] == 0
    place = TopicPartition(name(desk.settings.prefix, CHECKPOINTS), 0)
    reader = consumer(desk.settings._replace(group=None))
    reader.assign([place])
    reader.seek(place, 0)
    values: list[bytes] = []
    while len(values) < 7:
        values += [record.value for record in reader.poll(1_000).get(place, [])]
    reader.close(timeout_ms=1_000)
    anchors = tmp_path / "anchors.jsonl"
    anchors.write_bytes(b"".join(value + b"\n" for value in values))
    verdict = verify(database_url, Scope("quick", anchors=anchors))
    assert verdict.is_good
    assert verdict.anchors[0] == 7


def test_the_feed_hands_out_what_the_publisher_asks(desk: Desk, database_url: str) -> None:
    write(database_url)
    feed = PostgresFeed.connect(database_url, "test")
    with publishing(desk.settings, feed, "main") as made:
        assert made.send_new() == 4
    feed.close()
