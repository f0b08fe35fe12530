"""Benchmarks: how fast the ledger is on this machine, as ratios within one run."""
