"""Tables of any make, read by a mapping."""
