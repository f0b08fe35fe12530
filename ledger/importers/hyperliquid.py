"""Hyperliquid fills to wire events: one pool in USDC, every perpetual a linear instrument.

Rules of this file:

* The file is read twice: `survey` first, then the deals in their order.
* Out come the pool, the instruments, the accounts and the opening positions, all at the time of the
  first deal, and then one `trade` for every deal between perpetual accounts.
* Every side's start position must be the one that follows from the deals before. Where it is not,
  fills are missing in the file. The gap goes into the report, and trades against the account
  `gap` (event ids `gap:...`) bring the books to where the venue has them:
  1. the missing quantity, at the price of the deal: a guess, and so is what it realizes;
  2. where a later closing gives the venue's entry price away (`survey`): the whole position out and
     in again at that price, which leaves its equity as it is and makes its cost the venue's.
* Spot fills, fees in another token than USDC, and deals of an account with itself are left out and
  counted.

Memory: the survey, and one number for every open (account, coin).
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from ledger.core.units import half_even
from ledger.importers.deals import COUNTERPARTY, Deal, Side, deals
from ledger.importers.reading import decimals, instant, plain, rounded
from ledger.importers.run import AssumedEntry, Gap, ImportOptions, ImportReport, WireEvent
from ledger.importers.survey import MONEY_SCALE, Pair, Scales, Survey, start_position
from ledger.importers.wire import Wire, event_id, identifier

GAP_ACCOUNT = "gap"
SETTLEMENT_ASSET = "USDC"
POOL = "usdc"


def instrument_id(coin: str) -> str:
    """`BTC` is `BTC-PERP`."""
    return identifier(f"{coin}-PERP")


def hyperliquid(path: Path, options: ImportOptions, report: ImportReport) -> Iterator[WireEvent]:
    """The importer; see the rules above.

    Raises:
        ImportFailed: A line does not read as its format says, or a gap with `on_gap="stop"`.
    """
    survey = Survey.of(deals(path, options))
    if survey.since is None:
        report.warnings.append("the file has no perpetual fills: no events")
        return
    since = survey.since
    wire = Wire("hl", options.pool or POOL, instant(since), since // 1_000_000)
    yield from _reference(wire, survey, options)
    if not options.continues:
        yield from _openings(wire, survey, report)
    elif survey.openings:
        report.warnings.append(
            f"{len(survey.openings)} positions stood before the file and were not opened:"
            " the pool is taken to hold them"
        )
    yield from _Books(wire, survey, options, report).trades(deals(path, options))


def _reference(wire: Wire, survey: Survey, options: ImportOptions) -> Iterator[WireEvent]:
    held = {coin for _, coin in survey.openings if options.continues}
    yield wire.pool(SETTLEMENT_ASSET, MONEY_SCALE, "hyperliquid")
    for coin, scales in survey.coins.items():
        if coin in held:
            continue  # listed already, perhaps with other scales, which cannot change
        yield wire.instrument(instrument_id(coin), "linear", "1", scales.price, scales.quantity)
    for account in survey.accounts:
        yield wire.account(account)


def _openings(wire: Wire, survey: Survey, report: ImportReport) -> Iterator[WireEvent]:
    for (account, coin), opening in survey.openings.items():
        scales = survey.coins[coin]
        quantity = plain(rounded(opening.quantity, scales.quantity))
        if quantity == "0":
            continue  # noise of a binary double that no size of this coin can hold
        entry = plain(_at_scale(opening.entry, scales.price))
        instrument = instrument_id(coin)
        if opening.is_inferred:
            report.entries_inferred += 1
        else:
            report.entries_assumed.append(AssumedEntry(account, instrument, quantity, entry))
        identity = event_id("hl", "open", coin, account)
        yield wire.opening_position(identity, account, instrument, quantity, entry)


def _at_scale(value: Fraction, scale: int) -> Decimal:
    """The fraction, half-even, with `scale` decimals."""
    coefficient = half_even(value.numerator * 10**scale, value.denominator)
    return Decimal(coefficient).scaleb(-scale)


class _Books:
    """Positions as they follow from the file, and the trades that they follow from."""

    def __init__(
        self, wire: Wire, survey: Survey, options: ImportOptions, report: ImportReport
    ) -> None:
        self._wire = wire
        self._scales: dict[str, Scales] = survey.coins
        self._reopenings = survey.reopenings
        self._options = options
        self._report = report
        self._has_gap_account = GAP_ACCOUNT in survey.accounts
        self._positions: dict[Pair, Decimal] = {
            pair: rounded(opening.quantity, survey.coins[pair[1]].quantity)
            for pair, opening in survey.openings.items()
        }

    def trades(self, deals: Iterator[Deal]) -> Iterator[WireEvent]:
        """One trade a deal, after those that bridge its gaps."""
        for deal in deals:
            self._report.rows += 1
            if not deal.is_perpetual:
                self._report.leave_out("spot fills")
            elif deal.buyer.account == deal.seller.account:
                self._report.leave_out("trades of an account with itself")
            else:
                yield from self._bridges(deal, deal.buyer, deal.quantity, "b")
                yield from self._bridges(deal, deal.seller, -deal.quantity, "s")
                yield self._trade(deal)

    def _bridges(self, deal: Deal, side: Side, change: Decimal, suffix: str) -> Iterator[WireEvent]:
        """Follow the position of one side; make up for what the file does not have."""
        if side.start is None:
            return
        pair = (side.account, deal.coin)
        expected = self._positions.get(pair, Decimal(0))
        found = start_position(side.start, self._scales[deal.coin].quantity)
        if found != expected:
            yield from self._bridge(deal, side.account, expected, found, suffix)
        after = found + change
        if after:
            self._positions[pair] = after
        else:
            self._positions.pop(pair, None)

    def _bridge(
        self, deal: Deal, account: str, expected: Decimal, found: Decimal, suffix: str
    ) -> Iterator[WireEvent]:
        missing = found - expected
        instrument = instrument_id(deal.coin)
        figures = plain(expected), plain(found), plain(missing)
        gap = Gap(deal.line, instant(deal.occurred_at), account, instrument, *figures)
        self._report.note_gap(gap, self._options)
        if not self._has_gap_account:
            self._has_gap_account = True
            yield self._wire.account(GAP_ACCOUNT)
        yield self._gap_trade(deal, account, missing, deal.price, suffix)
        reopening = self._reopenings.get((deal.line, (account, deal.coin)))
        if found and reopening is not None and reopening.is_inferred:
            entry = _at_scale(reopening.entry, self._scales[deal.coin].price)
            yield self._gap_trade(deal, account, -found, entry, suffix + ":out")
            yield self._gap_trade(deal, account, found, entry, suffix + ":in")

    def _gap_trade(
        self, deal: Deal, account: str, change: Decimal, price: Decimal, suffix: str
    ) -> WireEvent:
        """A trade of the account against `gap`; `change` is signed: bought positive."""
        sides = (account, GAP_ACCOUNT) if change > 0 else (GAP_ACCOUNT, account)
        return self._wire.trade(
            event_id("gap", deal.identity.removeprefix("hl:"), suffix),
            instant(deal.occurred_at),
            instrument_id(deal.coin),
            plain(price),
            plain(abs(change)),
            sides,
        )

    def _trade(self, deal: Deal) -> WireEvent:
        if deal.is_liquidation:
            self._report.liquidations += 1
        return self._wire.trade(
            deal.identity,
            instant(deal.occurred_at),
            instrument_id(deal.coin),
            plain(deal.price),
            plain(deal.quantity),
            (deal.buyer.account, deal.seller.account),
            (self._fee(deal.buyer), self._fee(deal.seller)),
            deal.trade_id,
        )

    def _fee(self, side: Side) -> str:
        if side.fee_token != SETTLEMENT_ASSET and side.account != COUNTERPARTY:
            if side.fee:
                self._report.leave_out(f"fees in {side.fee_token}")
            return "0"
        if decimals(side.fee) > MONEY_SCALE:
            self._report.leave_out(f"parts of fees beyond {MONEY_SCALE} decimals")
        return plain(rounded(side.fee, MONEY_SCALE))
