"""The reference topic: pools, assets, instruments, accounts and their terms.

First in the order of equal timestamps: an instrument is there before its first trade. Keep it
without compaction and without an end of retention: the ledger reads every version, in order.
"""

ROLE = "reference"

KINDS = frozenset({"pool", "asset", "instrument", "risk_tiers", "account", "position_mode"})
