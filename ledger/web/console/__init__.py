"""The console: the books as pages for people, rendered on the server."""
