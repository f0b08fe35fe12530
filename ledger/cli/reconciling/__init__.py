"""The commands of `clearing reconcile`."""
