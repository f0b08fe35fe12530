"""Margin: what an account has, what it needs, and which prices are believed."""
