"""What stands behind a default: the insurance fund, the inventory, the order of deleveraging."""
