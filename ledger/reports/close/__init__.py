"""The daily close of a pool."""
