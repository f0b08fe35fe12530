"""What follows when an account cannot carry its positions: fund, inventory, waterfall."""
