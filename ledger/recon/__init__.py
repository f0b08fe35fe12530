"""Reconciliation: statements of others in, matches and breaks out."""
