"""The exchange's liquidation desk: it reads what the ledger took over, and sells it in the market.

It knows the inventory of `@liquidation` from records alone: every takeover, close-out and
deleveraging says what is left. Its answer is one close-out trade for each level of the book that
it needs, and none where the book is empty; what is left is tried again at its next turn. The ledger
may deleverage an inventory between two of these trades; the rest then overshoots, and is bought
back at the next turn.
"""

from collections.abc import Iterator, Mapping

from ledger.demo.book import levels
from ledger.demo.listings import Contract
from ledger.demo.records import Published, whole
from ledger.demo.venue import Venue
from ledger.demo.wire import WireMessage


class Inventory:
    """What `@liquidation` holds of one instrument.

    Attributes:
        quantity: Signed, smallest units.
        liquidation_id: Of the latest takeover.
    """

    __slots__ = ("liquidation_id", "quantity")

    def __init__(self) -> None:
        self.quantity = 0
        self.liquidation_id = ""


class Desk:
    """The inventories of all pools, and the trades that close them.

    Attributes:
        inventories: By pool and instrument, in order of their first takeover.
        empty_books: How many times an inventory met an empty book.
    """

    def __init__(self) -> None:
        self.inventories: dict[tuple[str, str], Inventory] = {}
        self.empty_books = 0

    def note(self, record: Published, contracts: Mapping[str, Contract]) -> None:
        """Learns from a record what is left of an inventory.

        Args:
            record: Of any kind; most say nothing of inventories.
            contracts: By instrument, expired ones included.
        """
        body = record.body
        match record.kind:
            case "takeover" | "close_out":
                text = body["inventory_quantity"]
            case "deleveraging":
                text = ("-" if body["quantity"].startswith("-") else "") + body["left"]
            case "unclosed" if body["ended_by"] == "expiry":
                text = "0"
            case _:
                return
        contract = contracts[body["instrument"]]
        where = (record.pool, contract.instrument)
        inventory = self.inventories.setdefault(where, Inventory())
        inventory.quantity = whole(text, contract.quantity_scale)
        if record.kind == "takeover":
            inventory.liquidation_id = record.subject

    def orders(self, venue: Venue) -> Iterator[WireMessage]:
        """The close-out trades of this turn, inventory by inventory, level by level."""
        for (pool, instrument), inventory in self.inventories.items():
            market = venue.markets.get(instrument)
            left = -inventory.quantity
            if market is None or left == 0:
                continue
            side = 1 if left > 0 else -1
            book = levels(market, side, venue.random)
            self.empty_books += not book
            for level in book:
                quantity = side * min(abs(left), level.quantity)
                if quantity == 0:
                    break
                venue.tally.applied["trade"] += 1
                raw = market.close_out(
                    venue.next_id("c"),
                    venue.clock.stamp(),
                    quantity,
                    level.price,
                    inventory.liquidation_id,
                )
                yield venue.wrap("trades", pool, raw)
                left -= quantity
