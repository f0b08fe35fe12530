"""FIX trade capture reports."""
