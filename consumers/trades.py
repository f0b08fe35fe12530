"""The trades topic: what the matching engine executed, and what was busted since.

Last in the order of equal timestamps, and by far the busiest: its messages usually come alone, for
which `consumers.merge` has a short way.
"""

ROLE = "trades"

KINDS = frozenset({"trade", "trade_bust"})
