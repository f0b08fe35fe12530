"""What is worked out beside a page, or for it."""
