"""Trades of an outside source against ours."""
