"""The funding topic: the rate and the mark that each funding payment is worked out from.

After prices and before trades in the order of equal timestamps: a position opened at the funding
time itself neither pays nor receives.
"""

ROLE = "funding"

KINDS = frozenset({"funding_rate"})
