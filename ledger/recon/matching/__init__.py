"""What all matching shares."""
