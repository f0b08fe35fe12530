"""What reports and statements are made of."""
