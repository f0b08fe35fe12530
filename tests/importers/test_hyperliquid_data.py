"""Real Hyperliquid fills through the importer, the codec and the core, against the venue's figures.

The expectations are read from the venue's files by `tests.importers.venue`.
"""

from collections import Counter
from decimal import Decimal

import pytest

from ledger.errors import ImportFailed
from ledger.importers import ImportOptions, import_events
from ledger.importers.deals import COUNTERPARTY
from ledger.importers.hyperliquid import GAP_ACCOUNT
from tests.importers.conftest import Imported
from tests.importers.venue import GAPPY, HISTORIES, NODE_BLOCKS, NODE_TRADES, venue_file

BIG = "0x513b8629fe877bb581bf244e326a047b249c4ff1"


def test_final_positions_are_the_venues_to_the_last_digit(imported: Imported) -> None:
    books, _, expected = imported
    own = {
        pair: size
        for pair, size in books.positions().items()
        if pair[0] not in (COUNTERPARTY, GAP_ACCOUNT)
    }
    assert own == expected.positions


def test_fees_are_the_venues_to_the_micro_dollar(imported: Imported) -> None:
    books, _, expected = imported
    assert {account: books.fees_paid(account) for account in expected.fees} == expected.fees
    assert sum(expected.fees.values()) > 0


def test_every_closing_is_within_one_tick_of_entry_price(imported: Imported) -> None:
    books, _, expected = imported
    far = [
        closing
        for closing in expected.closings
        if abs(books.realized_pnl(closing.event_id, closing.account) - closing.pnl)
        > closing.tolerance
    ]
    assert far == []


def test_a_closing_on_an_inferred_entry_price_is_exact(imported: Imported) -> None:
    books, _, expected = imported
    exact = expected.of_basis("first", "inferred")
    assert exact
    for closing in exact:
        assert books.realized_pnl(closing.event_id, closing.account) == closing.pnl, closing


def test_the_venues_pnl_follows_from_the_ledgers_cost_by_truncation(imported: Imported) -> None:
    """The whole difference is the venue's truncation: the costs behind it are the same."""
    books, _, expected = imported
    closings = expected.of_basis("opened")
    assert closings
    for closing in closings:
        entry = books.entry_price(closing.event_id, closing.account, closing.instrument)
        assert closing.is_explained_by(entry), (closing, entry)


def test_realized_in_total_is_the_venues_to_a_millionth(imported: Imported) -> None:
    """Each closing on the ledger's cost with the venue's truncation; they differ by rounding."""
    books, _, expected = imported
    ours = venues = Decimal(0)
    for closing in expected.of_basis("opened", "first", "inferred"):
        entry = books.entry_price(closing.event_id, closing.account, closing.instrument)
        ours += min(closing.venue_pnls(entry), key=lambda pnl: abs(pnl - closing.pnl))
        venues += closing.pnl
    assert abs(ours - venues) <= abs(venues) / 1_000_000


def test_node_fills_count_as_published(node: Imported) -> None:
    books, report, expected = node
    assert report.rows == 2252
    assert report.left_out == {"spot fills": 170}
    assert report.events["trade"] == 2082
    assert report.events["instrument"] == 151
    assert report.liquidations == 1
    assert report.gaps == []
    assert report.entries_inferred == 769
    assert len(report.entries_assumed) == 509
    counts = Counter(closing.basis for closing in expected.closings)
    assert counts == {"first": 769, "inferred": 1150, "increased": 114, "opened": 109}
    assert counts.total() == 2142
    assert len(books.events) == sum(report.events.values()) == 4152


def test_raw_blocks_give_the_same_events_as_the_table() -> None:
    table = import_events("hyperliquid", venue_file(NODE_TRADES))
    blocks = import_events("hyperliquid", venue_file(NODE_BLOCKS))
    assert list(table) == list(blocks)


def test_the_histories_show_exactly_their_four_gaps(histories: Imported) -> None:
    _, report, expected = histories
    assert [
        (gap.account, gap.instrument, gap.occurred_at[:16], gap.missing) for gap in report.gaps
    ] == [
        (BIG, "BTC-PERP", "2025-04-10T16:07", "3.50772"),
        (BIG, "BTC-PERP", "2025-04-15T03:34", "-1.49035"),
        (BIG, "SOL-PERP", "2025-04-19T02:30", "-2292.11"),
        (BIG, "BTC-PERP", "2025-04-22T17:33", "34.57581"),
    ]
    assert expected.gaps == [(gap.account, gap.instrument) for gap in report.gaps]
    assert not report.is_clean
    assert len([line for line in report.lines() if line.startswith("GAP: line ")]) == 4


def test_the_histories_have_3827_closings(histories: Imported) -> None:
    _, report, expected = histories
    assert len(expected.closings) == 3827
    assert len(expected.of_basis("first")) == 3, "one behind each gap that leaves a position"
    assert report.left_out == {"spot fills": 1082}


def test_the_gappy_stream_shows_all_its_199_gaps(gappy: Imported) -> None:
    _, report, expected = gappy
    assert len(report.gaps) == 199
    assert expected.gaps == [(gap.account, gap.instrument) for gap in report.gaps]


@pytest.mark.parametrize(("name", "line"), [(HISTORIES, 2565), (GAPPY, 9)])
def test_an_import_told_to_stop_stops_at_the_first_gap(name: str, line: int) -> None:
    run = import_events("hyperliquid", venue_file(name), ImportOptions(on_gap="stop"))
    with pytest.raises(ImportFailed, match=f"line {line} .* expected .*, found .*, missing"):
        list(run)
    assert not run.report.complete
