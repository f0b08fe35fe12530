"""Checkpoints that keys sign, and files that prove what they cover."""
