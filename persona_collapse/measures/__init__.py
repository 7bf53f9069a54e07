"""Measures: everything that is computed from moments; nothing here asks where answers came from."""
