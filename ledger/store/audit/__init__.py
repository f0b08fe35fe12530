"""The books as auditors read them."""
