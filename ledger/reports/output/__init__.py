"""Reports as files for people and for programs."""
