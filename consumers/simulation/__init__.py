"""A whole clearing house in one thread of time: one seed, one history, every fault we know.

The core, the codec, the writer, the loop and the dead letters are the real ones; clock, broker,
log and machines are simulated. Only `ledger.cli.simulating` imports this package.
"""
