"""Our side of a reconciliation."""
