"""What `clearing doctor` looks over."""
