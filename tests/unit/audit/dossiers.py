"""Inputs of explanations made by hand: every figure is worked out beside it, from the design.

One contract, LIN: linear, multiplier 1, two decimals of price, whole contracts, one tier at 4%
initial and 2% maintenance. The pool settles in USD with two decimals.
"""

from copy import deepcopy
from typing import Any

from ledger.audit.explanation.explain import EXPLAINERS, Explanation
from ledger.audit.explanation.payments import payments
from ledger.audit.explanation.worksheet import Worksheet

Tree = dict[str, Any]

POOL: Tree = {
    "settlement_asset": "USD",
    "scale": 2,
    "liquidation": "full",
    "penalty_rate": "0.005",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "bitmex",
    "loss_policy": "open",
}
LIN: Tree = {
    "type": "linear",
    "multiplier": "1",
    "price_scale": 2,
    "quantity_scale": 0,
    "tiers": [
        {
            "notional_cap": None,
            "initial_rate": "0.04",
            "maintenance_rate": "0.02",
            "maintenance_amount": "0",
        }
    ],
    "price_band": None,
    "price_max_age": None,
    "price_confirmations": 3,
}


def inputs(mark: str, records: list[Tree], asked: int, line: int) -> Tree:
    """The common part of all inputs."""
    return {
        "rules": 2,
        "pool_time": "2026-01-31T12:00:00Z",
        "source": {
            "kind": "price",
            "event_id": "p7",
            "occurred_at": "2026-01-31T12:00:00Z",
            "instrument": "LIN",
            "mark_price": mark,
        },
        "terms": {
            "pool": deepcopy(POOL),
            "assets": {"USD": {"scale": 2, "haircut": "0"}},
            "instruments": {"LIN": deepcopy(LIN)},
        },
        "marks": {
            "LIN": {
                "mark_price": mark,
                "source": "price",
                "address": "7.1",
                "time": "2026-01-31T12:00:00Z",
            }
        },
        "asset_prices": {},
        "modes": {},
        "books": [],
        "line": line,
        "records": records,
        "asked": asked,
    }


def record(line: int, kind: str, subject: str, **body: object) -> Tree:
    return {"address": f"7.{line}", "kind": kind, "subject": subject, "body": body}


def book(
    owner: str, kind: str, before: str, *postings: Tree, instrument: str | None = None
) -> Tree:
    """An account of the ledger; one of contracts has no asset."""
    return {
        "owner": owner,
        "kind": kind,
        "instrument": instrument,
        "asset": None if kind == "position" else "USD",
        "before": before,
        "postings": list(postings),
    }


def posting(line: int, purpose: str, amount: str, balance: str) -> Tree:
    return {"line": line, "purpose": purpose, "amount": amount, "balance": balance}


def statement() -> Tree:
    """anna: 100 USD, long 10 LIN bought at 100; at 91 she has 10 left and needs 18.20."""
    return {
        "account": "anna",
        "margin_instrument": None,
        "asset": "USD",
        "scale": 2,
        "assets": [
            {"asset": "USD", "balance": "100.00", "price": None, "haircut": "0", "value": "100.00"}
        ],
        "collateral": "100.00",
        "positions": [
            {
                "instrument": "LIN",
                "type": "linear",
                "multiplier": "1",
                "quantity": "10",
                "cost": "-1000.00",
                "mark_price": "91.00",
                "value": "910.00",
                "leverage": None,
                "initial_rate": "0.04",
                "maintenance_rate": "0.02",
                "maintenance_amount": "0.00",
                "maintenance_margin": "18.20",
                "initial_margin": "36.40",
                "stale": False,
            }
        ],
        "unrealized_pnl": "-90.00",
        "equity": "10.00",
        "maintenance_margin": "18.20",
        "initial_margin": "36.40",
    }


def liquidation() -> Tree:
    """The account of `statement` is liquidated whole.

    It is the last position, so all equity, 10, goes with it; the penalty is 0.5% of 910, 4.55.
    @liquidation gives 910 - 4.55 = 905.45, which is 90.545 a contract: 90.54, half-even. The
    bankruptcy price is (910 - 10) / 10 = 90. anna realizes 905.45 - 1000 = -94.55 and keeps 5.45.
    """
    mine: Tree = {"account": "anna", "margin_instrument": None}
    listed = {**mine, "equity": "10.00", "maintenance_margin": "18.20"}
    records = [
        record(2, "liquidation_round", "main", round=1, listed=[listed]),
        record(
            4,
            "liquidation",
            "L-1",
            **mine,
            rules=2,
            mode="full",
            round=1,
            rank=1,
            penalty_rate="0.005",
            partial_buffer="0",
            statement=statement(),
        ),
        record(
            5,
            "takeover",
            "L-1",
            **mine,
            instrument="LIN",
            type="linear",
            multiplier="1",
            position="10",
            quantity="10",
            mark_price="91.00",
            value_at_mark="910.00",
            quantity_maintenance="18.20",
            last=True,
            equity="10.00",
            maintenance_margin="18.20",
            share="10.00",
            penalty="4.55",
            takeover_value="905.45",
            takeover_price="90.54",
            bankruptcy_price="90.00",
            realized_pnl="-94.55",
            inventory_quantity="10",
            inventory_cost="-905.45",
        ),
        record(6, "liquidation_end", "L-1", **mine, equity="5.45", maintenance_margin="0.00"),
    ]
    found = inputs("91.00", records, 1, 4)
    found["books"] = [
        book("anna", "wallet", "100.00", posting(4, "realized", "-94.55", "5.45")),
        book("anna", "position", "10", posting(1, "takeover", "-10", "0"), instrument="LIN"),
        book(
            "anna",
            "variation",
            "-1000.00",
            posting(2, "takeover", "905.45", "-94.55"),
            posting(3, "realized", "94.55", "0.00"),
            instrument="LIN",
        ),
        book("@liquidation", "position", "0", posting(5, "takeover", "10", "10"), instrument="LIN"),
        book(
            "@liquidation",
            "variation",
            "0.00",
            posting(6, "takeover", "-905.45", "-905.45"),
            instrument="LIN",
        ),
    ]
    return found


def liquidated_twice() -> Tree:
    """The liquidation of a `partial` pool whose account was liquidated before in that event."""
    dossier = liquidation()
    dossier["terms"]["pool"]["liquidation"] = "partial"
    earlier = {"account": "anna", "margin_instrument": None}
    dossier["records"].insert(0, record(1, "liquidation", "L-0", **earlier))
    dossier["asked"] = 2
    return dossier


def deleveraging() -> Tree:
    """The inventory of `liquidation` at a mark of 85, by the order of bitmex.

    Its loss is 905.45 - 850 = 55.45, and the fund has 10. ben is short 6 from 100: profit 600 - 510
    = 90, L = 510/500, score 90/600 * 1.02 = 0.153. cleo is short 4 from 95: profit 40, L = 340/100,
    score 40/380 * 3.4 = 0.35789...; she comes first. Her 4 take 905.45 * 4/10 = 362.18 of the cost,
    his 6 the rest, 543.27; both are 90.545 a contract.
    """
    common: Tree = {"margin_instrument": None, "maintenance_margin": "10.20"}
    cleo = {
        "account": "cleo",
        **common,
        "quantity": "-4",
        "cost": "380.00",
        "equity": "100.00",
        "balance": "60.00",
        "score": "0.357894736842105263",
        "rank": 1,
        "taken": "4",
        "reason": None,
    }
    ben = {
        "account": "ben",
        **common,
        "quantity": "-6",
        "cost": "600.00",
        "equity": "500.00",
        "balance": "410.00",
        "score": "0.153",
        "rank": 2,
        "taken": "6",
        "reason": None,
    }
    dora = {
        **ben,
        "account": "dora",
        "quantity": "-1",
        "cost": "80.00",
        "equity": "0.00",
        "score": None,
        "rank": None,
        "taken": "0",
        "reason": "no_equity",
    }
    part: Tree = {"margin_instrument": None, "instrument": "LIN", "liquidation_id": "L-1"}
    records = [
        record(
            2,
            "deleveraging",
            "D-1",
            instrument="LIN",
            type="linear",
            multiplier="1",
            liquidation_id="L-1",
            policy="bitmex",
            rules=2,
            quantity="10",
            cost="-905.45",
            mark_price="85.00",
            loss="55.45",
            insurance="10.00",
            projected="-45.45",
            floor="0",
            candidates=[cleo, ben, dora],
            deleveraged="10",
            left="0",
            loss_absorbed="55.45",
        ),
        record(
            3,
            "deleveraged",
            "D-1",
            account="cleo",
            **part,
            quantity="4",
            price="90.54",
            amount="-362.18",
            rank=1,
            score="0.357894736842105263",
            realized_pnl="17.82",
            in_profit=True,
            equity_after="77.82",
        ),
        record(
            4,
            "deleveraged",
            "D-1",
            account="ben",
            **part,
            quantity="6",
            price="90.54",
            amount="-543.27",
            rank=2,
            score="0.153",
            realized_pnl="56.73",
            in_profit=True,
            equity_after="466.73",
        ),
    ]
    found = inputs("85.00", records, 0, 2)
    found["books"] = [
        book("@house", "insurance", "10.00"),
        *_closed("@liquidation", 1, ("10", "-4", "6"), ("-905.45", "362.18", "-543.27")),
        *_closed("cleo", 3, ("-4", "4", "0"), ("380.00", "-362.18", "17.82")),
        *_closed("ben", 5, ("-6", "6", "0"), ("600.00", "-543.27", "56.73")),
        book("dora", "position", "-1", instrument="LIN"),
        book("dora", "variation", "80.00", instrument="LIN"),
    ]
    return found


def _closed(
    owner: str, line: int, contracts: tuple[str, str, str], cost: tuple[str, str, str]
) -> list[Tree]:
    return [
        book(
            owner,
            "position",
            contracts[0],
            posting(line, "deleveraging", contracts[1], contracts[2]),
            instrument="LIN",
        ),
        book(
            owner,
            "variation",
            cost[0],
            posting(line + 1, "deleveraging", cost[1], cost[2]),
            instrument="LIN",
        ),
    ]


def margin_call() -> Tree:
    """The account of `statement` gets its call: 10 is under the initial margin of 36.40."""
    body = {"account": "anna", "margin_instrument": None, "equity": "10.00"}
    margins = {"initial_margin": "36.40", "maintenance_margin": "18.20"}
    records = [record(3, "margin_call", "C-1", **body, **margins, statement=statement())]
    found = inputs("91.00", records, 0, 3)
    found["books"] = liquidation()["books"][:3]
    return found


def fund() -> Tree:
    """A loss of 30 takes the 10 of the fund and opens a deficit of 20."""
    records = [
        record(
            8,
            "fund",
            "F-2",
            cause="made_whole",
            liquidation_id="L-1",
            instrument="LIN",
            account="anna",
            amount="-30.00",
            insurance_before="10.00",
            insurance_after="0.00",
            deficit_before="-5.00",
            deficit_after="-25.00",
            deficits=[
                {"opened_by": "F-2", "liquidation_id": "L-1", "change": "-20.00", "left": "-20.00"}
            ],
        )
    ]
    found = inputs("85.00", records, 0, 8)
    found["books"] = [
        book("@house", "insurance", "10.00", posting(3, "made_whole", "-10.00", "0.00")),
        book("@house", "deficit", "-5.00", posting(2, "made_whole", "-20.00", "-25.00")),
    ]
    return found


def funding() -> Tree:
    """0.01% at 85.01, as rules 2 round.

    anna's 10 pay 0.08501, up to 0.09; ben's -10 receive it, down to 0.08; 0.01 is left over.
    """
    found = inputs("85.01", [], 0, 0)
    for name in ("records", "asked"):
        del found[name]
    found["source"] |= {"kind": "funding_rate", "rate": "0.0001"}
    found["payments"] = [
        {"account": "anna", "quantity": "10", "payment": "-0.09"},
        {"account": "ben", "quantity": "-10", "payment": "0.08"},
    ]
    found |= {"whole": True, "rounding": "0.01"}
    return found


def socialized_loss() -> Tree:
    """A deficit of 30: ben has gained 50 and borne 10 of them, cleo 20 and nothing.

    40 and 20 may bear yet, together 60: ben 30 * 40/60 = 20, cleo 10.
    """
    shares = {"instrument": "LIN", "margin_instrument": None, "deficit": "30.00", "gains": "60.00"}
    figures = [("ben", "50.00", "10.00", "20.00"), ("cleo", "20.00", "0.00", "10.00")]
    records = [
        record(
            line,
            "socialized_loss",
            "F-2",
            account=name,
            unrealized_pnl=gain,
            borne=borne,
            share=share,
            **shares,
        )
        for line, (name, gain, borne, share) in enumerate(figures, start=4)
    ]
    return inputs("95.00", records, 0, 4)


DOSSIERS = {
    "socialized_loss": socialized_loss,
    "liquidation": liquidation,
    "deleveraging": deleveraging,
    "margin_call": margin_call,
    "fund": fund,
    "funding_rate": funding,
}


def explanation(kind: str, dossier: Tree) -> Explanation:
    """The inputs, explained."""
    sheet = Worksheet(dossier)
    if kind == "funding_rate":
        payments(sheet)
    else:
        EXPLAINERS[kind](sheet, dossier["asked"])
    event = {
        "kind": dossier["source"]["kind"],
        "event_id": "p7",
        "occurred_at": "2026-01-31T12:00:00Z",
        "pool_time": "2026-01-31T12:00:00Z",
        "sequence": 7,
        "rules": 2,
    }
    return Explanation("X", "main", kind, event, sheet)
