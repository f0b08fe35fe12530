"""How a figure came to be, worked again with arithmetic of its own."""
