"""The prices topic: marks, asset prices, periodic settlements and expiries.

Before funding and trades in the order of equal timestamps: they are decided at the mark of their
time. Every tick counts, so it must not be compacted.
"""

ROLE = "prices"

KINDS = frozenset({"price", "asset_price", "price_accept", "settlement", "expiry"})
