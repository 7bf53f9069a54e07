"""The answer store: every request and its outcome, in append-only files."""
