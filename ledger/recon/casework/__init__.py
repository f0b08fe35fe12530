"""What becomes of a break: kept from run to run, worked on by people."""
