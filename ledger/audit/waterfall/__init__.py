"""Explanations of the default waterfall: liquidations, takeovers, the fund, deleveraging."""
