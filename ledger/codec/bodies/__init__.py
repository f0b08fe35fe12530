"""Records: the shape of every kind's body."""
