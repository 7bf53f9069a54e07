"""The answer store: every paid attempt, in append-only files."""
