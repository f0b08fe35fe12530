"""The HTTP API, version 1: what the reporting views say, page by page, and what records explain."""
