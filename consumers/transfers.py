"""The transfers topic: money in, out and between accounts, opening entries and adjustments.

Before prices and trades in the order of equal timestamps: collateral arrives before it is needed.
"""

ROLE = "transfers"

KINDS = frozenset(
    {
        "deposit",
        "withdrawal",
        "withdrawal_request",
        "withdrawal_settled",
        "withdrawal_cancelled",
        "internal_transfer",
        "isolated_transfer",
        "insurance_deposit",
        "opening_balance",
        "opening_position",
        "adjustment",
    }
)
