"""The log: written by one writer a shard, read back by whoever follows it."""
