"""The books in files: written, read back, verified, and what may be detached once they are."""
