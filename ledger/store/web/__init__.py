"""What the API asks, and the connections that it asks over."""
