"""The auditor's own desk: it explains what the ledger decided, with arithmetic of its own."""
