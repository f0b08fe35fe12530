"""Whether the books are what they were, and are right: `clearing verify`."""
