"""A clearing and settlement ledger for leveraged derivatives: event-sourced, double entry."""
