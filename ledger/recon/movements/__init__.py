"""Movements and balances of statements against ours."""
