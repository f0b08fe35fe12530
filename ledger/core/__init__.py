"""The pure machine: events in, postings and records out; no clock, no I/O, no float."""
