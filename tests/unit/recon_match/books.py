"""Books in memory for the matching: what `OurBooks` reads from PostgreSQL, given as lists."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import psycopg

from ledger.recon.lines import Movement, Statement, Trade
from ledger.recon.rules import Rules, SourceRules, parse_rules
from ledger.store.recon.books import OurBooks, OurMovement, OurTrade, microseconds

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: int) -> datetime:
    """So many seconds after the beginning of 2026."""
    return START + timedelta(seconds=seconds)


class FakeBooks(OurBooks):
    """Trades, movements and balances that were given."""

    def __init__(
        self,
        trades: Iterable[OurTrade] = (),
        movements: Iterable[OurMovement] = (),
        balances: dict[tuple[str, str], Decimal] | None = None,
        busted: Iterable[str] = (),
    ) -> None:
        super().__init__(cast("psycopg.Connection", None), "main", 1, 100)
        self._trades = list(trades)
        self._movements = list(movements)
        self._balances = balances or {}
        self._busted = frozenset(busted)

    def trades(
        self, begins: datetime | None = None, ends: datetime | None = None
    ) -> Iterator[OurTrade]:
        for trade in self._trades:
            if (begins is None or microseconds(begins) <= trade.at) and (
                ends is None or trade.at <= microseconds(ends)
            ):
                yield trade

    def busted(self) -> frozenset[str]:
        return self._busted

    def settlement_asset(self) -> str:
        return "USDT"

    def movements(
        self,
        owners: Sequence[str] | None,
        begins: datetime | None = None,
        ends: datetime | None = None,
        *,
        every_purpose: bool = False,
    ) -> Iterator[OurMovement]:
        del every_purpose
        for each in self._movements:
            if (
                (owners is None or each.account in owners)
                and (begins is None or begins <= each.at)
                and (ends is None or each.at <= ends)
            ):
                yield each

    def balances(
        self, sequence: int | None = None, name: str | None = None
    ) -> dict[tuple[str, str], Decimal]:
        del sequence, name
        return self._balances

    def require_held(self, since: datetime | None) -> None:
        del since

    def sequence_at(self, moment: datetime) -> int:
        del moment
        return self.sequence


def source(kind: str, extra: str = "", name: str = "venue") -> SourceRules:
    """The rules of one source of the pool `main`."""
    formats = {"trades": "trades-csv", "holdings": "holdings-csv", "statements": "camt053"}
    return rules(kind, extra, formats[kind], name).sources[name]


def rules(kind: str, extra: str, form: str, name: str = "venue") -> Rules:
    """A rules file of one source."""
    return parse_rules(
        f'version = 1\n[sources.{name}]\nkind = "{kind}"\nformat = "{form}"\n{extra}'
    )


def ours(number: int, **figures: str) -> OurTrade:
    """Trade `number` of ours, a second after the one before."""
    told = {"trade_id": str(number), "price": "100", "quantity": "2", "buyer": "ada"} | figures
    return OurTrade(
        told["trade_id"],
        told.get("event_id", f"e{number}"),
        microseconds(at(int(told.get("second", number)))),
        told.get("instrument", "BTC-PERP"),
        told["price"],
        told["quantity"],
        told["buyer"],
        told.get("seller", "ben"),
        told.get("buyer_fee", "0.5"),
        told.get("seller_fee", "-0.1"),
    )


def theirs(number: int, line: int | None = None, **figures: str | None) -> Trade:
    """The same trade as its source tells it."""
    told = {"trade_id": str(number), "price": "100.0", "quantity": "2.00"} | figures
    second = told.get("second", str(number))
    paid = [told.get("buyer_fee", "0.50"), told.get("seller_fee", "-0.1")]
    buyer_fee, seller_fee = (None if fee is None else Decimal(fee) for fee in paid)
    return Trade(
        number if line is None else line,
        str(told["trade_id"]),
        None if second is None else at(int(second)),
        str(told.get("instrument", "BTC-PERP")),
        Decimal(str(told["price"])),
        Decimal(str(told["quantity"])),
        told.get("buyer", "ada"),
        told.get("seller", "ben"),
        buyer_fee,
        seller_fee,
    )


def placed(trades: Iterable[Trade]) -> list[tuple[str, Trade]]:
    """Trades with where they stand."""
    return [(f"line {trade.line}", trade) for trade in trades]


def moved(number: int, amount: str, **figures: str) -> OurMovement:
    """Movement `number` of ours, an hour after the one before."""
    return OurMovement(
        figures.get("event_id", f"d{number}"),
        figures.get("request_id"),
        figures.get("kind", "deposit"),
        at(3600 * int(figures.get("hour", number))),
        figures.get("account", "@custody"),
        figures.get("commodity", "USDT"),
        Decimal(amount),
    )


def line(number: int, amount: str, **figures: str) -> Movement:
    """A line of a statement, an hour after the one before."""
    return Movement(
        number,
        figures.get("reference", ""),
        figures.get("ours", ""),
        at(3600 * int(figures.get("hour", number))),
        figures.get("account", "@custody"),
        figures.get("commodity", "USDT"),
        Decimal(amount),
        figures.get("text", ""),
    )


def statement(
    *movements: Movement, opening: str | None = None, closing: str | None = None, number: str = ""
) -> tuple[str, Statement]:
    """A statement of the first day of 2026."""
    first = movements[0]
    return "", Statement(
        "venue",
        number,
        first.account,
        first.commodity,
        at(0),
        at(86_399),
        None if opening is None else Decimal(opening),
        None if closing is None else Decimal(closing),
        movements,
    )
