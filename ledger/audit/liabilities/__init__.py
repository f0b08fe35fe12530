"""What a pool owes its participants, and the proof of it."""
