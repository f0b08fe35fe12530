"""Everything that can be listed: which view, in which order, by which filters, for whom.

Three kinds of listing, for three kinds of pages: journals (what happened, by sequence), states (how
things stand, by owner) and sums (over a whole pool). What columns mean is said by the database.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ledger.store.web.journals import Journal
from ledger.store.web.past import ADL_QUEUE_AT, OPEN_BREAKS_AT, RUNS_AT
from ledger.store.web.states import State
from ledger.store.web.sums import OPEN_INTEREST_AT, TRIAL_BALANCE_AT, Sum
from ledger.store.web.tokens import Scope

Source = Journal | State | Sum

EVERYBODY: frozenset[Scope] = frozenset({"reporting", "back_office", "auditor"})
WORKERS: frozenset[Scope] = frozenset({"back_office", "auditor"})


class Listing(NamedTuple):
    """A listing of the API.

    Attributes:
        name: In its address.
        source: What is read.
        scopes: Any of these opens it.
        remark: What a reader should know beside the words of the view.
    """

    name: str
    source: Source
    scopes: frozenset[Scope] = EVERYBODY
    remark: str = ""


def _by(*columns: str) -> Mapping[str, tuple[str, ...]]:
    return {column: (column,) for column in columns}


_CLOCK = "`at` is a moment of the clock: work on breaks has no events."
_HELD = ("wallet", "isolated", "suspense")
_LATER = "What ended it after `at` is not told."

LISTINGS: Mapping[str, Listing] = {
    listing.name: listing
    for listing in (
        Listing(
            "balances",
            State(
                "balances",
                ("account", "kind", "instrument", "asset"),
                _by("kind", "instrument", "asset"),
            ),
        ),
        Listing("positions", State("positions", ("account", "instrument"), _by("instrument"))),
        Listing(
            "margin", State("margin", ("account", "margin_mode", "instrument"), _by("instrument"))
        ),
        Listing(
            "trial_balance",
            Sum("trial_balance", "reporting", ("commodity",), _by("commodity"), TRIAL_BALANCE_AT),
        ),
        Listing(
            "open_interest",
            Sum("open_interest", "reporting", ("instrument",), _by("instrument"), OPEN_INTEREST_AT),
        ),
        Listing(
            "adl_queue",
            Sum(
                "adl_queue",
                "reporting",
                ("instrument", "side", "eligible", "rank", "account", "margin_mode"),
                _by("account", "instrument", "side"),
                ADL_QUEUE_AT,
                is_closed=True,
            ),
        ),
        Listing(
            "postings",
            Journal(
                "postings",
                "sequence",
                ("line",),
                _by("account", "account_kind", "instrument", "commodity", "kind"),
                line="line",
            ),
        ),
        Listing(
            "trades",
            Journal(
                "trades",
                "sequence",
                (),
                {"account": ("buyer", "seller"), **_by("instrument", "liquidation_id")},
                kinds=("position",),
            ),
            remark="`account` is its buyer or its seller. `busted_by` is as known now.",
        ),
        Listing(
            "funding_payments",
            Journal(
                "funding_payments",
                "sequence",
                ("account", "payment"),
                _by("account", "instrument"),
                kinds=_HELD,
            ),
        ),
        Listing(
            "fees",
            Journal(
                "fees",
                "sequence",
                ("account", "asset", "fee"),
                _by("account", "instrument", "asset"),
                kinds=("wallet",),
            ),
        ),
        Listing(
            "realized_pnl",
            Journal(
                "realized_pnl",
                "sequence",
                ("account", "instrument"),
                _by("account", "instrument"),
                kinds=("variation",),
            ),
        ),
        Listing(
            "liquidations",
            Journal(
                "liquidations",
                "sequence",
                ("liquidation_id", "instrument", "quantity"),
                _by("account", "instrument", "liquidation_id"),
            ),
        ),
        Listing(
            "deleveragings",
            Journal(
                "deleveragings",
                "sequence",
                ("instrument", "rank", "account", "quantity"),
                _by("account", "instrument", "liquidation_id"),
            ),
        ),
        Listing(
            "insurance_fund",
            Journal(
                "insurance_fund",
                "sequence",
                ("cause", "liquidation_id", "amount", "balance"),
                _by("cause", "liquidation_id"),
            ),
        ),
        Listing(
            "deficits",
            Journal(
                "deficits",
                "sequence",
                ("cause", "liquidation_id", "amount", "balance"),
                _by("cause", "liquidation_id"),
            ),
        ),
        Listing(
            "margin_calls",
            Journal("margin_calls", "opened_sequence", ("call_id",), _by("account", "instrument")),
            remark=_LATER,
        ),
        Listing(
            "margin_breaches",
            Journal(
                "margin_breaches",
                "sequence",
                ("account", "instrument", "cause", "missing"),
                _by("account", "instrument", "cause"),
            ),
        ),
        Listing(
            "suspect_marks",
            Journal("suspect_marks", "sequence", ("instrument",), _by("instrument", "reason")),
            remark=_LATER,
        ),
        Listing("rejections", Journal("rejections", "sequence", (), _by("code", "kind"))),
        Listing(
            "breaks",
            Sum(
                "open_breaks",
                "back_office",
                ("break_key",),
                _by("account", "commodity", "source", "type", "severity", "state", "assignee"),
                OPEN_BREAKS_AT,
                is_of_clock=True,
                is_closed=True,
            ),
            WORKERS,
            _CLOCK,
        ),
        Listing(
            "reconciliations",
            Sum("runs", "back_office", ("run",), {}, RUNS_AT, is_of_clock=True),
            WORKERS,
            _CLOCK,
        ),
    )
}
"""By name, which is also that of the view unless `source` says otherwise."""
