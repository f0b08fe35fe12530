"""Every stored message decided once more."""
