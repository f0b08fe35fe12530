"""Books of another history than the topic's, on the real thing: refused until told where from."""

import json

import pytest

from ledger.errors import StoreError
from ledger.store.embedded import Embedded
from tests.integration.consume.desk import Desk
from tests.integration.consume.test_publish import Market, published
from tests.integration.varied_books import fresh


def test_books_that_outgrew_the_topic_in_another_way_are_refused_until_told_where_from(
    desk: Desk, database_url: str, postgres: Embedded
) -> None:
    Market(database_url, ["main"]).tick(*["main"] * 3)
    published(desk, database_url)
    with fresh(postgres, "another_history") as other:
        market = Market(other, ["main", "coin"])
        for _ in range(3):
            market.tick("main", "main")
        with pytest.raises(StoreError, match=r"pool main, sequence 9: .*--pool main --from N"):
            published(desk, other)
        anew = published(desk, other, "--pool", "main", "--from", "7")
        assert json.loads(anew.stdout)["published"] == 6
        market.tick("main")
        assert json.loads(published(desk, other).stdout)["published"] == 1
