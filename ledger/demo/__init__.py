"""A seeded simulated exchange, and the story that `clearing demo` tells of it."""
