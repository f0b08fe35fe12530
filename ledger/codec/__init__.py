"""The only place that knows JSON and pydantic: wire messages, records, kept states."""
