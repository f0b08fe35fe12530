"""Random histories: each event is spelled by sixteen bytes, read against what has happened so far.

Most events are sound; some name unknown things, carry too many decimals, or ask for too much. Sizes
reach from one smallest unit of 18 decimals to 10^12 contracts, prices from the smallest step up.
"""

from collections.abc import Callable
from typing import Literal

from ledger.core import events
from ledger.core.units import Fixed, Microseconds
from tests.property.model import Model

SPELLED_BY = 16
FLAT = (events.Tier(None, Fixed(1, 1), Fixed(5, 2), Fixed(0, 0)),)
SETTLEMENT_SCALES = (0, 2, 6, 8, 18)
INSTRUMENTS: tuple[tuple[str, events.Instrument], ...] = tuple(
    (name, events.Instrument(name, kind, multiplier, price_scale, quantity_scale, None, FLAT, band))  # type: ignore[arg-type]
    for name, kind, multiplier, price_scale, quantity_scale, band in (
        ("LIN", "linear", Fixed(1, 0), 2, 0, None),
        ("FINE", "linear", Fixed(1, 3), 18, 18, None),
        ("INV", "inverse", Fixed(100, 0), 1, 0, Fixed(9, 1)),
        ("ODD", "inverse", Fixed(7, 1), 8, 3, None),
    )
)
PEOPLE = ("anna", "ben", "cleo", "dora", "emil")
POLICIES = ("bitmex", "binance", "hyperliquid", "pro_rata", "capped_pro_rata")
LEVERAGES = (None, Fixed(1, 0), Fixed(25, 1), Fixed(20, 0))
SIZES = (1, 2, 3, 5, 7, 99, 1000, 10**6 + 1, 10**9, 10**12)


def fixed(coefficient: int, scale: int) -> Fixed:
    """A decimal in the core's only spelling: without trailing zeros."""
    while scale and coefficient % 10 == 0:
        coefficient, scale = coefficient // 10, scale - 1
    return Fixed(coefficient, scale)


def pool_terms(scale: int, number: int) -> events.Pool:
    """Terms of a pool; every mode and policy has its numbers."""
    return events.Pool(
        "USD",
        scale,
        ("off", "full", "partial")[number % 3],
        (Fixed(0, 0), Fixed(5, 3), Fixed(1, 0))[number % 4 % 3],
        (Fixed(0, 0), Fixed(1, 1))[number // 3 % 2],
        (Fixed(0, 0), Fixed(1000, 0))[number // 6 % 2],
        POLICIES[number % 5],  # type: ignore[arg-type]
        ("open", "socialize")[number // 2 % 2],
    )


def beginning(settlement_scale: int) -> list[events.Event]:
    """Reference data of a history."""
    facts: list[tuple[str, events.Fact]] = [
        ("pool", pool_terms(settlement_scale, SETTLEMENT_SCALES.index(settlement_scale))),
        ("asset", events.Asset("ETH", 18, Fixed(1, 1))),
        *(("instrument", instrument) for _, instrument in INSTRUMENTS),
        *(("account", events.Account(person)) for person in PEOPLE),
    ]
    return [
        events.Event(kind, f"r{number}", "main", Microseconds(number), fact)
        for number, (kind, fact) in enumerate(facts)
    ]


def new_model(settlement_scale: int) -> Model:
    """The model of the same reference data."""
    model = Model()
    for event in beginning(settlement_scale):
        model.apply(event)
    return model


class Speller:
    """Reads sixteen bytes as an event, given the model's books."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.trades: list[events.Event] = []
        self.number = 0

    def event(self, spelled: bytes) -> tuple[events.Event, events.Event | None]:
        """The event, and for a bust the trade that it names."""
        self.number += 1
        self.bytes = spelled
        original = self.trades[spelled[1] % len(self.trades)] if self.trades else None
        make = KINDS[spelled[0] % len(KINDS)]
        fact = make(self, original)
        kind = next(name for name, made in NAMES.items() if isinstance(fact, made))
        when = Microseconds(1000 + self.number + spelled[15] - 128)
        event = events.Event(kind, f"e{self.number}", "main", when, fact)
        return event, original if isinstance(fact, events.TradeBust) else None

    def person(self, at: int) -> str:
        byte = self.bytes[at]
        return "zoe" if byte == 255 else PEOPLE[byte % len(PEOPLE)]

    def instrument(self) -> tuple[str, events.Instrument]:
        byte = self.bytes[3]
        name, terms = INSTRUMENTS[byte % len(INSTRUMENTS)]
        return ("NIL" if byte == 255 else name), terms

    def asset(self) -> str:
        return ("USD", "USD", "ETH", "USD")[self.bytes[4] % 4] if self.bytes[4] < 250 else "XRP"

    def size(self, at: int, scale: int, *, whole: bool = False) -> Fixed:
        """A positive decimal; rarely with one decimal too many."""
        first, second = self.bytes[at], self.bytes[at + 1]
        if first == 255:
            return Fixed(2 * second + 1, scale + 1)
        units = SIZES[first % len(SIZES)] if first < 128 else 256 * (first - 128) + second + 1
        return fixed(units, 0 if whole or second % 2 else scale)

    def money(self) -> Fixed:
        scale = self.model.scales.get(self.asset(), 0)
        return self.size(5, scale)

    def fee(self, at: int) -> Fixed:
        byte = self.bytes[at]
        return fixed(byte % 7 - 3, self.model.scales["USD"] if byte % 2 else 0)

    def trade(self, _: events.Event | None) -> events.Fact:
        instrument, terms = self.instrument()
        return events.Trade(
            instrument,
            self.size(5, terms.price_scale),
            self.size(7, terms.quantity_scale),
            self.person(1),
            self.person(2) if self.bytes[9] < 250 else "@liquidation",
            self.fee(10),
            self.fee(11),
        )

    def closing_trade(self, _: events.Event | None) -> events.Fact:
        """A trade that reduces, ends, or turns an open position."""
        instrument, terms = self.instrument()
        holders = self.model.holders(instrument)
        if not holders:
            return self.trade(None)
        owner, held = holders[self.bytes[1] % len(holders)]
        units = int(abs(held) * 10**terms.quantity_scale)
        part = max(1, units * (1 + self.bytes[9] % 6) // 4)
        sides = (owner, self.person(2)) if held < 0 else (self.person(2), owner)
        price, quantity = self.size(5, terms.price_scale), fixed(part, terms.quantity_scale)
        return events.Trade(
            instrument, price, quantity, *sides, buyer_fee=self.fee(10), seller_fee=self.fee(11)
        )

    def bust(self, original: events.Event | None) -> events.Fact:
        return events.TradeBust("t0" if original is None else original.event_id, "error")

    def deposit(self, _: events.Event | None) -> events.Fact:
        return events.Deposit(self.person(1), self.asset(), self.money())

    def withdrawal(self, _: events.Event | None) -> events.Fact:
        return events.Withdrawal(self.payer(), self.asset(), self._leaving())

    def request(self, _: events.Event | None) -> events.Fact:
        name = f"w{self.bytes[7] % 4}"
        return events.WithdrawalRequest(name, self.payer(), self.asset(), self._leaving())

    def end_request(self, _: events.Event | None) -> events.Fact:
        names = sorted(self.model.requests) or ["w0"]
        name = names[self.bytes[7] % len(names)]
        made = (events.WithdrawalSettled, events.WithdrawalCancelled)[self.bytes[8] % 2]
        known = self.model.requests.get(name)
        if known is None or self.bytes[9] < 20:
            return made(name, self.person(1), self.asset(), self.money())
        account, asset, amount = known
        scale = self.model.scales[asset]
        return made(name, account, asset, fixed(int(amount * 10**scale), scale))

    def transfer(self, _: events.Event | None) -> events.Fact:
        sides = self.payer(), self.person(2)
        return events.InternalTransfer(*sides, self.asset(), self._leaving())

    def insure(self, _: events.Event | None) -> events.Fact:
        return events.InsuranceDeposit(self.asset(), self.money())

    def opening(self, _: events.Event | None) -> events.Fact:
        sign = 1 if self.bytes[9] % 2 else -1
        if self.bytes[10] % 3 == 0:
            amount = self.money()
            signed = Fixed(sign * amount.coefficient, amount.scale)
            return events.OpeningBalance(self.person(1), self.asset(), signed)
        instrument, terms = self.instrument()
        house = self.model.books["@house", "position", instrument]
        quantity = self.size(7, terms.quantity_scale)
        signed = Fixed(sign * quantity.coefficient, quantity.scale)
        if house and self.bytes[10] % 3 == 1:
            signed = fixed(int(house * 10**terms.quantity_scale), terms.quantity_scale)
        price = self.size(5, terms.price_scale)
        return events.OpeningPosition(self.person(1), instrument, signed, price)

    def funding(self, _: events.Event | None) -> events.Fact:
        instrument, terms = self.instrument()
        rate = fixed((self.bytes[7] - 128) * 10 ** (self.bytes[8] % 9), 12)
        rate = Fixed(1, 13) if self.bytes[9] == 255 else rate
        return events.FundingRate(instrument, rate, self.size(5, terms.price_scale))

    def settle(self, _: events.Event | None) -> events.Fact:
        instrument, terms = self.instrument()
        made = events.Expiry if self.bytes[9] < 40 else events.Settlement
        return made(instrument, self.size(5, terms.price_scale))

    def price(self, _: events.Event | None) -> events.Fact:
        instrument, terms = self.instrument()
        number = self.size(5, terms.price_scale)
        return events.Price(
            instrument, number if number.scale <= terms.price_scale else Fixed(1, 0)
        )

    def adjust(self, _: events.Event | None) -> events.Fact:
        instrument, terms = self.instrument()
        holders = [pair for pair in self.model.holders(instrument) if pair[0] != "@house"]
        checker = "noor" if self.bytes[9] else "maria"
        if not holders or self.bytes[10] % 3 == 0:
            scale = self.model.scales["USD"]
            amount = fixed(self.bytes[5] + 1, scale)
            other = Fixed(-amount.coefficient, amount.scale)
            kind = ("fees", "deficit", "insurance", "suspense")[self.bytes[11] % 4]
            lines: tuple[events.AdjustmentLine, ...] = (
                events.AdjustmentLine(self.person(1), "wallet", None, "USD", amount),
                events.AdjustmentLine("@house", kind, None, "USD", other),
            )
            return events.Adjustment(lines, "by hand", "maria", checker)
        owner, held = holders[self.bytes[1] % len(holders)]
        cost = self.model.books[owner, "variation", instrument]
        lines = (
            *_moved(
                owner,
                self.person(2),
                "position",
                instrument,
                int(held * 10**terms.quantity_scale),
                terms.quantity_scale,
            ),
            *_moved(
                owner,
                self.person(2),
                "variation",
                instrument,
                int(cost * 10 ** self.model.scales["USD"]),
                self.model.scales["USD"],
            ),
        )
        return events.Adjustment(
            lines[: 3 if self.bytes[11] < 20 else 4], "by hand", "maria", checker
        )

    def other(self, _: events.Event | None) -> events.Fact:
        instrument, terms = self.instrument()
        choice = self.bytes[5] % 6
        if choice == 0:
            return events.PriceAccept(
                instrument,
                self.size(6, terms.price_scale),
                "maria",
                "noor" if self.bytes[9] else "maria",
            )
        if choice == 1:
            return events.AssetPrice("ETH", Fixed(1 + self.bytes[6], 0))
        if choice == 2:
            return events.Account(PEOPLE[self.bytes[1] % 5], tags=(f"tag-{self.bytes[2]}",))
        if choice == 3:
            return pool_terms(self.model.pool.scale, self.bytes[6])
        amount = self.money()
        sign = 1 if self.bytes[9] % 2 else -1
        return events.IsolatedTransfer(
            self.person(1), instrument, Fixed(sign * amount.coefficient, amount.scale)
        )

    def mode(self, _: events.Event | None) -> events.Fact:
        instrument, _terms = self.instrument()
        mode: Literal["cross", "isolated"] = "cross" if self.bytes[5] % 3 == 0 else "isolated"
        leverage = LEVERAGES[self.bytes[6] % len(LEVERAGES)]
        return events.PositionMode(self.person(1), instrument, mode, leverage)

    def payer(self) -> str:
        """Mostly somebody who has some of the asset."""
        able = [
            owner
            for (owner, kind, thing), amount in self.model.books.items()
            if kind == "wallet" and thing == self.asset() and amount > 0
        ]
        return able[self.bytes[1] % len(able)] if able and self.bytes[1] < 200 else self.person(1)

    def _leaving(self) -> Fixed:
        """All of the payer's wallet, half of it, one unit more than it, or any amount."""
        asset, mode = self.asset(), self.bytes[9] % 4
        scale = self.model.scales.get(asset, 0)
        units = int(self.model.books[self.payer(), "wallet", asset] * 10**scale)
        if mode == 3 or units <= 0:
            return self.money()
        return fixed((units, max(1, units // 2), units + 1)[mode], scale)


def _moved(
    source: str, target: str, kind: str, instrument: str, units: int, scale: int
) -> list[events.AdjustmentLine]:
    asset = None if kind == "position" else "USD"
    return [
        events.AdjustmentLine(owner, kind, instrument, asset, fixed(sign * units, scale))
        for owner, sign in ((source, -1), (target, 1))
    ]


NAMES: dict[str, type[events.Fact]] = {
    "trade": events.Trade,
    "trade_bust": events.TradeBust,
    "deposit": events.Deposit,
    "withdrawal": events.Withdrawal,
    "withdrawal_request": events.WithdrawalRequest,
    "withdrawal_settled": events.WithdrawalSettled,
    "withdrawal_cancelled": events.WithdrawalCancelled,
    "internal_transfer": events.InternalTransfer,
    "insurance_deposit": events.InsuranceDeposit,
    "opening_balance": events.OpeningBalance,
    "opening_position": events.OpeningPosition,
    "funding_rate": events.FundingRate,
    "settlement": events.Settlement,
    "expiry": events.Expiry,
    "price": events.Price,
    "adjustment": events.Adjustment,
    "position_mode": events.PositionMode,
    "asset_price": events.AssetPrice,
    "account": events.Account,
    "isolated_transfer": events.IsolatedTransfer,
    "price_accept": events.PriceAccept,
    "pool": events.Pool,
    "asset": events.Asset,
    "instrument": events.Instrument,
    "risk_tiers": events.RiskTiers,
}
KINDS: list[Callable[[Speller, events.Event | None], events.Fact]] = [
    *[Speller.trade] * 6,
    *[Speller.closing_trade] * 6,
    *[Speller.bust] * 3,
    *[Speller.deposit] * 2,
    *[Speller.withdrawal] * 2,
    *[Speller.request] * 2,
    *[Speller.end_request] * 2,
    Speller.transfer,
    Speller.insure,
    *[Speller.opening] * 2,
    *[Speller.funding] * 3,
    *[Speller.settle] * 2,
    *[Speller.price] * 2,
    *[Speller.adjust] * 2,
    *[Speller.mode] * 2,
    *[Speller.other] * 2,
]
